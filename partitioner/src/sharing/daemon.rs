//! A control daemon from its start to its end.
//!
//! ```text
//! absent --launch--> starting --answers--> limited --> running --quit--> absent
//!                        |                    |           \--(does not end)--> SIGTERM to it alone
//!                        \--------------------\--(fails)--> SIGTERM to it alone
//! ```

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use kerf_types::sharing::Mps;

use super::control::{PIPE_VARIABLE, daemon_environment};
use super::launch::LAUNCHED;
use super::offered::{self, Unoffered};
use super::process::{start_ticks, variable};
use super::run::Call;
use super::{MpsDaemon, MpsPlace, MpsState, SharingError, Tools, check_device};

/// The vendor's name of the file.
const PID_FILE: &str = "nvidia-cuda-mps-control.pid";
/// A process id and its line's end are shorter.
const PID_FILE_MAX: u64 = 32;
/// The longest of the daemon's socket names.
const LONGEST_SOCKET: &str = "control_privileged";
/// What fits into a socket's address with its end (`sun_path`). The vendor's daemon ends over a longer one and says
/// no more than that it cannot be found.
const SOCKET_PATH_MAX: usize = 107;
/// Whoever has a folder below may go to it, and sees none of the others.
const ABOVE_MODE: u32 = 0o711;
/// Only the daemon makes anything in its folders.
const FOLDER_MODE: u32 = 0o755;
/// Everybody's, as `/dev/shm` is.
const SHM_MODE: u32 = 0o1777;
/// Time between two looks at a daemon that is starting.
const START_POLL: Duration = Duration::from_millis(20);
/// What is told of a daemon that ended: the end of its log.
const LOG_TAIL: usize = 400;

impl Tools {
    /// Starts a daemon, waits until it answers, sets its limits and reads them back. What fails half-way is ended
    /// again.
    ///
    /// # Errors
    /// `Occupied` where a daemon of that place runs already; `Ended` with its last words where it does not stay;
    /// `Unusable` where what fails half-way does not end; each other reason of `SharingError`.
    pub fn mps_start(&self, place: &MpsPlace, limits: &Mps) -> Result<MpsDaemon, SharingError> {
        check_device(&place.device)?;
        if let Some(there) = find(place)? {
            return Err(SharingError::Occupied {
                pid: there.pid,
                pipe: place.pipe(),
            });
        }
        self.around("make folders", || prepare(place))?;
        let daemon = self.around("launch", || self.launch(place))?;
        let ready = self
            .answers(place, &daemon)
            .and_then(|()| self.mps_limit(place, limits));
        match ready {
            Ok(()) => Ok(daemon),
            Err(error) => {
                let Err(stays) = self.terminate(place, &daemon) else {
                    return Err(error);
                };
                let stays = &stays as &dyn std::error::Error;
                tracing::warn!(gpu.uuid = place.device, error = stays, "daemon runs on");
                Err(SharingError::Unusable {
                    daemon,
                    device: place.device.clone(),
                    cause: Box::new(error),
                })
            }
        }
    }

    /// Takes over a daemon that runs, with what it says: waits until it answers, which one that was started a moment
    /// ago may not do yet, and tells it its limits where it has others.
    ///
    /// # Errors
    /// Those of a call; `Ended`; `NotDone` where its limits cannot be changed. The daemon is left as it is.
    pub fn mps_adopt(
        &self,
        place: &MpsPlace,
        daemon: &MpsDaemon,
        limits: &Mps,
    ) -> Result<MpsState, SharingError> {
        self.answers(place, daemon)?;
        let state = self.mps_state(place)?;
        if state.has(limits) {
            return Ok(state);
        }
        self.mps_limit(place, limits)?;
        self.mps_state(place)
    }

    /// The running daemon of that place, whoever started it: by its pid file, and the pipe directory in its
    /// environment.
    ///
    /// # Errors
    /// `Files`, `Process`.
    pub fn mps_find(&self, place: &MpsPlace) -> Result<Option<MpsDaemon>, SharingError> {
        find(place)
    }

    /// Starts the process, in a session and a mount namespace of its own.
    fn launch(&self, place: &MpsPlace) -> Result<MpsDaemon, SharingError> {
        let pid = match self.offered_pid(place)? {
            Some(pid) => pid,
            None => self.own_pid(place)?,
        };
        let start_ticks = start_ticks(pid).ok_or_else(|| self.ended(place))?;
        Ok(MpsDaemon { pid, start_ticks })
    }

    /// One of a service manager's, where it offers fit ones.
    fn offered_pid(&self, place: &MpsPlace) -> Result<Option<u32>, SharingError> {
        let Some(socket) = &self.offered else {
            return Ok(None);
        };
        match offered::ask(socket, self, place) {
            Ok(pid) => Ok(Some(pid)),
            Err(Unoffered::Unfit(why)) => {
                if let Some(error) = why {
                    let path = socket.display();
                    tracing::warn!(%path, error, "offered daemon not used, starting one");
                }
                Ok(None)
            }
            Err(Unoffered::Failed(said)) => Err(SharingError::Refused {
                program: socket.clone(),
                asked: "mps".to_owned(),
                said,
            }),
        }
    }

    fn own_pid(&self, place: &MpsPlace) -> Result<u32, SharingError> {
        let (shm, log) = (place.shm(), place.log.join("daemon.log"));
        let paths = [&self.mps_control, &shm, &log];
        let [control, shm, log] = paths.map(|path| path.to_string_lossy().into_owned());
        let arguments = [
            "mps",
            "--control",
            &control,
            "--shm",
            &shm,
            "--output",
            &log,
        ];
        let call = Call {
            program: &self.launcher,
            arguments: &arguments,
            env: daemon_environment(self, place),
            input: "",
            asked: "mps",
            in_driver: None,
        };
        let said = call.run(self.left(self.patience.start))?;
        said.trim().parse().map_err(|_| self.ended(place))
    }

    /// Waits until the daemon that was launched answers, and no other one.
    fn answers(&self, place: &MpsPlace, daemon: &MpsDaemon) -> Result<(), SharingError> {
        let within = self.left(self.patience.start);
        let end = Instant::now() + within;
        loop {
            if !daemon.is_alive() {
                return Err(self.ended(place));
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(SharingError::Hangs {
                    program: self.mps_control.clone(),
                    asked: "-f".to_owned(),
                    within,
                });
            }
            if find(place)?.as_ref() == Some(daemon) {
                let question = "get_default_active_thread_percentage";
                match self.ask_within(place, question, left.min(self.patience.call)) {
                    Ok(_) => return Ok(()),
                    // It is not so far yet.
                    Err(SharingError::Refused { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            thread::sleep(START_POLL.min(left));
        }
    }

    /// Ends a daemon without clients: `quit`, then SIGTERM to this very process, never SIGKILL. Done where it has
    /// ended already. One that does not tell its clients is asked to end by signal only where it has no server.
    ///
    /// # Errors
    /// `InUse` where it has clients, `ClientsUnknown` where it may have some, `RunsOn` where it does not end.
    pub fn mps_stop(&self, place: &MpsPlace, daemon: &MpsDaemon) -> Result<(), SharingError> {
        if !daemon.is_alive() {
            return self.forget(place);
        }
        match self.clients(place) {
            Ok(clients) => {
                if !clients.is_empty() {
                    let device = place.device.clone();
                    return Err(SharingError::InUse { device, clients });
                }
                // Its answer comes when it has ended. Without one, what the process does is the answer.
                if let Err(error) = self.ask_within(place, "quit", self.patience.stop) {
                    let error = &error as &dyn std::error::Error;
                    tracing::debug!(gpu.uuid = place.device, error, "quit not answered");
                }
                if daemon.ends(self.left_to_end(self.patience.stop))? {
                    return self.forget(place);
                }
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(
                    gpu.uuid = place.device,
                    error,
                    "daemon does not tell its clients"
                );
                // Whether its servers have clients cannot be known: only without servers it has none.
                let servers = daemon.children()?;
                if !servers.is_empty() {
                    let device = place.device.clone();
                    return Err(SharingError::ClientsUnknown { device, servers });
                }
            }
        }
        self.terminate(place, daemon)
    }

    pub(super) fn terminate(
        &self,
        place: &MpsPlace,
        daemon: &MpsDaemon,
    ) -> Result<(), SharingError> {
        self.around("terminate", || daemon.terminate())?;
        if daemon.ends(self.left_to_end(self.patience.stop))? {
            return self.forget(place);
        }
        Err(SharingError::RunsOn {
            pid: daemon.pid,
            device: place.device.clone(),
        })
    }

    fn forget(&self, place: &MpsPlace) -> Result<(), SharingError> {
        self.around("forget", || forget(place))
    }

    fn ended(&self, place: &MpsPlace) -> SharingError {
        SharingError::Ended {
            device: place.device.clone(),
            said: last_words(&place.log),
        }
    }
}

/// The daemon whose process id is in its own file, or in that of whoever launched it.
fn find(place: &MpsPlace) -> Result<Option<MpsDaemon>, SharingError> {
    match find_by(&place.pipe().join(PID_FILE), place)? {
        Some(daemon) => Ok(Some(daemon)),
        None => find_by(&place.run.join(LAUNCHED), place),
    }
}

/// The process whose id is in the file, where it has this pipe directory in its environment: the id may be another's by
/// now.
fn find_by(path: &Path, place: &MpsPlace) -> Result<Option<MpsDaemon>, SharingError> {
    let text = match read_pid_file(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(files("read", path, cause)),
    };
    let Ok(pid) = text.trim().parse::<u32>() else {
        return Ok(None);
    };
    let Some(found) = start_ticks(pid) else {
        return Ok(None);
    };
    let pipe = variable(pid, PIPE_VARIABLE).map_err(|cause| SharingError::Process {
        operation: "read the environment of",
        pid,
        cause,
    })?;
    let is_it =
        pipe.as_deref() == Some(place.pipe().as_os_str()) && start_ticks(pid) == Some(found);
    Ok(is_it.then_some(MpsDaemon {
        pid,
        start_ticks: found,
    }))
}

/// The text of a pid file that is one: a file of our own user, and short. Nothing else is followed or waited for, as
/// others may have reached the folder.
fn read_pid_file(path: &Path) -> io::Result<String> {
    use nix::libc::{O_CLOEXEC, O_NOFOLLOW, O_NONBLOCK};
    let flags = O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)?;
    let facts = file.metadata()?;
    let own = rustix::process::geteuid().as_raw();
    if !facts.is_file() || facts.uid() != own {
        let why = format!("it is no file of user {own}, so no daemon of ours has written it");
        return Err(io::Error::new(ErrorKind::InvalidData, why));
    }
    let mut text = String::new();
    file.take(PID_FILE_MAX).read_to_string(&mut text)?;
    Ok(text)
}

/// Makes the folders, and takes away the process id of a daemon that ended without doing so.
fn prepare(place: &MpsPlace) -> Result<(), SharingError> {
    let socket = place.pipe().join(LONGEST_SOCKET);
    let length = socket.as_os_str().len();
    if length > SOCKET_PATH_MAX {
        return Err(SharingError::PipeTooLong {
            socket,
            length,
            limit: SOCKET_PATH_MAX,
        });
    }
    let above = place.run.parent().unwrap_or(Path::new("/"));
    let folders = [
        (above, ABOVE_MODE),
        (&place.run, FOLDER_MODE),
        (&place.pipe(), FOLDER_MODE),
        (&place.shm(), SHM_MODE),
        (&place.log, FOLDER_MODE),
    ];
    for (folder, mode) in folders {
        let made = DirBuilder::new()
            .recursive(true)
            .mode(FOLDER_MODE)
            .create(folder);
        made.map_err(|cause| files("create", folder, cause))?;
        // Said again: the umask has taken its part.
        let set = fs::set_permissions(folder, Permissions::from_mode(mode));
        set.map_err(|cause| files("set the mode of", folder, cause))?;
    }
    forget(place)
}

fn forget(place: &MpsPlace) -> Result<(), SharingError> {
    let paths: [PathBuf; 2] = [place.pipe().join(PID_FILE), place.run.join(LAUNCHED)];
    for path in paths {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(files("remove", &path, error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The end of what the daemon said, or of its log.
fn last_words(log: &Path) -> String {
    let names = ["daemon.log", "control.log"];
    let mut texts = names.iter().filter_map(|name| {
        let bytes = fs::read(log.join(name)).ok()?;
        let tail = bytes.get(bytes.len().saturating_sub(LOG_TAIL)..)?;
        let text = String::from_utf8_lossy(tail).trim().replace('\n', "; ");
        (!text.is_empty()).then_some(text)
    });
    texts.next().unwrap_or_else(|| "it said nothing".to_owned())
}

fn files(operation: &'static str, path: &Path, cause: io::Error) -> SharingError {
    SharingError::Files {
        operation,
        path: path.to_owned(),
        cause,
    }
}

#[cfg(test)]
mod tests;
