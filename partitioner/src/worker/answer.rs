//! One request in, one answer out.

use std::cell::OnceCell;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use kerf_api::partitioner::v1::failure::Code;
use kerf_api::partitioner::v1::request::Call;
use kerf_api::partitioner::v1::response::Outcome;
use kerf_api::partitioner::v1::{
    ComputeMode, ComputeModeIs, DeviceNode, DeviceNodes, Identity, Opened, Request, Response,
    Sampled,
};
use kerf_types::{AmdGpu, DeviceMinor, ParseError, PciAddress, Step, Timestamp};
use nvml_wrapper::Nvml;

use super::failure::{FailureOf, about, refusal};
use super::host;
use crate::amd;
use crate::nodes;
use crate::nvml::sample::Sampler;
use crate::nvml::{self, GpuAccess, KnownGpus, Site, apply, compute_mode};
use crate::sysfs::capabilities::CapabilityCache;
use crate::sysfs::{Reader, Root, numa, pci};
use crate::systree::SysTree;
use crate::systree::transaction::Polls;
use crate::vgpu::{self, WithTool};

/// Time between two looks whether KFD lists a GPU's partitions.
const AMD_POLL: Duration = Duration::from_millis(50);
/// Looks at most; a change of mode takes the driver one to three seconds.
const AMD_POLLS: u32 = 300;
/// All of a step, its undoing included: less than kerfd's deadline for a step, so that it is undone by whoever
/// began it.
const AMD_DEADLINE: Duration = Duration::from_secs(15);

/// What a worker works with. The library lies outside, so that what borrows from it can lie here.
pub struct Worker<'a> {
    path: Option<&'a Path>,
    root: &'a Root,
    tree: &'a dyn SysTree,
    /// Beneath which the vendor's tools are run; `None` on a simulated machine, whose kernel they would ask.
    programs: Option<&'a Path>,
    library: &'a OnceCell<Nvml>,
    capabilities: CapabilityCache,
    known: KnownGpus,
    sampler: Option<Sampler<'a>>,
}

impl<'a> Worker<'a> {
    /// A worker that has opened nothing.
    pub fn new(
        path: Option<&'a Path>,
        root: &'a Root,
        tree: &'a dyn SysTree,
        programs: Option<&'a Path>,
        library: &'a OnceCell<Nvml>,
    ) -> Self {
        Self {
            path,
            root,
            tree,
            programs,
            library,
            capabilities: CapabilityCache::default(),
            known: KnownGpus::default(),
            sampler: None,
        }
    }

    /// Answers one request.
    pub fn answer(&mut self, request: Request) -> Response {
        let outcome = match request.call {
            Some(call) => self.carry_out(call).unwrap_or_else(|FailureOf(failure)| {
                tracing::debug!(error = failure.message, "request failed");
                Outcome::Failure(failure)
            }),
            None => Outcome::Failure(refusal(Code::Invalid, "the request is of no known kind")),
        };
        Response {
            id: request.id,
            outcome: Some(outcome),
        }
    }

    fn carry_out(&mut self, call: Call) -> Result<Outcome, FailureOf> {
        Ok(match call {
            Call::Identify(_) => Outcome::Identity(self.identity()),
            Call::Open(_) => Outcome::Opened(self.open()?),
            Call::ObserveHost(ask) => {
                Outcome::Host(Box::new(host::facts(self.root, self.tree, ask)))
            }
            Call::ObserveGpu(ask) => {
                let access = access(ask.index, ask.pci.as_deref())?;
                let gpu = nvml::observe(self.site()?, access);
                Outcome::Gpu((&gpu.map_err(|error| gpu_failure(access, &error))?).into())
            }
            Call::ObserveAmd(ask) => {
                let gpu = amd::observe(self.tree, address(&ask.pci)?, now())?;
                self.placed(gpu)
            }
            Call::ObserveVgpu(ask) => {
                Outcome::VgpuGpu((&vgpu::observe(self.tree, address(&ask.pci)?)?).into())
            }
            Call::Apply(ask) => self.apply(ask.step)?,
            Call::GetComputeMode(ask) => {
                let gpu = address(&ask.pci)?;
                let mode = compute_mode::get(self.nvml()?, gpu);
                mode_is(mode.map_err(|error| gpu_failure(GpuAccess::Pci(gpu), &error))?)
            }
            Call::SetComputeMode(ask) => {
                let (gpu, mode) = (address(&ask.pci)?, ask.mode());
                mode_is(compute_mode::set(self.nvml()?, gpu, mode)?)
            }
            Call::Sample(ask) => {
                Outcome::Sampled(self.sample(access(ask.index, ask.pci.as_deref())?)?)
            }
            Call::Process(_) => {
                let message = "this worker is for hardware, and touches no process";
                return Err(FailureOf(refusal(Code::Invalid, message)));
            }
            Call::EnsureNodes(ask) => {
                let minors: Vec<DeviceMinor> =
                    ask.capability_minors.into_iter().map(DeviceMinor).collect();
                let mut nodes = nodes::ensure(self.root, &minors)?;
                nodes.extend(nodes::ensure_channels(self.root, &ask.imex_channels)?);
                nodes::link_known(self.root)?;
                Outcome::Nodes(DeviceNodes {
                    nodes: nodes.into_iter().map(node).collect(),
                })
            }
        })
    }

    /// An AMD GPU with the NUMA node that it is next to, by the rules for any device: its own file may name none, or one
    /// that does not exist.
    fn placed(&self, gpu: AmdGpu) -> Outcome {
        let nodes = numa::near(&Reader::new(self.root));
        let numa_node = pci::numa_node(self.root, gpu.pci, &nodes);
        Outcome::AmdGpu((&AmdGpu { numa_node, ..gpu }).into())
    }

    fn identity(&self) -> Identity {
        Identity {
            pid: std::process::id(),
            library: self.path.map(|path| path.as_os_str().as_bytes().to_vec()),
            sysroot: self.root.path().as_os_str().as_bytes().to_vec(),
        }
    }

    fn apply(&mut self, step: Option<kerf_api::v1::Step>) -> Result<Outcome, FailureOf> {
        let Some(step) = step else {
            return Err(FailureOf(refusal(Code::Invalid, "no step is named")));
        };
        let step = Step::try_from(step)?;
        tracing::debug!(step = %step, gpu.pci = %step.gpu(), "apply step");
        if let (Step::SetMigMode { gpu, .. }, Some(sampler)) = (&step, &mut self.sampler) {
            sampler.release(GpuAccess::Pci(*gpu));
        }
        let mut patience = Polls::new(AMD_POLLS, AMD_POLL, Instant::now() + AMD_DEADLINE);
        if let Some(gpu) = amd::apply::apply(self.tree, &step, now(), &mut patience) {
            return Ok(self.placed(gpu?));
        }
        let tree = WithTool::new(self.tree, self.programs);
        if let Some(gpu) = vgpu::apply::apply(&tree, &step, &mut patience) {
            return Ok(Outcome::VgpuGpu((&gpu?).into()));
        }
        Ok(Outcome::Gpu((&apply::apply(self.site()?, &step)?).into()))
    }

    /// Loads the library, unless that was done; says what it serves. Without a library there is nothing
    /// to open and nothing wrong.
    fn open(&mut self) -> Result<Opened, FailureOf> {
        let Some(path) = self.path else {
            return Ok(Opened {
                driver: None,
                gpu_count: 0,
            });
        };
        let library = match self.library.get() {
            Some(library) => library,
            None => {
                let library = nvml::load(path)?;
                self.library.get_or_init(|| library)
            }
        };
        let driver = nvml::driver(library).map_err(|error| FailureOf(about("driver", &error)))?;
        let gpu_count =
            nvml::gpu_count(library).map_err(|error| FailureOf(about("driver", &error)))?;
        Ok(Opened {
            driver: Some((&driver).into()),
            gpu_count,
        })
    }

    fn site(&self) -> Result<Site<'_>, FailureOf> {
        let (root, capabilities, known) = (self.root, &self.capabilities, &self.known);
        self.nvml().map(|nvml| Site {
            nvml,
            root,
            capabilities,
            known,
        })
    }

    fn nvml(&self) -> Result<&'a Nvml, FailureOf> {
        self.library.get().ok_or_else(|| {
            FailureOf(match self.path {
                Some(_) => refusal(Code::Invalid, "the driver library was not opened"),
                None => refusal(Code::NoDriver, "this machine has no driver library"),
            })
        })
    }

    fn sample(&mut self, access: GpuAccess) -> Result<Sampled, FailureOf> {
        let nvml = self.nvml()?;
        let sampler = self.sampler.get_or_insert_with(|| Sampler::new(nvml));
        let (sample, cost) = sampler
            .sample(access, now(), Instant::now())
            .map_err(|error| gpu_failure(access, &error))?;
        Ok(Sampled {
            sample: Some((&sample).into()),
            driver_calls: cost.calls,
            driver_microseconds: cost.microseconds,
        })
    }
}

/// The GPU that a request names.
fn access(index: u32, pci: Option<&str>) -> Result<GpuAccess, FailureOf> {
    let Some(pci) = pci else {
        return Ok(GpuAccess::Index(index));
    };
    address(pci).map(GpuAccess::Pci)
}

fn address(pci: &str) -> Result<PciAddress, FailureOf> {
    let wrong = |error: ParseError| FailureOf(refusal(Code::Invalid, &error.to_string()));
    pci.parse().map_err(wrong)
}

fn gpu_failure(access: GpuAccess, error: &nvml::NvmlError) -> FailureOf {
    let name = match access {
        GpuAccess::Index(index) => format!("GPU {index}"),
        GpuAccess::Pci(pci) => format!("GPU {pci}"),
    };
    FailureOf(about(&name, error))
}

fn mode_is(mode: ComputeMode) -> Outcome {
    Outcome::ComputeMode(ComputeModeIs { mode: mode.into() })
}

fn node(node: nodes::DeviceNode) -> DeviceNode {
    DeviceNode {
        path: node.path,
        major: node.major,
        minor: node.minor,
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
