//! What the core still wants of a member while something of it goes on.

use std::collections::VecDeque;
use std::time::Duration;

use kerf_scheduler::core::LocalCommand;
use tokio::sync::mpsc;

/// The commands of one member. An order to stop is heard out of turn; the others wait for theirs.
#[derive(Debug)]
pub(super) struct Orders {
    commands: mpsc::UnboundedReceiver<LocalCommand>,
    waiting: VecDeque<LocalCommand>,
    stop: Option<Duration>,
}

impl Orders {
    pub fn new(commands: mpsc::UnboundedReceiver<LocalCommand>) -> Self {
        Self {
            commands,
            waiting: VecDeque::new(),
            stop: None,
        }
    }

    /// The next command, if there is one.
    pub fn take(&mut self) -> Option<LocalCommand> {
        self.waiting
            .pop_front()
            .or_else(|| self.commands.try_recv().ok())
    }

    /// An order to stop was about a container before the one that is to be made.
    pub fn forget_stop(&mut self) {
        self.stop = None;
    }

    /// Whether the member is to stop, and the time between the signals.
    pub fn stop(&mut self) -> Option<Duration> {
        while let Ok(command) = self.commands.try_recv() {
            self.sort(command);
        }
        self.stop
    }

    /// Returns when the member is to stop. Nothing is lost when it is not waited for to the end.
    pub async fn stopped(&mut self) -> Duration {
        loop {
            if let Some(grace) = self.stop {
                return grace;
            }
            match self.commands.recv().await {
                Some(command) => self.sort(command),
                // kerfd ends.
                None => return std::future::pending().await,
            }
        }
    }

    fn sort(&mut self, command: LocalCommand) {
        match command {
            LocalCommand::Stop { grace } => self.stop = Some(grace),
            other => self.waiting.push_back(other),
        }
    }
}
