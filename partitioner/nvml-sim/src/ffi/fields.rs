//! Field values: the calls above by number, many at once. Ids are those of driver 580.82 and
//! later, which moved 251 to 273.

use super::call::{self, View};
use super::ecc::{remap_pending, remapped_rows};
use super::handle::Handle;
use super::pointer::Array;
use super::thermal::memory_celsius;
use crate::model::status::Status;

nvml! {
    fn nvmlDeviceGetFieldValues(device: Handle, count: i32, values: Array<FieldValue>) {
        let view = call::gpu(device)?;
        for index in 0..usize::try_from(count).map_err(|_| Status::InvalidArgument)? {
            let mut field = values.get(index)?;
            field.at_us = i64::try_from(view.now_us).unwrap_or(i64::MAX);
            field.latency_us = 0;
            match read(&view, field.id, field.scope) {
                Ok(value) => {
                    (field.kind, field.value) = value.parts();
                    field.status = 0;
                }
                Err(status) => field.status = status.code(),
            }
            values.set(index, field)?;
        }
        Ok(())
    }

    fn nvmlDeviceClearFieldValues(device: Handle, count: i32, values: Array<FieldValue>) {
        call::gpu(device)?;
        for index in 0..usize::try_from(count).map_err(|_| Status::InvalidArgument)? {
            let mut field = values.get(index)?;
            field.status = Status::NotSupported.code();
            values.set(index, field)?;
        }
        Ok(())
    }
}

/// `nvmlFieldValue_t`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct FieldValue {
    id: u32,
    scope: u32,
    at_us: i64,
    latency_us: i64,
    kind: u32,
    status: u32,
    value: u64,
}

/// A value with its type in the union.
enum Value {
    U32(u32),
    U64(u64),
    I32(i32),
}

impl Value {
    /// `nvmlValueType_t` and the union's eight bytes.
    fn parts(self) -> (u32, u64) {
        match self {
            Self::U32(value) => (1, u64::from(value)),
            Self::U64(value) => (3, value),
            Self::I32(value) => (5, u64::from(u32::from_ne_bytes(value.to_ne_bytes()))),
        }
    }
}

fn read(view: &View, id: u32, scope: u32) -> Result<Value, Status> {
    match id {
        1..=28 => ecc(view, id),
        32..=59 | 84..=91 | 96..=119 | 132..=141 | 146..=168 | 201..=222 => nvlink(view, id, scope),
        74..=83 | 185..=196 | 269..=271 => power_and_heat(view, id, scope),
        29..=31 | 92 | 93 | 142..=145 => memory_repair(view, id),
        94 | 95 | 169 | 173..=183 | 197 | 198 | 228 | 229 => pcie(view, id),
        170..=172 => c2c(view, id, scope),
        184 => Ok(Value::U32(u32::from(
            view.product.architecture.hopper_or_later(),
        ))),
        199 => Ok(Value::U32(u32::from(view.product.mig_query_without_mode))),
        // GPU recovery action: none, or reset after an uncorrected error.
        226 | 227 => Ok(Value::U32(u32::from(remap_pending(view)))),
        230 => Ok(Value::U32(u32::from(remap_pending(view)))),
        _ => Err(Status::NotSupported),
    }
}

/// 1, 2 the mode; 3 to 6 totals; 11, 12 and 22, 23 device memory. The other locations were merged
/// into SRAM on these products.
fn ecc(view: &View, id: u32) -> Result<Value, Status> {
    let ecc = view.gpu().ecc;
    match id {
        1 | 2 => Ok(Value::U32(1)),
        3 | 11 => Ok(Value::U64(ecc.volatile_corrected)),
        4 | 12 => Ok(Value::U64(ecc.volatile_uncorrected)),
        5 | 22 => Ok(Value::U64(ecc.aggregate_corrected)),
        6 | 23 => Ok(Value::U64(ecc.aggregate_uncorrected)),
        _ => Err(Status::NotSupported),
    }
}

/// 170 how many links to the processor; 171 whether one is up and 172 its MB/s, by the link's number as scope.
fn c2c(view: &View, id: u32, scope: u32) -> Result<Value, Status> {
    let links = view.machine.c2c_links(view.index);
    match id {
        170 => Ok(Value::U32(links)),
        _ if scope >= links => Err(Status::InvalidArgument),
        171 => Ok(Value::U32(1)),
        _ => Ok(Value::U32(view.machine.c2c_mbps())),
    }
}

/// 29 to 31, 92, 93 are retired pages, which remapped rows (142 to 145) have replaced.
fn memory_repair(view: &View, id: u32) -> Result<Value, Status> {
    match id {
        142 | 145 => Ok(Value::U32(0)),
        143 => Ok(Value::U32(remapped_rows(view))),
        144 => Ok(Value::U32(u32::from(remap_pending(view)))),
        _ => Err(Status::NotSupported),
    }
}

/// Power in mW, energy in mJ, times in ns; `scope` 0 is the GPU, 2 its memory.
fn power_and_heat(view: &View, id: u32, scope: u32) -> Result<Value, Status> {
    let (gpu, product, now) = (view.gpu(), view.product, view.now_us);
    let signed = |celsius: u32| i32::try_from(celsius).unwrap_or(i32::MAX);
    match id {
        74 => Ok(Value::U64(gpu.capped_us(product, now) * 1_000)),
        75..=79 | 269..=271 => Ok(Value::U64(0)),
        82 => Ok(Value::U32(memory_celsius(view))),
        83 | 191 => Ok(Value::U64(gpu.energy_mj(product, now))),
        185 if scope == 0 => Ok(Value::U32(gpu.mean_power_mw(product))),
        // Memory draws 43 W of 70 when idle and 86 of 629 under load.
        185 if scope == 2 => Ok(Value::U32(gpu.mean_power_mw(product) * 76 / 1_000 + 37_800)),
        186 if scope == 0 => Ok(Value::U32(gpu.power_mw(product, now))),
        187 => Ok(Value::U32(product.power.min_limit_mw)),
        188 | 189 => Ok(Value::U32(product.power.max_limit_mw)),
        190 | 192 => Ok(Value::U32(gpu.settings.power_limit_mw)),
        // Limits as distances from the throttling point: below zero lie slowdown and shutdown.
        193 => Ok(Value::I32(
            signed(product.thermal.limit_c) - signed(product.thermal.shutdown_c),
        )),
        194 => Ok(Value::I32(
            signed(product.thermal.limit_c) - signed(product.thermal.slowdown_c),
        )),
        195 | 196 => Ok(Value::I32(0)),
        _ => Err(Status::NotSupported),
    }
}

fn pcie(view: &View, id: u32) -> Result<Value, Status> {
    let product = view.product;
    match id {
        // Bytes since the machine was made, at the mean rate of the activity so far.
        197 | 198 => {
            let percent = view.gpu().sm_percent(product);
            let busy_us = view.gpu().meter.busy_us(percent, view.now_us);
            let age_us = view.now_us.saturating_sub(view.machine.created_us);
            let (idle_kbps, busy_kbps) = if id == 197 {
                (329, 8_810)
            } else {
                (352, 18_839)
            };
            Ok(Value::U64(
                (age_us * idle_kbps + busy_us * busy_kbps) / 1_000,
            ))
        }
        // Atomics: fetch-add, swap, compare-and-swap of 32 and 64 bits outbound.
        228 => Ok(Value::U32(0x3f)),
        229 => Err(Status::NotSupported),
        _ => Ok(Value::U32(0)),
    }
}

/// Without traffic of its own the simulator has links that are up and free of errors.
fn nvlink(view: &View, id: u32, scope: u32) -> Result<Value, Status> {
    if view.gpu().mig {
        return Err(Status::NotSupported);
    }
    let nvlink = view.product.nvlink;
    let wired = view.machine.wired(view.index);
    match id {
        91 => Ok(Value::U32(nvlink.links)),
        147 => Ok(Value::U32(view.machine.switch_links(view.index))),
        84..=90 | 132..=137 | 164 => Ok(Value::U32(if wired { nvlink.speed_mbps } else { 0 })),
        138..=141 => traffic(view, wired),
        165 => Ok(Value::U32(u32::from(
            view.machine.link_active(view.index, scope)?,
        ))),
        166 => Ok(Value::U32(nvlink.version)),
        167 | 168 => Ok(Value::U32(0)),
        146 => Ok(Value::U32(scope)),
        _ => Ok(Value::U64(0)),
    }
}

/// KiB over all links: activity times a tenth of their speed.
fn traffic(view: &View, wired: bool) -> Result<Value, Status> {
    let nvlink = view.product.nvlink;
    let percent = view.gpu().sm_percent(view.product);
    let busy_us = view.gpu().meter.busy_us(percent, view.now_us);
    let kib_per_ms = u64::from(nvlink.speed_mbps * nvlink.links) / 10;
    Ok(Value::U64(if wired {
        busy_us / 1_000 * kib_per_ms
    } else {
        0
    }))
}
