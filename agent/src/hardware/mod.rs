//! The way to the hardware: a pool of partitioner processes with a deadline on every call.
//!
//! A call past its deadline makes its GPU unresponsive. The stuck worker is abandoned, its socket kept, and a
//! fresh one serves the other GPUs. When the late answer comes, the driver has come back, and the GPU is let
//! in again. A worker that was late with loading the driver goes on as the one that is asked, where there is no
//! other: loading took long, and would again. At most two workers are abandoned in the driver of one maker; a third
//! that is stuck means that this driver as a whole is, and another maker's GPUs go on. The look at the whole host enters
//! drivers behind a deadline for each device; where it is stuck all the same it is not sent again until it is back,
//! says nothing of any GPU, and what it last saw stands.

mod close;
mod compute_mode;
mod error;
mod pool;
#[cfg(test)]
mod tests;
mod vgpu;
pub mod worker;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kerf_api::partitioner::v1 as wire;
use kerf_telemetry::SelfMetrics;
use kerf_types::sample::{GpuSample, SampleCost};
use kerf_types::{AmdGpu, Gpu, PciAddress, Step};
use tokio::sync::Mutex;

pub use error::HardwareError;
use pool::{Pool, Scope};
pub use worker::WorkerProgram;

/// A GPU as a call names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum GpuKey {
    /// By address, which is the same for as long as the GPU sits there.
    Pci(PciAddress),
    /// By NVML index, where the kernel driver names no addresses.
    Index(u32),
}

impl GpuKey {
    fn fields(self) -> (u32, Option<String>) {
        match self {
            Self::Pci(pci) => (0, Some(pci.to_string())),
            Self::Index(index) => (index, None),
        }
    }
}

impl fmt::Display for GpuKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pci(pci) => write!(f, "GPU {pci}"),
            Self::Index(index) => write!(f, "GPU {index}"),
        }
    }
}

/// The GPU that a step has changed, as it was read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// One that NVML knows.
    Gpu(Gpu),
    /// An AMD GPU.
    Amd(AmdGpu),
}

/// Deadlines of hardware calls.
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    /// For reading.
    pub call: Duration,
    /// For loading the driver.
    pub open: Duration,
    /// For a step.
    pub step: Duration,
}

/// What the pool knows about itself, for `kerf status` and metrics.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PoolStatus {
    /// Workers that are stuck, whatever in.
    pub stuck: usize,
    /// Those of them that are stuck in NVIDIA's driver.
    pub stuck_in_driver: usize,
    /// GPUs that are left alone, with the call that did not return.
    pub unresponsive: Vec<(GpuKey, String)>,
    /// Whether the whole driver of NVIDIA hangs.
    pub driver_hangs: bool,
    /// Calls that ran past their deadline since the start.
    pub timeouts: u64,
}

/// The hardware of this host.
#[derive(Debug)]
pub struct Hardware {
    pool: Mutex<Pool>,
    deadlines: Deadlines,
    /// Whether no worker may be started.
    closed: AtomicBool,
    /// What [`Hardware::status`] answers while a call is under way.
    last_status: std::sync::Mutex<PoolStatus>,
}

impl Hardware {
    /// Nothing is started before the first call.
    pub fn new(program: WorkerProgram, deadlines: Deadlines, metrics: Arc<SelfMetrics>) -> Self {
        let pool = Mutex::new(Pool::new(program, deadlines.open, metrics));
        Self {
            pool,
            deadlines,
            closed: AtomicBool::new(false),
            last_status: std::sync::Mutex::default(),
        }
    }

    /// How the pool is. Never waits: while a call is under way, it is the state before that call.
    pub fn status(&self) -> PoolStatus {
        let mut last = self
            .last_status
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Ok(mut pool) = self.pool.try_lock() {
            *last = pool.status();
            if self.closed.load(Ordering::SeqCst) {
                // A worker that has come out of the driver late has it open.
                drop(pool.let_go());
            }
        }
        last.clone()
    }

    /// Loads the driver, if need be, and says what it is.
    pub async fn open(&self) -> Result<wire::Opened, HardwareError> {
        let mut pool = self.pool.lock().await;
        self.refuse_if_closed()?;
        pool.opened().await
    }

    /// Whoever loads the driver next is not told that there was none a moment ago: the kernel has it now.
    pub async fn driver_has_come(&self) {
        self.pool.lock().await.try_driver_anew();
    }

    /// The host apart from its GPUs; works beside a hung driver.
    pub async fn observe_host(&self) -> Result<wire::HostFacts, HardwareError> {
        let deadline_ms = u64::try_from(self.deadlines.call.as_millis()).unwrap_or(u64::MAX);
        // Which devices are held is the worker's to say: it has the records.
        let held = Vec::new();
        let call = wire::request::Call::ObserveHost(wire::ObserveHost { deadline_ms, held });
        match self
            .call(Scope::Host, "reading /sys", call, self.deadlines.call)
            .await?
        {
            wire::response::Outcome::Host(facts) => Ok(*facts),
            other => Err(unexpected("reading /sys", &other)),
        }
    }

    /// One GPU as it is now.
    pub async fn observe(&self, key: GpuKey) -> Result<Gpu, HardwareError> {
        let (index, pci) = key.fields();
        let call = wire::request::Call::ObserveGpu(wire::ObserveGpu { index, pci });
        let operation = format!("observing {key}");
        let outcome = self
            .call(Scope::Gpu(key), &operation, call, self.deadlines.call)
            .await?;
        gpu_of(&operation, outcome)
    }

    /// One AMD GPU as it is now; needs no driver library.
    pub async fn observe_amd(&self, pci: PciAddress) -> Result<AmdGpu, HardwareError> {
        let address = pci.to_string();
        let call = wire::request::Call::ObserveAmd(wire::ObserveAmd { pci: address });
        let operation = format!("observing AMD GPU {pci}");
        let outcome = self
            .call(Scope::Amd(pci), &operation, call, self.deadlines.call)
            .await?;
        amd_gpu_of(&operation, outcome)
    }

    /// Carries out one step; returns its GPU as it is after it.
    pub async fn apply(&self, step: &Step) -> Result<Applied, HardwareError> {
        let call = wire::request::Call::Apply(wire::Apply {
            step: Some(kerf_api::v1::Step::from(step)),
        });
        let operation = step.to_string();
        let scope = match step.is_amd() {
            true => Scope::Amd(step.gpu()),
            false => Scope::Gpu(GpuKey::Pci(step.gpu())),
        };
        let outcome = self
            .call(scope, &operation, call, self.deadlines.step)
            .await?;
        match step.is_amd() {
            true => amd_gpu_of(&operation, outcome).map(Applied::Amd),
            false => gpu_of(&operation, outcome).map(Applied::Gpu),
        }
    }

    /// Sensors of one GPU.
    pub async fn sample(&self, gpu: PciAddress) -> Result<(GpuSample, SampleCost), HardwareError> {
        let key = GpuKey::Pci(gpu);
        let (index, pci) = key.fields();
        let call = wire::request::Call::Sample(wire::Sample { index, pci });
        let operation = format!("sampling {key}");
        let outcome = self
            .call(Scope::Gpu(key), &operation, call, self.deadlines.call)
            .await?;
        let wire::response::Outcome::Sampled(sampled) = outcome else {
            return Err(unexpected(&operation, &outcome));
        };
        let cost = SampleCost {
            calls: sampled.driver_calls,
            microseconds: sampled.driver_microseconds,
        };
        let sample = sampled.sample.unwrap_or_default();
        match GpuSample::try_from(sample) {
            Ok(sample) => Ok((sample, cost)),
            Err(error) => Err(HardwareError::Protocol {
                operation,
                why: error.to_string(),
            }),
        }
    }

    /// Makes missing device nodes of capabilities and returns all that were asked for. Every node of the driver gets
    /// its name in `/dev/char` as well.
    pub async fn ensure_nodes(
        &self,
        capability_minors: Vec<u32>,
    ) -> Result<Vec<wire::DeviceNode>, HardwareError> {
        self.make_nodes(wire::EnsureNodes {
            capability_minors,
            imex_channels: Vec::new(),
        })
        .await
    }

    /// The same for one IMEX channel.
    pub async fn ensure_channel(
        &self,
        channel: u32,
    ) -> Result<Vec<wire::DeviceNode>, HardwareError> {
        self.make_nodes(wire::EnsureNodes {
            capability_minors: Vec::new(),
            imex_channels: vec![channel],
        })
        .await
    }

    async fn make_nodes(
        &self,
        nodes: wire::EnsureNodes,
    ) -> Result<Vec<wire::DeviceNode>, HardwareError> {
        let operation = "making device nodes";
        let call = wire::request::Call::EnsureNodes(nodes);
        match self
            .call(Scope::Nodes, operation, call, self.deadlines.call)
            .await?
        {
            wire::response::Outcome::Nodes(nodes) => Ok(nodes.nodes),
            other => Err(unexpected(operation, &other)),
        }
    }

    async fn call(
        &self,
        scope: Scope,
        operation: &str,
        call: wire::request::Call,
        deadline: Duration,
    ) -> Result<wire::response::Outcome, HardwareError> {
        let mut pool = self.pool.lock().await;
        self.refuse_if_closed()?;
        pool.call(scope, operation, call, deadline).await
    }
}

fn amd_gpu_of(operation: &str, outcome: wire::response::Outcome) -> Result<AmdGpu, HardwareError> {
    let wire::response::Outcome::AmdGpu(gpu) = outcome else {
        return Err(unexpected(operation, &outcome));
    };
    AmdGpu::try_from(gpu).map_err(|error| HardwareError::Protocol {
        operation: operation.to_owned(),
        why: error.to_string(),
    })
}

fn gpu_of(operation: &str, outcome: wire::response::Outcome) -> Result<Gpu, HardwareError> {
    let wire::response::Outcome::Gpu(gpu) = outcome else {
        return Err(unexpected(operation, &outcome));
    };
    Gpu::try_from(gpu).map_err(|error| HardwareError::Protocol {
        operation: operation.to_owned(),
        why: error.to_string(),
    })
}

fn unexpected(operation: &str, outcome: &wire::response::Outcome) -> HardwareError {
    let kind = match outcome {
        wire::response::Outcome::Failure(_) => "a failure",
        wire::response::Outcome::Opened(_) => "an opened driver",
        wire::response::Outcome::Host(_) => "host facts",
        wire::response::Outcome::Gpu(_) => "a GPU",
        wire::response::Outcome::AmdGpu(_) => "an AMD GPU",
        wire::response::Outcome::VgpuGpu(_) => "vGPUs",
        wire::response::Outcome::Sampled(_) => "a sample",
        wire::response::Outcome::Nodes(_) => "device nodes",
        wire::response::Outcome::Identity(_) => "who it is",
        wire::response::Outcome::ComputeMode(_) => "another compute mode",
        wire::response::Outcome::Process(_) => "what it did to a process",
    };
    HardwareError::Protocol {
        operation: operation.to_owned(),
        why: format!("it sent {kind}"),
    }
}
