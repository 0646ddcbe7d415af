//! The end of a daemon that runs and does not answer: nobody can ask it for its clients, and `quit` says nothing to it.
//!
//! Whoever calls this has seen on the device that nobody computes there. Its servers are its children, and end with it:
//! the next daemon's server could not have the device beside them.

use super::control::VISIBLE_VARIABLE;
use super::process::{start_ticks, variable};
use super::{MpsDaemon, MpsPlace, SharingError, Tools};

impl Tools {
    /// Ends a daemon that does not answer, by SIGTERM to it and to its servers, never SIGKILL. Its place stays as it is,
    /// since containers have it mounted.
    ///
    /// # Errors
    /// `RunsOn` where one of these does not end; `Process`.
    pub fn mps_end_silent(&self, place: &MpsPlace, daemon: &MpsDaemon) -> Result<(), SharingError> {
        let servers = daemon.children()?.into_iter().filter_map(|pid| {
            let start_ticks = start_ticks(pid)?;
            Some(MpsDaemon { pid, start_ticks })
        });
        let servers: Vec<MpsDaemon> = servers.collect();
        // All are asked before the first is waited for: one that stays is no reason to leave the others.
        let mut asked = self.around("terminate", || daemon.terminate());
        for server in &servers {
            asked = asked.and(self.around("terminate server", || server.terminate()));
        }
        for server in &servers {
            asked = asked.and_then(|()| self.has_ended(place, server));
        }
        asked.and_then(|()| self.terminate(place, daemon))
    }

    fn has_ended(&self, place: &MpsPlace, server: &MpsDaemon) -> Result<(), SharingError> {
        if server.ends(self.left_to_end(self.patience.stop))? {
            return Ok(());
        }
        Err(SharingError::RunsOn {
            pid: server.pid,
            device: place.device.clone(),
        })
    }
}

impl MpsDaemon {
    /// The device that it was started for; nothing where it has ended, or does not say.
    #[must_use]
    pub fn device(&self) -> Option<String> {
        let device = variable(self.pid, VISIBLE_VARIABLE).ok().flatten()?;
        let device = device.to_string_lossy().into_owned();
        self.is_alive().then_some(device)
    }
}
