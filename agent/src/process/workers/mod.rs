//! The way to processes and containers that are not kerf's own: workers without a network, with a deadline on every call.
//!
//! ```text
//!   (none) ──start──► idle ──call──► answers ──► idle, or ended
//!                                      └─ too late ──► killed ──► gone: what it has half done can be taken back
//!                                                         └─ does not go: no change is begun before it has
//! ```
//! They come from `kerf-process.socket` where a service manager offers them, and are kerfd's own children elsewhere. A worker
//! opens no driver, so one that does not answer is killed; the caller then takes back what was begun, by another one.
//! Owns the processes and their records in `run/process-workers`. Decides nothing, and keeps nothing of what was done.

mod acts;
mod error;
mod looks;
#[cfg(test)]
pub(crate) mod tests;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kerf_api::partitioner::v1 as wire;
use kerf_api::partitioner::v1::process_answer::Answer;
use kerf_api::partitioner::v1::process_call::Call;
use kerf_types::lease::InitProcess;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::hardware::WorkerProgram;
use crate::hardware::worker::{Kind, Worker, end_earlier};
use crate::process;

pub use acts::Planned;
pub use error::{ActError, ProcessError};

/// Workers at most, those included that do not end; `kerf-process.socket` has room for twice as many, for a kerfd that
/// starts while the workers of another one end. Looks of several people, the owner's call and the starts of members go on
/// side by side; beyond that a call waits.
const MOST: usize = 8;

/// Workers that are kept between calls. One is enough for the owner, and one more for whoever asks beside it.
const IDLE: usize = 2;

/// How long one that is killed may take to go; the kernel is done with a few files, or hangs.
const LAST_MOMENTS: Duration = Duration::from_secs(1);

/// How long the workers of an earlier kerfd may take to go.
const EARLIER: Duration = Duration::from_secs(3);

/// Workers for processes. A clone is another handle on the same ones.
#[derive(Debug, Clone)]
pub struct Processes(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    program: WorkerProgram,
    idle: Mutex<Vec<Worker>>,
    room: Arc<Semaphore>,
    /// Killed in the middle of a change and not gone yet, with what they were at.
    unsettled: Mutex<Vec<(InitProcess, &'static str)>>,
}

/// What a call does, as far as it matters when it does not return.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Touch {
    /// It reads.
    Nothing,
    /// It changes something.
    Something,
    /// It makes device nodes: the rights of its unit are those for the drivers of this moment, so the worker is a new one.
    Nodes,
}

impl Processes {
    /// The workers of this program; none is started before the first call.
    pub fn new(program: WorkerProgram) -> Self {
        Self(Arc::new(Inner {
            program,
            idle: Mutex::default(),
            room: Arc::new(Semaphore::new(MOST)),
            unsettled: Mutex::default(),
        }))
    }

    /// Workers of a kerfd with these paths.
    pub fn of(paths: &crate::config::Paths) -> Self {
        Self::new(WorkerProgram {
            program: paths.partitioner.clone(),
            nvml: None,
            sysroot: paths.sysroot.clone(),
            simulated: None,
            records: paths.run_dir.join("process-workers"),
            socket: paths.run_dir.join("process.sock"),
            kind: Kind::Processes {
                runtime: paths.runtime.clone(),
            },
        })
    }

    /// Ends the workers that an earlier kerfd has left in a call. Nothing is changed as long as one of them is there.
    pub async fn end_earlier(&self) {
        let left = end_earlier(&self.0.program.records, EARLIER).await;
        for process in left {
            tracing::warn!(
                pid = process.pid,
                "process worker of an earlier kerfd does not end"
            );
            let was_at = "what an earlier kerfd has begun";
            lock(&self.0.unsettled).push((process, was_at));
        }
    }

    /// One call. It has this long in all, a wait for a free worker included.
    async fn call(
        &self,
        operation: &'static str,
        touch: Touch,
        limit: Duration,
        call: Call,
    ) -> Result<Answer, ProcessError> {
        let late = || ProcessError::Deadline {
            operation,
            deadline_ms: limit.as_millis(),
        };
        let until = Instant::now() + limit;
        let room = Arc::clone(&self.0.room).acquire_owned();
        let room = tokio::time::timeout_at(until, room).await;
        let room = room.map_err(|_| late())?.map_err(|_| late())?;
        if touch != Touch::Nothing {
            self.refuse_unsettled(operation)?;
        }
        let worker = tokio::time::timeout_at(until, self.worker(touch)).await;
        let mut worker = worker.map_err(|_| late())??;
        let call = wire::ProcessCall { call: Some(call) };
        let call = wire::request::Call::Process(Box::new(call));
        let answer = tokio::time::timeout_at(until, worker.call(call)).await;
        let outcome = match answer {
            Ok(Ok(response)) => answer_of(operation, response),
            Ok(Err(source)) => Err(self.failed(source)),
            Err(_) => Err(late()),
        };
        match &outcome {
            Ok(Answer::Failure(_)) | Err(ProcessError::Refused { .. }) => {}
            Ok(_) => self.keep(worker),
            // Where it is not known what it is at, it must not go on.
            Err(_) => self.end(worker, room, operation, touch).await,
        }
        outcome
    }

    /// One that waits, or a new one.
    async fn worker(&self, touch: Touch) -> Result<Worker, ProcessError> {
        if touch != Touch::Nodes {
            loop {
                let idle = lock(&self.0.idle).pop();
                let Some(mut worker) = idle else {
                    break;
                };
                if worker.is_running() {
                    return Ok(worker);
                }
            }
        }
        let started = Worker::start(&self.0.program).await;
        started.map_err(|source| self.failed(source))
    }

    fn keep(&self, worker: Worker) {
        let mut idle = lock(&self.0.idle);
        if idle.len() < IDLE {
            idle.push(worker);
        }
    }

    /// Kills a worker. As long as it does not go it takes a place, and nothing is changed where it was changing something.
    async fn end(
        &self,
        mut worker: Worker,
        room: OwnedSemaphorePermit,
        operation: &'static str,
        touch: Touch,
    ) {
        tracing::warn!(operation, "process worker killed");
        if tokio::time::timeout(LAST_MOMENTS, worker.end())
            .await
            .is_ok()
        {
            return;
        }
        let named = worker.pid().and_then(process::identify);
        if let Some(named) = named.filter(|_| touch != Touch::Nothing) {
            lock(&self.0.unsettled).push((named, operation));
        }
        tokio::spawn(async move {
            worker.end().await;
            drop(room);
        });
    }

    fn refuse_unsettled(&self, operation: &'static str) -> Result<(), ProcessError> {
        let mut unsettled = lock(&self.0.unsettled);
        unsettled.retain(|(process, _)| process::is_alive(process));
        match unsettled.first() {
            None => Ok(()),
            Some((process, was_at)) => Err(ProcessError::Stuck {
                operation,
                pid: process.pid,
                was_at,
            }),
        }
    }

    fn failed(&self, source: std::io::Error) -> ProcessError {
        let program: PathBuf = self.0.program.program.clone();
        ProcessError::Worker { program, source }
    }
}

fn answer_of(operation: &'static str, response: wire::Response) -> Result<Answer, ProcessError> {
    match response.outcome {
        Some(wire::response::Outcome::Process(answer)) => {
            answer.answer.ok_or(ProcessError::Protocol { operation })
        }
        Some(wire::response::Outcome::Failure(failure)) => Err(ProcessError::Refused {
            operation,
            message: failure.message,
        }),
        _ => Err(ProcessError::Protocol { operation }),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
