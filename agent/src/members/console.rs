//! The terminal of a running job: one task reads it all the time, whether somebody is attached or not.
//!
//! ```text
//!  FIFO ─► pump ─► stdout.log
//!            └──► who is attached, or else the backlog for the next one
//! ```
//! Nobody needs to read for the job to go on. Who attaches gets first what was printed since the last one
//! left, as far as the backlog goes; the log has everything. A terminal goes with its container: of one that is
//! over no file is open, and soon nothing is left in memory.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kerf_types::peer::Tag;
use tokio::sync::{mpsc, watch};

use super::inner::Inner;
use super::watch::RETRY;
use crate::errors::chain;
use crate::launcher::{LauncherError, TerminalInput, TerminalIo, TerminalOutput};

/// What is kept for one who attaches later: a screen and its history.
const BACKLOG: usize = 64 << 10;

/// Pieces on their way to a client, each of up to 16 KiB.
const IN_FLIGHT: usize = 64;

/// How long a client may leave what is on its way. One that does not read would stop the job; it can attach
/// again.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long the last output of a container that is gone may take to be read.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);

/// How long the last output of an ended job waits for somebody who is on the way to attach: a client that has
/// just submitted the job. It is memory that no limit of jobs counts.
const LINGER: Duration = Duration::from_secs(10);

/// The terminal of one container.
#[derive(Debug)]
pub struct Console {
    container: String,
    shared: Mutex<Shared>,
    /// Turns true when the job has closed its end.
    done: watch::Sender<bool>,
}

#[derive(Debug)]
struct Shared {
    backlog: Vec<u8>,
    client: Option<mpsc::Sender<Vec<u8>>>,
    /// Whether somebody has the terminal, and with it what is typed.
    attached: bool,
    input: Option<TerminalInput>,
}

impl Console {
    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the terminal; `None` when somebody has it.
    pub fn attach(self: &Arc<Self>) -> Option<Attachment> {
        let mut shared = self.shared();
        if std::mem::replace(&mut shared.attached, true) {
            return None;
        }
        let (sender, output) = mpsc::channel(IN_FLIGHT);
        let backlog = std::mem::take(&mut shared.backlog);
        if !backlog.is_empty() {
            // The channel is new and has room.
            drop(sender.try_send(backlog));
        }
        shared.client = Some(sender).filter(|_| !*self.done.borrow());
        Some(Attachment {
            input: shared.input.take(),
            output,
            console: Arc::clone(self),
        })
    }

    async fn pump(&self, mut output: TerminalOutput) {
        let mut done = self.done.subscribe();
        loop {
            let read = tokio::select! {
                biased;
                _ = done.wait_for(|done| *done) => break,
                read = output.read() => read,
            };
            match read {
                Ok(Some(bytes)) => {
                    let bytes = bytes.to_vec();
                    self.pass_on(bytes).await;
                }
                Ok(None) => break,
                Err(error) => {
                    tracing::warn!(container.id = self.container, %error, "terminal not read");
                    break;
                }
            }
        }
        self.finish();
    }

    /// Closes everything that leads to the container.
    fn finish(&self) {
        // Under the lock: who comes or leaves at the same time sees either nothing of it or all.
        let mut shared = self.shared();
        self.done.send_replace(true);
        // Its end is what tells the client.
        shared.client = None;
        shared.input = None;
    }

    /// Whether there is output that nobody has seen, and nobody to see it.
    fn awaits_reader(&self) -> bool {
        let shared = self.shared();
        !shared.attached && !shared.backlog.is_empty()
    }

    async fn pass_on(&self, bytes: Vec<u8>) {
        let client = {
            let mut shared = self.shared();
            match &shared.client {
                Some(client) => client.clone(),
                None => return shared.keep(&bytes),
            }
        };
        match tokio::time::timeout(PATIENCE, client.reserve()).await {
            Ok(Ok(room)) => room.send(bytes),
            // It has left, or does not read.
            Ok(Err(_)) | Err(_) => {
                let mut shared = self.shared();
                shared.keep(&bytes);
                let same = |other: &mpsc::Sender<Vec<u8>>| other.same_channel(&client);
                if shared.client.as_ref().is_some_and(same) {
                    shared.client = None;
                }
            }
        }
    }
}

impl Shared {
    fn keep(&mut self, bytes: &[u8]) {
        self.backlog.extend_from_slice(bytes);
        let over = self.backlog.len().saturating_sub(BACKLOG);
        self.backlog.drain(..over);
    }
}

/// The right to a terminal. It ends when this is dropped.
#[derive(Debug)]
pub struct Attachment {
    /// What the job prints; ends with the terminal, or when it was not read for long.
    pub output: mpsc::Receiver<Vec<u8>>,
    /// What is typed; `None` once it was closed.
    pub input: Option<TerminalInput>,
    console: Arc<Console>,
}

impl Attachment {
    /// Whether the job has closed its terminal.
    pub fn is_over(&self) -> bool {
        *self.console.done.borrow()
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        let mut shared = self.console.shared();
        shared.attached = false;
        shared.client = None;
        shared.input = self.input.take().filter(|_| !self.is_over());
    }
}

impl Inner {
    /// Begins to read the terminal of a container.
    pub(super) fn open_console(&self, tag: Tag, container: &str, terminal: TerminalIo) {
        let console = Arc::new(Console {
            container: container.to_owned(),
            shared: Mutex::new(Shared {
                backlog: Vec::new(),
                client: None,
                attached: false,
                input: Some(terminal.input),
            }),
            done: watch::Sender::new(false),
        });
        if let Some(entry) = self.table().get(&(tag.job, tag.member)) {
            entry.console.send_replace(Some(Arc::clone(&console)));
        }
        tokio::spawn(async move { console.pump(terminal.output).await });
    }

    /// Opens the terminal of a container that an earlier kerfd has started.
    pub(super) async fn reopen_console(&self, tag: Tag, container: &str) {
        let known = self.console(tag);
        if known.is_some_and(|console| console.container == container) {
            return;
        }
        let Ok(name) = self.launcher.container(container) else {
            return;
        };
        loop {
            match self.launcher.attach(&name).await {
                Ok(terminal) => return self.open_console(tag, container, terminal),
                Err(error) if error.is_transient() => tokio::time::sleep(RETRY).await,
                Err(LauncherError::NoTerminal { .. } | LauncherError::NotFound { .. }) => return,
                Err(error) => {
                    let error = chain(&error);
                    tracing::warn!(job.id = %tag.job, error, "terminal not opened again");
                    return;
                }
            }
        }
    }

    /// Waits until the last output of an ended container is in the log, and closes its terminal.
    pub(super) async fn drain_console(&self, tag: Tag, container: &str) {
        let Some(console) = self.console_of(tag, container) else {
            return;
        };
        let mut done = console.done.subscribe();
        let drained = tokio::time::timeout(DRAIN_LIMIT, done.wait_for(|done| *done)).await;
        if drained.is_err() {
            tracing::warn!(job.id = %tag.job, "terminal does not end with its container");
            console.finish();
        }
    }

    /// Waits for somebody who is on the way to the last output of an ended container, and forgets its terminal. By
    /// then another container of the member may have one.
    pub(super) async fn let_console_go(&self, tag: Tag, container: &str) {
        let unread = self.console_of(tag, container);
        if unread.is_some_and(|console| console.awaits_reader()) {
            tokio::time::sleep(LINGER).await;
        }
        if let Some(entry) = self.table().get(&(tag.job, tag.member)) {
            entry.console.send_if_modified(|console| {
                let own = console.take_if(|console| console.container == container);
                own.is_some()
            });
        }
    }

    fn console(&self, tag: Tag) -> Option<Arc<Console>> {
        let table = self.table();
        table.get(&(tag.job, tag.member))?.console.borrow().clone()
    }

    fn console_of(&self, tag: Tag, container: &str) -> Option<Arc<Console>> {
        self.console(tag)
            .filter(|console| console.container == container)
    }
}

#[cfg(test)]
mod tests;
