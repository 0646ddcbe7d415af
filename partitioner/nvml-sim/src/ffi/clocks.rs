//! Clocks, performance states and what holds the clocks back.

use super::call::{self, View};
use super::handle::Handle;
use super::pointer::{Array, InOut, Out};
use crate::model::status::Status;

/// The GPU is idle and its clocks are low.
const REASON_IDLE: u64 = 0x1;
/// The power limit holds it.
const REASON_POWER_CAP: u64 = 0x4;
/// What driver 590 says it can report on these products.
const REASONS: u64 = 0x1ff;
/// `NVML_PSTATE_UNKNOWN`, which ends a list.
const NO_PSTATE: u32 = 32;

nvml! {
    fn nvmlDeviceGetClockInfo(device: Handle, kind: u32, mhz: Out<u32>) {
        mhz.put(current(&call::gpu(device)?, kind)?)
    }

    fn nvmlDeviceGetMaxClockInfo(device: Handle, kind: u32, mhz: Out<u32>) {
        mhz.put(highest(&call::gpu(device)?, kind)?)
    }

    // 0 current, 3 highest boost; application clocks (1, 2) are withdrawn.
    fn nvmlDeviceGetClock(device: Handle, kind: u32, which: u32, mhz: Out<u32>) {
        let view = call::gpu(device)?;
        match which {
            0 => mhz.put(current(&view, kind)?),
            3 => mhz.put(highest(&view, kind)?),
            1 | 2 => Err(Status::Deprecated),
            _ => Err(Status::InvalidArgument),
        }
    }

    fn nvmlDeviceGetMaxCustomerBoostClock(device: Handle, kind: u32, mhz: Out<u32>) {
        let view = call::gpu(device)?;
        if kind > 1 {
            return Err(Status::NotSupported);
        }
        mhz.put(highest(&view, kind)?)
    }

    fn nvmlDeviceGetApplicationsClock(device: Handle, _kind: u32, _mhz: Out<u32>) {
        call::gpu(device)?;
        Err(Status::Deprecated)
    }

    fn nvmlDeviceGetDefaultApplicationsClock(device: Handle, _kind: u32, _mhz: Out<u32>) {
        call::gpu(device)?;
        Err(Status::Deprecated)
    }

    fn nvmlDeviceGetSupportedMemoryClocks(device: Handle, count: InOut<u32>, mhz: Array<u32>) {
        let view = call::gpu(device)?;
        mhz.fill_counted(&count, &[view.product.clocks.memory])
    }

    // Every 15 MHz from the highest down to the idle clock.
    fn nvmlDeviceGetSupportedGraphicsClocks(
        device: Handle,
        memory_mhz: u32,
        count: InOut<u32>,
        mhz: Array<u32>,
    ) {
        let clocks = call::gpu(device)?.product.clocks;
        if memory_mhz != clocks.memory {
            return Err(Status::NotFound);
        }
        let mut steps: Vec<u32> = (clocks.idle..=clocks.max).step_by(15).collect();
        steps.reverse();
        mhz.fill_counted(&count, &steps)
    }

    fn nvmlDeviceGetPerformanceState(device: Handle, state: Out<u32>) {
        call::gpu(device)?;
        state.put(0)
    }

    fn nvmlDeviceGetPowerState(device: Handle, state: Out<u32>) {
        call::gpu(device)?;
        state.put(0)
    }

    fn nvmlDeviceGetSupportedPerformanceStates(device: Handle, states: Array<u32>, bytes: u32) {
        call::gpu(device)?;
        let room = usize::try_from(bytes / 4).unwrap_or(0);
        if room == 0 {
            return Err(Status::InsufficientSize);
        }
        let mut list = vec![NO_PSTATE; room];
        list[0] = 0;
        states.fill(&list)
    }

    fn nvmlDeviceGetMinMaxClockOfPState(
        device: Handle,
        kind: u32,
        state: u32,
        low: Out<u32>,
        high: Out<u32>,
    ) {
        let view = call::gpu(device)?;
        if state != 0 {
            return Err(Status::NotSupported);
        }
        let clocks = view.product.clocks;
        low.put(match kind {
            0 | 1 => clocks.idle,
            2 => clocks.memory,
            3 => clocks.video_idle,
            _ => return Err(Status::InvalidArgument),
        })?;
        high.put(highest(&view, kind)?)
    }

    fn nvmlDeviceGetCurrentClocksEventReasons(device: Handle, reasons: Out<u64>) {
        reasons.put(active_reasons(&call::gpu(device)?))
    }

    fn nvmlDeviceGetCurrentClocksThrottleReasons(device: Handle, reasons: Out<u64>) {
        reasons.put(active_reasons(&call::gpu(device)?))
    }

    fn nvmlDeviceGetSupportedClocksEventReasons(device: Handle, reasons: Out<u64>) {
        call::gpu(device)?;
        reasons.put(REASONS)
    }

    fn nvmlDeviceGetSupportedClocksThrottleReasons(device: Handle, reasons: Out<u64>) {
        call::gpu(device)?;
        reasons.put(REASONS)
    }

    // Policies: 0 power, 1 thermal, 2 sync boost, 3 board limit, 4 low utilisation, 5 reliability,
    // 10 and 11 clock totals. Times are in nanoseconds.
    fn nvmlDeviceGetViolationStatus(device: Handle, policy: u32, out: Out<Violation>) {
        let view = call::gpu(device)?;
        let violation = match policy {
            0 => view.gpu().capped_us(view.product, view.now_us) * 1_000,
            1..=5 | 10 | 11 => 0,
            _ => return Err(Status::InvalidArgument),
        };
        out.put(Violation { reference: view.now_us * 1_000, violation })
    }

    fn nvmlDeviceGetAdaptiveClockInfoStatus(device: Handle, status: Out<u32>) {
        call::gpu(device)?;
        status.put(1)
    }
}

/// `nvmlViolationTime_t`.
#[repr(C)]
struct Violation {
    reference: u64,
    violation: u64,
}

/// The current clock: 0 graphics, 1 SM, 2 memory, 3 video.
fn current(view: &View, kind: u32) -> Result<u32, Status> {
    let (gpu, clocks) = (view.gpu(), view.product.clocks);
    match kind {
        0 | 1 => Ok(gpu.sm_clock_mhz(view.product)),
        2 => Ok(clocks.memory),
        3 if gpu.sm_percent(view.product) == 0 => Ok(clocks.video_idle),
        3 => Ok(clocks.video_max),
        _ => Err(Status::InvalidArgument),
    }
}

fn highest(view: &View, kind: u32) -> Result<u32, Status> {
    match kind {
        0 | 1 => Ok(view.product.clocks.max),
        2 => Ok(view.product.clocks.memory),
        3 => Ok(view.product.clocks.video_max),
        _ => Err(Status::InvalidArgument),
    }
}

fn active_reasons(view: &View) -> u64 {
    let gpu = view.gpu();
    let idle = if gpu.sm_percent(view.product) == 0 {
        REASON_IDLE
    } else {
        0
    };
    idle | if gpu.power_capped(view.product) {
        REASON_POWER_CAP
    } else {
        0
    }
}
