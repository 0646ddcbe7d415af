//! The plugin by which pods get their accelerators: NRI of containerd and CRI-O.
//!
//! Owns the connection to the engine: it is made anew whenever it ends, and then the engine tells of all containers,
//! so that nothing hangs on an event that was missed. What is asked is the owner's to decide ([`crate::host`]); what the
//! bytes mean is [`kerf_nri`]'s. Every call is answered in time, and a call without a decision by a refusal: an engine
//! that waits in vain drops its plugin and starts the container without it.
//!
//! That a plugin can be dropped makes NRI no gate. The gate is `kerf-runtime` under a handler that requires a lease.

mod adjust;
mod ask;
mod calls;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use kerf_nri::{CallId, Event, Reply, Session, SessionError};
use kerf_runtime::spec::ASK_LEASE;
use kerf_telemetry::SelfMetrics;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, watch};

use crate::errors::chain;
use crate::host::HostHandle;
use crate::rpc::LoadedConfig;
use calls::{Engine, PATIENCE};

/// Time before the first try after a connection ended: an engine that restarts is back within it, or soon after.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The longest time between two tries. A pod that is made in the meantime gets nothing.
const LAST_PAUSE: Duration = Duration::from_secs(2);

/// How long the engine may take to read an answer of a few kilobytes before it counts as gone.
const WRITE_LIMIT: Duration = Duration::from_secs(5);

/// Bytes that are read at once: more than a message about one container has.
const READ: usize = 64 << 10;

/// Answers on their way to the engine; it has fewer calls than this under way.
const ANSWERS: usize = 256;

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
enum NriError {
    #[error("the connection to the engine failed")]
    Io(#[from] io::Error),
    #[error("uid {0} serves the socket, which is not root")]
    Stranger(u32),
    #[error("the engine does not read what it is told")]
    Deaf,
    #[error("the engine ended the connection")]
    Ended,
    #[error("the engine goes down")]
    Shutdown,
    #[error(transparent)]
    Session(#[from] SessionError),
}

/// The plugin.
#[derive(Debug)]
pub struct Plugin {
    /// Configuration in force: which socket.
    pub config: watch::Receiver<Arc<LoadedConfig>>,
    /// Who decides.
    pub host: HostHandle,
    /// Counters.
    pub metrics: Arc<SelfMetrics>,
}

impl Plugin {
    /// Serves whatever engine there is, until the task is dropped.
    pub async fn run(mut self) {
        let mut pause = FIRST_PAUSE;
        let mut said = String::new();
        loop {
            let Some(path) = self.path() else {
                said.clear();
                if self.config.changed().await.is_err() {
                    return;
                }
                continue;
            };
            match connect(&path).await {
                Ok((stream, uid)) => {
                    said.clear();
                    let served = self.serve(stream, uid).await;
                    let (was_ready, error) = served;
                    tracing::warn!(socket = %path.display(), error = chain(&error), "nri connection ended");
                    pause = if was_ready { FIRST_PAUSE } else { pause };
                }
                Err(error) => {
                    let text = chain(&error);
                    // Once for each reason: an engine that is not there may never come.
                    if text != said {
                        tracing::info!(socket = %path.display(), error = text, "no nri: pods get nothing until it is there");
                        said = text;
                    }
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }

    fn path(&mut self) -> Option<PathBuf> {
        let loaded = self.config.borrow_and_update();
        loaded.config.launch.nri.clone()
    }

    /// Serves one connection to its end; returns whether the engine got as far as telling what it has.
    async fn serve(&self, mut stream: UnixStream, uid: u32) -> (bool, NriError) {
        let mut engine = Engine::new(self.host.clone(), Arc::clone(&self.metrics), uid);
        let (sender, mut answers) = mpsc::channel(ANSWERS);
        let mut session = Session::new(ASK_LEASE);
        let mut was_ready = false;
        let mut buffer = vec![0; READ];
        loop {
            if let Err(error) = send(&mut stream, &mut session).await {
                return (was_ready, error);
            }
            tokio::select! {
                Some((call, reply)) = answers.recv() => session.answer(call, reply),
                read = stream.read(&mut buffer) => {
                    let read = match read {
                        Ok(0) => return (was_ready, NriError::Ended),
                        Ok(read) => read,
                        Err(error) => return (was_ready, error.into()),
                    };
                    let bytes = buffer.get(..read).unwrap_or_default();
                    let outcome = session.input(bytes);
                    while let Some(event) = session.next_event() {
                        match event {
                            Event::Configured { runtime, request_timeout_ms } => {
                                engine.configured(runtime, request_timeout_ms);
                                was_ready = true;
                            }
                            Event::Call(call, what) => decide(&engine, (call, what), &sender),
                            Event::Shutdown => return (was_ready, NriError::Shutdown),
                        }
                    }
                    if let Err(error) = outcome {
                        return (was_ready, error.into());
                    }
                }
            }
        }
    }
}

/// Has a call decided beside the others, and answered in any case.
fn decide(
    engine: &Engine,
    (call, what): (CallId, kerf_nri::Call),
    answers: &mpsc::Sender<(CallId, Reply)>,
) {
    let (engine, answers) = (engine.clone(), answers.clone());
    let made = match &what {
        kerf_nri::Call::Create(about) => Some(about.1.id.clone()),
        _ => None,
    };
    tokio::spawn(async move {
        let limit = engine.limit();
        let decided = tokio::time::timeout(limit, engine.decide(what)).await;
        let reply = decided.unwrap_or_else(|_| {
            tracing::warn!(limit_ms = limit.as_millis(), "nri call not decided in time");
            Reply::Refuse(format!(
                "kerf: kerfd has not decided within {} ms (it is tried again)",
                limit.as_millis()
            ))
        });
        if answers.send((call, reply)).await.is_err()
            && let Some(container) = made
        {
            // The connection ended meanwhile, and the engine went on without what was promised.
            engine.never_made(&container).await;
        }
    });
}

async fn send(stream: &mut UnixStream, session: &mut Session) -> Result<(), NriError> {
    let bytes = session.take_output();
    if bytes.is_empty() {
        return Ok(());
    }
    let written = tokio::time::timeout(WRITE_LIMIT, stream.write_all(&bytes)).await;
    Ok(written.map_err(|_| NriError::Deaf)??)
}

/// Connects, and returns the uid of who serves: whoever does decides which containers get what.
async fn connect(path: &Path) -> Result<(UnixStream, u32), NriError> {
    let connected = tokio::time::timeout(PATIENCE, UnixStream::connect(path)).await;
    let stream = connected.map_err(|_| NriError::Deaf)??;
    let uid = stream.peer_cred()?.uid();
    if uid != 0 && uid != nix::unistd::geteuid().as_raw() {
        return Err(NriError::Stranger(uid));
    }
    Ok((stream, uid))
}
