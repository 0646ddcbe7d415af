//! What can be broken and mended. Owns the requests and how each changes the state.

use super::{ControlError, known};
use crate::model::events::{self, About};
use crate::model::fabric::FabricFault;
use crate::model::gpu::Fault;
use crate::model::machine::Machine;
use crate::model::mischief::{Armed, Delay, Mischief};
use crate::model::tool::{Tool, ToolFault};

/// The XID with which a driver reports a GPU that has fallen off the bus.
const XID_FALLEN_OFF_THE_BUS: u64 = 79;
/// The XID of an uncorrectable ECC error.
const XID_DOUBLE_BIT_ECC: u64 = 48;

/// NVML's code of a function that the driver does not have.
const FUNCTION_NOT_FOUND: u32 = 13;

/// What finds a MIG device by its index.
const WALK: &str = "nvmlDeviceGetMigDeviceHandleByIndex";
/// A seventh of ten seconds, for a GPU has up to seven indices.
const SLOW_STEP: Delay = Delay {
    us: 1_430_000,
    under_load: true,
};

/// What came after driver 470: names and versions of profiles, places of compute instances, memory
/// with its reserved part, GPM, the fabric.
const OLD_DRIVER_LACKS: [&str; 18] = [
    "nvmlDeviceGetGpuInstanceProfileInfoV",
    "nvmlDeviceGetGpuInstanceProfileInfoByIdV",
    "nvmlGpuInstanceGetComputeInstanceProfileInfoV",
    "nvmlGpuInstanceGetComputeInstancePossiblePlacements",
    "nvmlGpuInstanceCreateComputeInstanceWithPlacement",
    "nvmlDeviceGetMemoryInfo_v2",
    "nvmlDeviceGetComputeRunningProcesses_v3",
    "nvmlDeviceGetGraphicsRunningProcesses_v3",
    "nvmlDeviceGetMPSComputeRunningProcesses_v3",
    "nvmlDeviceGetRunningProcessDetailList",
    "nvmlDeviceGetHandleByUUIDV",
    "nvmlDeviceGetNumaNodeId",
    "nvmlDeviceGetGpuFabricInfo",
    "nvmlDeviceGetGpuFabricInfoV",
    "nvmlGpmQueryDeviceSupport",
    "nvmlGpmSampleGet",
    "nvmlGpmMigSampleGet",
    "nvmlGpmMetricsGet",
];

/// Something to break, or to mend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultRequest {
    /// The GPU falls off the bus: its calls answer GPU_IS_LOST. Raises XID 79.
    Lost {
        /// GPU index.
        gpu: u32,
    },
    /// Calls on the GPU block until it is cleared.
    Hang {
        /// GPU index.
        gpu: u32,
    },
    /// The driver reports an XID. The GPU goes on: report 79 alone does not lose it.
    Xid {
        /// GPU index.
        gpu: u32,
        /// The XID.
        number: u64,
        /// GPU instance that it is about.
        gi: Option<u32>,
    },
    /// Corrected memory errors.
    EccCorrected {
        /// GPU index.
        gpu: u32,
        /// How many.
        count: u64,
    },
    /// Uncorrected memory errors, which remap a row each and raise XID 48.
    EccUncorrected {
        /// GPU index.
        gpu: u32,
        /// How many.
        count: u64,
    },
    /// The GPU leaves the bus: neither the driver nor the kernel lists it any more, the indices of those
    /// behind it shift, and its instances and processes end.
    Gone {
        /// Place on the bus, which is the index while no GPU is gone.
        gpu: u32,
    },
    /// Calls on the GPU answer RESET_REQUIRED until it is reset.
    ResetRequired {
        /// GPU index.
        gpu: u32,
    },
    /// Something is wrong with the GPU's way into the NVLink fabric; it goes on by itself.
    Fabric {
        /// GPU index.
        gpu: u32,
        /// What.
        how: FabricFault,
    },
    /// The GPU is well again, its fabric too: neither lost, gone nor hung, and in no need of a reset. Its instances are as
    /// they were, but for one that was gone.
    Clear {
        /// GPU index.
        gpu: u32,
    },
    /// Every call blocks, `nvmlInit` included.
    DriverHang,
    /// A function of NVML answers with this code and does nothing, until the driver answers again as it
    /// should: `Misbehave` without end, before everything else that the function was told.
    Refuse {
        /// Its name, such as `nvmlDeviceGetMigMode`.
        function: String,
        /// The code.
        code: u32,
    },
    /// A function of NVML goes wrong.
    Misbehave {
        /// Its name.
        function: String,
        /// How.
        how: Mischief,
        /// How often; without end where it is `None`.
        times: Option<u32>,
    },
    /// Calls take longer.
    Delay {
        /// Of this function, or every call.
        function: Option<String>,
        /// How long; 0 µs take a delay away.
        delay: Delay,
    },
    /// Finding MIG devices by their index takes about ten seconds for a GPU while anything runs.
    SlowWalk,
    /// Functions that a driver of 2021 does not have answer FUNCTION_NOT_FOUND. Their symbols stay:
    /// a library that is loaded cannot lose them.
    OldDriver,
    /// The driver answers again, as it should and at once.
    DriverClear,
    /// A command of one of the vendor's tools goes wrong.
    Tool(ToolFault),
    /// The tool does as it should again.
    ToolClear(Tool),
}

pub(super) fn apply(
    machine: &mut Machine,
    request: FaultRequest,
    now_us: u64,
) -> Result<(), ControlError> {
    match request {
        FaultRequest::Lost { gpu } => {
            known(machine, gpu)?.fault = Fault::Lost;
            raise_xid(machine, gpu, XID_FALLEN_OFF_THE_BUS, now_us);
        }
        FaultRequest::Hang { gpu } => known(machine, gpu)?.fault = Fault::Hung,
        FaultRequest::Gone { gpu } => {
            known(machine, gpu)?;
            machine.leave(gpu, now_us)?;
        }
        FaultRequest::ResetRequired { gpu } => known(machine, gpu)?.fault = Fault::ResetRequired,
        FaultRequest::Fabric { gpu, how } => known(machine, gpu)?.fabric = how,
        FaultRequest::Clear { gpu } => {
            let gpu = known(machine, gpu)?;
            (gpu.fault, gpu.fabric) = (Fault::None, FabricFault::None);
        }
        FaultRequest::Xid { gpu, number, gi } => {
            known(machine, gpu)?;
            let ci = gi.and_then(|gi| only_ci(machine, gpu, gi));
            let about = About {
                data: number,
                gi,
                ci,
            };
            machine.raise(gpu, events::XID, about, now_us);
        }
        FaultRequest::EccCorrected { gpu, count } => {
            let ecc = &mut known(machine, gpu)?.ecc;
            ecc.volatile_corrected += count;
            ecc.aggregate_corrected += count;
            machine.raise(gpu, events::ECC_CORRECTED, About::default(), now_us);
        }
        FaultRequest::EccUncorrected { gpu, count } => {
            let ecc = &mut known(machine, gpu)?.ecc;
            ecc.volatile_uncorrected += count;
            ecc.aggregate_uncorrected += count;
            machine.raise(gpu, events::ECC_UNCORRECTED, About::default(), now_us);
            raise_xid(machine, gpu, XID_DOUBLE_BIT_ECC, now_us);
        }
        FaultRequest::DriverHang => machine.driver_hung = true,
        FaultRequest::Refuse { function, code } => machine.refuse(&function, code),
        FaultRequest::Misbehave {
            function,
            how,
            times,
        } => machine.mischief.push(Armed {
            function,
            how,
            left: times,
        }),
        FaultRequest::Delay { function, delay } => set_delay(machine, function, delay),
        FaultRequest::SlowWalk => {
            machine.delays.insert(WALK.to_owned(), SLOW_STEP);
        }
        FaultRequest::OldDriver => {
            for function in OLD_DRIVER_LACKS {
                machine.refuse(function, FUNCTION_NOT_FOUND);
            }
        }
        FaultRequest::DriverClear => clear(machine),
        FaultRequest::Tool(fault) => machine.tool_faults.push(fault),
        FaultRequest::ToolClear(tool) => machine.tool_faults.retain(|fault| fault.tool != tool),
    }
    Ok(())
}

fn clear(machine: &mut Machine) {
    machine.driver_hung = false;
    machine.mischief.clear();
    machine.delay = None;
    machine.delays.clear();
}

/// Of the whole GPU.
fn raise_xid(machine: &mut Machine, gpu: u32, number: u64, now_us: u64) {
    let about = About {
        data: number,
        ..About::default()
    };
    machine.raise(gpu, events::XID, about, now_us);
}

fn set_delay(machine: &mut Machine, function: Option<String>, delay: Delay) {
    let set = (delay.us > 0).then_some(delay);
    match (function, set) {
        (None, set) => machine.delay = set,
        (Some(function), Some(delay)) => {
            machine.delays.insert(function, delay);
        }
        (Some(function), None) => {
            machine.delays.remove(&function);
        }
    }
}

/// The compute instance that an XID of a GPU instance can only be about.
fn only_ci(machine: &Machine, gpu: u32, gi: u32) -> Option<u32> {
    let found = machine.gpu(gpu).ok()?.instance(gi)?;
    match found.compute.as_slice() {
        [ci] => Some(ci.id),
        _ => None,
    }
}
