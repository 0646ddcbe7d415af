//! Starts a control daemon so that it outlives who asks for it: in a session of its own, in a mount namespace where
//! the daemon's own folder lies on `/dev/shm`, with its foreground as the foreground of nobody, and with no more rights
//! than it needs.
//!
//! Its clients find the same folder on their `/dev/shm`: server and clients talk through it, and no other container
//! shall. A process of its own does this, not kerfd, which has threads and a namespace of its own.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use caps::Capability;
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::setsid;

use crate::confine::{self, ConfineError};

/// File in a daemon's folder with the process that was launched there.
pub(super) const LAUNCHED: &str = "launched.pid";

/// What a daemon keeps of the rights that its launcher has, and why:
/// - SETUID, SETGID: its servers run under the user id of their clients;
/// - KILL: it ends servers of other users;
/// - DAC_OVERRIDE: logs, and a simulated machine, may belong to others.
///
/// By what its documents say that it does; no list of the vendor's is known. Not SYS_ADMIN, which the launcher needs
/// for its namespace.
const KEPT: [Capability; 4] = [
    Capability::CAP_SETUID,
    Capability::CAP_SETGID,
    Capability::CAP_KILL,
    Capability::CAP_DAC_OVERRIDE,
];

/// What is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// `nvidia-cuda-mps-control`.
    pub control: PathBuf,
    /// What lies on `/dev/shm`.
    pub shm: PathBuf,
    /// File for what it says.
    pub output: PathBuf,
}

/// Why it was not started.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The kernel gives no namespace.
    #[error("get a mount namespace of its own")]
    Namespace {
        /// Why.
        #[source]
        cause: Errno,
    },
    /// The kernel gives no session.
    #[error("get a session of its own")]
    Session {
        /// Why.
        #[source]
        cause: Errno,
    },
    /// Something could not be mounted.
    #[error("mount {what} on {}", .on.display())]
    Mount {
        /// What.
        what: String,
        /// Where.
        on: PathBuf,
        /// Why.
        #[source]
        cause: Errno,
    },
    /// Its output has no place.
    #[error("open {}", .path.display())]
    Output {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// Rights that it does not need could not be given up.
    #[error("give up rights")]
    Confine {
        /// Why.
        #[source]
        cause: ConfineError,
    },
    /// The program could not be started.
    #[error("start {}", .program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
}

impl Launch {
    /// Starts it with this process's environment, and says which process it is. This process is in the daemon's
    /// session and namespace from then on, and is of no other use.
    ///
    /// # Errors
    /// Each reason of `LaunchError`; nothing runs then.
    pub fn start(&self) -> Result<u32, LaunchError> {
        let mut command = self.prepared()?;
        // Its end is not awaited here: this process ends before it.
        let pid = command.spawn().map_err(|cause| self.unstarted(cause))?.id();
        self.note(pid);
        Ok(pid)
    }

    /// Makes this process ready to become it, with this environment and no other.
    ///
    /// # Errors
    /// Each reason of `LaunchError`. This process is of no use then.
    pub fn ready(&self, env: Vec<(OsString, OsString)>) -> Result<Command, LaunchError> {
        let mut command = self.prepared()?;
        command.env_clear().envs(env);
        Ok(command)
    }

    /// Becomes it. What comes back is why not, which then stands in its output too.
    pub fn replace(&self, mut command: Command) -> LaunchError {
        self.note(std::process::id());
        let error = self.unstarted(command.exec());
        let output = OpenOptions::new().append(true).open(&self.output);
        let said = output.and_then(|mut file| writeln!(file, "{}", crate::in_words(&error)));
        if let Err(cause) = said {
            tracing::warn!(path = %self.output.display(), error = %cause, "not written");
        }
        error
    }

    /// Writes down which process it is: the daemon does so itself only once it serves, and whoever comes in between would
    /// take its place for an empty one. Without it the daemon is found a moment later.
    fn note(&self, pid: u32) {
        let Some(run) = self.shm.parent() else {
            return;
        };
        let path = run.join(LAUNCHED);
        if let Err(cause) = std::fs::write(&path, format!("{pid}\n")) {
            tracing::warn!(path = %path.display(), error = %cause, "not written");
        }
    }

    fn unstarted(&self, cause: io::Error) -> LaunchError {
        LaunchError::Start {
            program: self.control.clone(),
            cause,
        }
    }

    /// Gives this process the daemon's session, namespace and rights; the program as it is to be started then.
    fn prepared(&self) -> Result<Command, LaunchError> {
        match setsid() {
            // EPERM: it leads a group, so nobody's terminal ends it either.
            Ok(_) | Err(Errno::EPERM) => {}
            Err(cause) => return Err(LaunchError::Session { cause }),
        }
        unshare(CloneFlags::CLONE_NEWNS).map_err(|cause| LaunchError::Namespace { cause })?;
        // What the host mounts and unmounts goes on here, so that this namespace pins nothing; what is mounted here
        // stays here.
        self.mount(None, Path::new("/"), MsFlags::MS_REC | MsFlags::MS_SLAVE)?;
        self.mount(Some(&self.shm), Path::new("/dev/shm"), MsFlags::MS_BIND)?;
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.output);
        let file = file.and_then(|file| Ok((file.try_clone()?, file)));
        let (out, err) = file.map_err(|cause| LaunchError::Output {
            path: self.output.clone(),
            cause,
        })?;
        confine::keep(&KEPT).map_err(|cause| LaunchError::Confine { cause })?;
        let mut command = Command::new(&self.control);
        command
            .arg("-f")
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err);
        Ok(command)
    }

    fn mount(&self, what: Option<&Path>, on: &Path, flags: MsFlags) -> Result<(), LaunchError> {
        mount(what, on, None::<&str>, flags, None::<&str>).map_err(|cause| LaunchError::Mount {
            what: what.map_or_else(|| "nothing".to_owned(), |what| what.display().to_string()),
            on: on.to_owned(),
            cause,
        })
    }
}
