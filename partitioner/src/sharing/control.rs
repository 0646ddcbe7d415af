//! Commands to a control daemon, each in a call of its own, and what they answer.

use std::ffi::OsString;

use kerf_types::Bytes;
use kerf_types::sharing::Mps;

use super::run::Call;
use super::text::{self, TextError};
use super::{ALL_THREADS, MpsPlace, MpsServer, MpsState, PERCENT_STEP, SharingError, Tools};

/// By this a daemon is found, and known for what it is.
pub(super) const PIPE_VARIABLE: &str = "CUDA_MPS_PIPE_DIRECTORY";
/// The device of a daemon.
pub(super) const VISIBLE_VARIABLE: &str = "CUDA_VISIBLE_DEVICES";
/// The daemon serves one device, which is its first.
const DEVICE: &str = "0";
/// Commands for the interface that this module speaks, also where a release prefers a newer one.
const PROTOCOL: (&str, &str) = ("CUDA_MPS_PROTOCOL_VERSION", "2");

/// The environment by which tools find a daemon.
pub(super) fn environment(tools: &Tools, place: &MpsPlace) -> Vec<(OsString, OsString)> {
    let mut env = tools.env.clone();
    env.push((PIPE_VARIABLE.into(), place.pipe().into()));
    env.push(("CUDA_MPS_LOG_DIRECTORY".into(), place.log.clone().into()));
    env.push((PROTOCOL.0.into(), PROTOCOL.1.into()));
    env
}

/// The environment of the daemon itself, which sees its own device alone.
pub(super) fn daemon_environment(tools: &Tools, place: &MpsPlace) -> Vec<(OsString, OsString)> {
    let mut env = environment(tools, place);
    env.push((VISIBLE_VARIABLE.into(), place.device.clone().into()));
    env
}

impl Tools {
    /// The daemon's answer to a command.
    pub(super) fn ask(&self, place: &MpsPlace, command: &str) -> Result<String, SharingError> {
        self.ask_within(place, command, self.patience.call)
    }

    pub(super) fn ask_within(
        &self,
        place: &MpsPlace,
        command: &str,
        within: std::time::Duration,
    ) -> Result<String, SharingError> {
        let call = Call {
            program: &self.mps_control,
            arguments: &[],
            env: environment(self, place),
            input: &format!("{command}\n"),
            asked: command,
            in_driver: None,
        };
        self.around(command, || call.run(self.left(within)))
    }

    fn understood<T>(
        &self,
        place: &MpsPlace,
        command: &str,
        read: impl FnOnce(&str) -> Result<T, TextError>,
    ) -> Result<T, SharingError> {
        let answer = self.ask(place, command)?;
        read(&answer).map_err(|cause| SharingError::Answer {
            program: self.mps_control.clone(),
            asked: command.to_owned(),
            cause,
        })
    }

    fn threads(&self, place: &MpsPlace) -> Result<f64, SharingError> {
        let command = "get_default_active_thread_percentage";
        self.understood(place, command, text::percentage)
    }

    fn memory(&self, place: &MpsPlace) -> Result<Option<Bytes>, SharingError> {
        let command = format!("get_default_device_pinned_mem_limit {DEVICE}");
        self.understood(place, &command, text::memory_limit)
    }

    /// Sets the limits of a running daemon for servers that start later, and reads them back. A memory limit cannot
    /// be taken away again: that needs a new daemon, and is `NotDone`.
    ///
    /// # Errors
    /// Those of a call, `NotDone`.
    pub fn mps_limit(&self, place: &MpsPlace, limits: &Mps) -> Result<(), SharingError> {
        let threads = limits.threads.unwrap_or(ALL_THREADS);
        self.ask(
            place,
            &format!("set_default_active_thread_percentage {threads}"),
        )?;
        let found = self.threads(place)?;
        if (found - f64::from(threads)).abs() > PERCENT_STEP {
            return Err(SharingError::NotDone {
                what: "active thread percentage",
                device: place.device.clone(),
                wanted: threads.to_string(),
                found: found.to_string(),
            });
        }
        let Some(memory) = limits.memory else {
            return self.unlimited(place);
        };
        let wanted = text::memory_text(memory);
        let command = format!("set_default_device_pinned_mem_limit {DEVICE} {wanted}");
        self.ask(place, &command)?;
        let found = self.memory(place)?;
        if found.map(text::memory_text).as_deref() == Some(wanted.as_str()) {
            return Ok(());
        }
        Err(not_limited(place, wanted, found))
    }

    /// No command takes a limit away: one that is there is somebody else's doing, or an earlier limit, and a new
    /// daemon is needed.
    fn unlimited(&self, place: &MpsPlace) -> Result<(), SharingError> {
        match self.memory(place)? {
            None => Ok(()),
            found => Err(not_limited(place, "no limit".to_owned(), found)),
        }
    }

    /// What the daemon says: limits, servers, clients.
    ///
    /// # Errors
    /// Those of a call: `Refused` where no daemon answers.
    pub fn mps_state(&self, place: &MpsPlace) -> Result<MpsState, SharingError> {
        let threads = self.threads(place)?;
        let memory = self.memory(place)?;
        let servers = self.mps_servers(place)?;
        Ok(MpsState {
            threads,
            memory,
            servers,
        })
    }

    /// Its servers with their clients, and nothing else: what is asked of a daemon again and again.
    ///
    /// # Errors
    /// Those of a call.
    pub fn mps_servers(&self, place: &MpsPlace) -> Result<Vec<MpsServer>, SharingError> {
        self.of_servers(place, |pid| self.server(place, pid))
    }

    /// The clients of all its servers, and nothing else: whether a daemon may end must not hang on an answer about
    /// its limits.
    pub(super) fn clients(&self, place: &MpsPlace) -> Result<Vec<u32>, SharingError> {
        let lists = self.of_servers(place, |pid| self.clients_of(place, pid))?;
        Ok(lists.concat())
    }

    /// What is asked of each server.
    fn of_servers<T>(
        &self,
        place: &MpsPlace,
        ask: impl Fn(u32) -> Result<T, SharingError>,
    ) -> Result<Vec<T>, SharingError> {
        let list = || self.understood(place, "get_server_list", text::pids);
        let mut answers = Vec::new();
        for pid in list()? {
            match ask(pid) {
                Ok(answer) => answers.push(answer),
                // It may have ended since it was listed; the list is then another one.
                Err(error) if list()?.contains(&pid) => return Err(error),
                Err(_) => {}
            }
        }
        Ok(answers)
    }

    fn server(&self, place: &MpsPlace, pid: u32) -> Result<MpsServer, SharingError> {
        let status = format!("get_server_status {pid}");
        Ok(MpsServer {
            pid,
            status: self.understood(place, &status, text::server_status)?,
            clients: self.clients_of(place, pid)?,
        })
    }

    fn clients_of(&self, place: &MpsPlace, pid: u32) -> Result<Vec<u32>, SharingError> {
        let command = format!("get_client_list {pid}");
        self.understood(place, &command, text::pids)
    }
}

fn not_limited(place: &MpsPlace, wanted: String, found: Option<Bytes>) -> SharingError {
    SharingError::NotDone {
        what: "pinned device memory limit",
        device: place.device.clone(),
        wanted,
        found: found.map_or_else(|| "no limit".to_owned(), text::memory_text),
    }
}
