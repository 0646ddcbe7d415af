//! Which worker is asked, and which are stuck.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kerf_api::partitioner::v1::{Opened, Response, failure, request, response};
use kerf_telemetry::SelfMetrics;
use kerf_types::PciAddress;
use tokio::sync::mpsc;

use super::worker::{Worker, WorkerProgram};
use super::{GpuKey, HardwareError, PoolStatus};

/// Workers that are stuck in one driver beyond which it is asked nothing: two that were abandoned and the current
/// one. More would only pile up inside a driver that answers nobody.
const STUCK_LIMIT: usize = 3;

/// Bound of the channel of late answers; each stuck worker sends one message in its life, and there are so many of
/// two drivers and one for each scope without a GPU. `kerf-partitioner.socket` has room for all of them.
pub(super) const LATE_BOUND: usize = 2 * STUCK_LIMIT + 2;

/// Least time between two attempts to load a driver that is not there: each takes a process of its own, since
/// a library that has failed to load once does not find the driver later.
const DRIVER_RETRY: Duration = Duration::from_secs(10);

/// What a call touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// What the kernel shows of the whole host.
    Host,
    /// Device nodes, which are made of what the kernel has in memory.
    Nodes,
    /// The driver as a whole.
    Driver,
    /// One GPU.
    Gpu(GpuKey),
    /// One AMD GPU: files of the kernel, behind which another driver stands.
    Amd(PciAddress),
    /// The vGPUs of one GPU: files of the kernel, for which no library is loaded.
    Vgpu(PciAddress),
}

impl Scope {
    /// The one GPU that it is.
    fn gpu(self) -> Option<GpuKey> {
        match self {
            Self::Gpu(key) => Some(key),
            Self::Amd(pci) | Self::Vgpu(pci) => Some(GpuKey::Pci(pci)),
            Self::Host | Self::Nodes | Self::Driver => None,
        }
    }

    /// The driver that a call may be stuck in. The look at the whole host is of none: it gives a file of a device a
    /// second, so that one that is late all the same says nothing of a driver whose GPUs are asked by themselves.
    fn maker(self) -> Option<Maker> {
        match self {
            Self::Driver | Self::Gpu(_) | Self::Vgpu(_) => Some(Maker::Nvidia),
            Self::Amd(_) => Some(Maker::Amd),
            Self::Host | Self::Nodes => None,
        }
    }
}

/// Whose driver it is: that one hangs as a whole is no reason to leave the GPUs of another alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Maker {
    Nvidia,
    Amd,
}

#[derive(Debug)]
pub struct Pool {
    program: WorkerProgram,
    open_deadline: Duration,
    metrics: Arc<SelfMetrics>,
    active: Option<Active>,
    /// Stuck workers by number, with the call that they are stuck in.
    stuck: BTreeMap<u64, (Scope, String)>,
    spawned: u64,
    timeouts: u64,
    /// When loading the driver last found none, and the words that said so.
    no_driver: Option<(Instant, String)>,
    /// Whether anybody has looked at the rest of the host.
    looks_at_host: bool,
    late_sender: mpsc::Sender<Late>,
    late: mpsc::Receiver<Late>,
}

/// The worker that is asked.
#[derive(Debug)]
struct Active {
    number: u64,
    worker: Worker,
    /// The driver, once this worker has loaded it.
    opened: Option<Opened>,
}

/// A stuck worker that is out of the driver again, alive if it has loaded it.
#[derive(Debug)]
struct Late {
    number: u64,
    loaded: Option<(Worker, Opened)>,
}

impl Pool {
    pub fn new(program: WorkerProgram, open_deadline: Duration, metrics: Arc<SelfMetrics>) -> Self {
        let (late_sender, late) = mpsc::channel(LATE_BOUND);
        let stuck = BTreeMap::new();
        let (active, spawned, timeouts) = (None, 0, 0);
        Self {
            program,
            open_deadline,
            metrics,
            active,
            stuck,
            spawned,
            timeouts,
            no_driver: None,
            looks_at_host: false,
            late_sender,
            late,
        }
    }

    pub fn status(&mut self) -> PoolStatus {
        self.readmit();
        let unresponsive = self
            .stuck
            .values()
            .filter_map(|(scope, operation)| Some((scope.gpu()?, operation.clone())));
        PoolStatus {
            stuck: self.stuck.len(),
            stuck_in_driver: self.stuck_in(Some(Maker::Nvidia)),
            unresponsive: unresponsive.collect(),
            driver_hangs: self.driver_hangs(),
            timeouts: self.timeouts,
        }
    }

    /// The driver as the active worker has loaded it.
    pub async fn opened(&mut self) -> Result<Opened, HardwareError> {
        self.readmit();
        if let Some(Active {
            opened: Some(opened),
            ..
        }) = &self.active
        {
            return Ok(opened.clone());
        }
        if let Some((when, message)) = &self.no_driver
            && when.elapsed() < DRIVER_RETRY
        {
            return Err(HardwareError::Failed {
                code: failure::Code::NoDriver,
                message: message.clone(),
            });
        }
        let (call, operation) = (
            request::Call::Open(Default::default()),
            "loading the driver",
        );
        let outcome = self
            .run(Scope::Driver, operation, call, self.open_deadline)
            .await;
        self.no_driver = match &outcome {
            Err(HardwareError::Failed { code, message }) if *code == failure::Code::NoDriver => {
                Some((Instant::now(), message.clone()))
            }
            _ => None,
        };
        match outcome? {
            response::Outcome::Opened(opened) => {
                if let Some(active) = &mut self.active {
                    active.opened = Some(opened.clone());
                }
                Ok(opened)
            }
            other => Err(super::unexpected(operation, &other)),
        }
    }

    pub async fn call(
        &mut self,
        scope: Scope,
        operation: &str,
        call: request::Call,
        deadline: Duration,
    ) -> Result<response::Outcome, HardwareError> {
        self.readmit();
        self.looks_at_host |= scope == Scope::Host;
        self.refuse_if_stuck(scope)?;
        if matches!(scope, Scope::Gpu(_) | Scope::Driver) {
            self.opened().await?;
        }
        self.run(scope, operation, call, deadline).await
    }

    /// Lets go of the worker, which ends then, and tells where running workers are written down. A driver that was not
    /// there is looked for anew by the next one.
    pub fn let_go(&mut self) -> std::path::PathBuf {
        self.readmit();
        self.active = None;
        self.no_driver = None;
        self.program.records.clone()
    }

    /// What is stuck is not sent again while it is: another worker would be stuck as well. Loading the driver is tried
    /// as often as workers may be spent on it.
    fn refuse_if_stuck(&self, scope: Scope) -> Result<(), HardwareError> {
        let mut stuck = self.stuck.values();
        let Some((_, operation)) = stuck.find(|(stuck, _)| *stuck == scope) else {
            return Ok(());
        };
        let operation = operation.clone();
        match (scope, scope.gpu()) {
            (Scope::Driver, _) => Ok(()),
            (_, Some(gpu)) => Err(HardwareError::Unresponsive { gpu, operation }),
            (_, None) => Err(HardwareError::Stuck { operation }),
        }
    }

    /// How many workers are stuck in a driver.
    fn stuck_in(&self, maker: Option<Maker>) -> usize {
        let stuck = self.stuck.values();
        let stuck = stuck.filter(|(scope, _)| maker.is_some() && scope.maker() == maker);
        stuck.count()
    }

    /// Whether the last worker is not spent on a call: loading a driver has hung before, and the rest of the host is
    /// looked at with that one.
    fn keeps_worker_from(&self, scope: Scope) -> bool {
        let has_hung = || self.stuck.values().any(|(stuck, _)| *stuck == scope);
        scope == Scope::Driver && self.looks_at_host && has_hung()
    }

    /// Forgets that there was no driver a moment ago.
    pub fn try_driver_anew(&mut self) {
        self.no_driver = None;
    }

    fn driver_hangs(&self) -> bool {
        self.stuck
            .values()
            .any(|(scope, _)| *scope == Scope::Driver)
            || self.stuck_in(Some(Maker::Nvidia)) >= STUCK_LIMIT
    }

    async fn run(
        &mut self,
        scope: Scope,
        operation: &str,
        call: request::Call,
        deadline: Duration,
    ) -> Result<response::Outcome, HardwareError> {
        let program = self.program.program.clone();
        let failed = |source| HardwareError::Worker { program, source };
        let stuck = self.stuck_in(scope.maker());
        if stuck + usize::from(self.keeps_worker_from(scope)) >= STUCK_LIMIT {
            return Err(HardwareError::DriverHangs { stuck });
        }
        let active = match &mut self.active {
            Some(active) => active,
            None => {
                let worker = Worker::start(&self.program).await.map_err(failed.clone())?;
                self.spawned += 1;
                self.metrics.worker_starts.inc();
                self.active.insert(Active {
                    number: self.spawned,
                    worker,
                    opened: None,
                })
            }
        };
        let (kind, begun) = (kind(&call), Instant::now());
        let answer = tokio::time::timeout(deadline, active.worker.call(call)).await;
        self.metrics
            .driver_call_duration
            .observe([kind], begun.elapsed().as_secs_f64());
        match answer {
            Ok(Ok(response)) => {
                let outcome = outcome_of(operation, response);
                if let Err(error) = &outcome {
                    self.metrics.driver_errors.inc([kind]);
                    if error.is_no_driver() {
                        // The driver may have been unloaded or reloaded under this worker, whose library
                        // would never find it again: the next call starts another.
                        self.active = None;
                    }
                }
                outcome
            }
            Ok(Err(source)) => {
                self.metrics.driver_errors.inc([kind]);
                // A worker that has ended takes nothing with it: the next call starts another.
                self.active = None;
                Err(failed(source))
            }
            Err(_) => {
                self.metrics.driver_timeouts.inc([kind]);
                self.abandon(scope, operation);
                Err(HardwareError::Deadline {
                    operation: operation.to_owned(),
                    deadline_ms: deadline.as_millis(),
                })
            }
        }
    }

    fn abandon(&mut self, scope: Scope, operation: &str) {
        let Some(Active {
            number, mut worker, ..
        }) = self.active.take()
        else {
            return;
        };
        self.timeouts += 1;
        self.stuck.insert(number, (scope, operation.to_owned()));
        tracing::warn!(
            step = operation,
            stuck = self.stuck.len(),
            "driver call past its deadline"
        );
        let late = self.late_sender.clone();
        tokio::spawn(async move {
            // An answer and an end of the process mean the same: it is no longer inside the driver.
            let answer = worker.late_answer().await;
            let loaded = match answer.map(|response| response.outcome) {
                Ok(Some(response::Outcome::Opened(opened))) => Some((worker, opened)),
                _ => None,
            };
            if late.send(Late { number, loaded }).await.is_err() {
                tracing::debug!("the pool has ended");
            }
        });
    }

    /// Lets in again what a stuck worker has answered for by now. One that has loaded the driver takes the place of one that
    /// has not: loading took too long, and would again.
    fn readmit(&mut self) {
        while let Ok(Late { number, loaded }) = self.late.try_recv() {
            if let Some((scope, operation)) = self.stuck.remove(&number) {
                tracing::info!(?scope, step = operation, "driver call came back");
            }
            let has_driver = |active: &Active| active.opened.is_some();
            if let Some((worker, opened)) = loaded
                && !self.active.as_ref().is_some_and(has_driver)
            {
                self.active = Some(Active {
                    number,
                    worker,
                    opened: Some(opened),
                });
            }
        }
    }
}

/// The kind of a call, as a label of metrics.
fn kind(call: &request::Call) -> &'static str {
    match call {
        request::Call::Identify(_) => "identify",
        request::Call::Open(_) => "open",
        request::Call::ObserveHost(_) => "observe_host",
        request::Call::ObserveGpu(_) => "observe_gpu",
        request::Call::ObserveAmd(_) => "observe_amd",
        request::Call::ObserveVgpu(_) => "observe_vgpu",
        request::Call::Apply(_) => "apply",
        request::Call::Sample(_) => "sample",
        request::Call::EnsureNodes(_) => "ensure_nodes",
        request::Call::GetComputeMode(_) => "get_compute_mode",
        request::Call::SetComputeMode(_) => "set_compute_mode",
        request::Call::Process(_) => "process",
    }
}

fn outcome_of(operation: &str, response: Response) -> Result<response::Outcome, HardwareError> {
    match response.outcome {
        Some(response::Outcome::Failure(failure)) => Err(HardwareError::Failed {
            code: failure.code(),
            message: match failure.message.starts_with(operation) {
                true => failure.message,
                false => format!("{operation}: {}", failure.message),
            },
        }),
        Some(outcome) => Ok(outcome),
        None => Err(HardwareError::Protocol {
            operation: operation.to_owned(),
            why: "it is empty".to_owned(),
        }),
    }
}
