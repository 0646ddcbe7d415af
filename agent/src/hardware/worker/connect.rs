//! A worker from the socket that a service manager listens on (`kerf-partitioner.socket`, `Accept=yes`).
//!
//! Each connection is a process of its own, so a fresh worker is a fresh connection. What stands in its unit
//! decides which machine it serves; kerfd asks before it trusts, and never tells a worker what to load.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kerf_api::partitioner::v1::{Identify, Identity, request, response};
use tokio::net::UnixStream;

use super::{Process, Run, Worker, WorkerProgram, records};
use crate::process;

/// How long a worker may take from the connection to saying who it is: a service manager starts one in some
/// ten milliseconds, a loaded machine in seconds. It has entered nothing by then that could hang.
const IDENTIFY_LIMIT: Duration = Duration::from_secs(5);

/// Why no worker came from the socket.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nobody offers workers there.
    #[error("nobody listens")]
    Absent,
    /// The socket or the process behind it failed.
    #[error("{operation}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Somebody without the right to serve kerfd listens.
    #[error("user {uid} listens, not root")]
    Stranger {
        /// Who.
        uid: u32,
    },
    /// It did not say in time who it is.
    #[error("it did not say within {limit_ms} ms who it is")]
    Silent {
        /// How long it had.
        limit_ms: u128,
    },
    /// It answered with something else.
    #[error("it does not say who it is")]
    Unknown,
    /// It serves another machine than this kerfd is for.
    #[error("it serves {theirs}, and kerfd {ours}")]
    OtherMachine {
        /// Library and root as the worker has them.
        theirs: String,
        /// As kerfd has them.
        ours: String,
    },
}

/// Connects, and checks who answers.
pub async fn connect(program: &WorkerProgram) -> Result<Worker, ConnectError> {
    let stream = UnixStream::connect(&program.socket).await;
    let stream = stream.map_err(|source| match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => ConnectError::Absent,
        _ => failed("connect")(source),
    })?;
    // With Accept=yes this is who listens: the service manager.
    let peer = stream.peer_cred().map_err(failed("ask who listens"))?;
    if peer.uid() != 0 && peer.uid() != nix::unistd::geteuid().as_raw() {
        return Err(ConnectError::Stranger { uid: peer.uid() });
    }
    let mut worker = Worker::new(stream);
    let asked = worker.call(request::Call::Identify(Identify {}));
    let answer = tokio::time::timeout(IDENTIFY_LIMIT, asked).await;
    let limit_ms = IDENTIFY_LIMIT.as_millis();
    let answer = answer.map_err(|_| ConnectError::Silent { limit_ms })?;
    let answer = answer.map_err(failed("ask who answers"))?;
    let Some(response::Outcome::Identity(identity)) = answer.outcome else {
        return Err(ConnectError::Unknown);
    };
    let pid = identity.pid;
    same_machine(program, identity)?;
    let ended = || failed("find its process")(io::ErrorKind::NotFound.into());
    let process = process::identify(pid).ok_or_else(ended)?;
    let record = records::write(&program.records, pid, Some(&process));
    let record = record.map_err(failed("write it down"))?;
    worker.run = Some(Run::new(Process::Other(process), record));
    Ok(worker)
}

fn failed(operation: &'static str) -> impl Fn(io::Error) -> ConnectError {
    move |source| ConnectError::Io { operation, source }
}

/// The unit and the configuration may have been edited apart.
fn same_machine(program: &WorkerProgram, identity: Identity) -> Result<(), ConnectError> {
    let path = |bytes: Vec<u8>| PathBuf::from(OsString::from_vec(bytes));
    let (library, sysroot) = (identity.library.map(path), path(identity.sysroot));
    let same = library.as_deref().map(resolved) == program.nvml.as_deref().map(resolved)
        && resolved(&sysroot) == resolved(&program.sysroot);
    if same {
        return Ok(());
    }
    let words = |library: Option<&Path>, root: &Path| {
        let library = library.map_or_else(|| "none".into(), Path::to_string_lossy);
        format!("library {library} under {}", root.display())
    };
    Err(ConnectError::OtherMachine {
        theirs: words(library.as_deref(), &sysroot),
        ours: words(program.nvml.as_deref(), &program.sysroot),
    })
}

/// Without links, where it is there.
fn resolved(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}
