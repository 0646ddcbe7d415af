//! Series of whole GPUs.
//!
//! A GPU that is lost or does not answer keeps its info, its health and the age of its last sample; its
//! sensors have no series until it answers again, because an old value would look like a new one.

use kerf_types::inventory::{Architecture, PcieLink};
use kerf_types::sample::GpuSample;
use kerf_types::{Health, MigMode};

use crate::families::{Family, gpu as families, slice as slice_families};
use crate::page::{Page, Value};
use crate::snapshot::GpuEntry;

use super::rows::{GpuRow, Rows};

/// What a family of sensor values takes from a sample; `None` is explained by `kerf_unsupported_info`.
type Sensor = (&'static Family, fn(&GpuSample) -> Option<Value>);

/// The sensors of a GPU.
static SENSORS: [Sensor; 15] = [
    (&families::TEMPERATURE, |s| real(s.temperature_celsius)),
    (&families::MEMORY_TEMPERATURE, |s| {
        real(s.memory_temperature_celsius)
    }),
    (&families::POWER, |s| real(s.power_watts)),
    (&families::POWER_LIMIT, |s| real(s.power_limit_watts)),
    (&families::ENERGY, |s| real(s.energy_joules)),
    (&families::SM_CLOCK, |s| real(s.sm_clock_hertz)),
    (&families::MEMORY_CLOCK, |s| real(s.memory_clock_hertz)),
    (&families::UTILIZATION, |s| real(s.utilization_ratio)),
    (&families::MEMORY_UTILIZATION, |s| {
        real(s.memory_utilization_ratio)
    }),
    (&families::SM_ACTIVITY, |s| real(s.sm_activity_ratio)),
    (&families::MEMORY_USED, |s| s.memory_used.map(Value::from)),
    (&families::MEMORY_TOTAL, |s| s.memory_total.map(Value::from)),
    (&families::ECC_CORRECTED, |s| {
        s.ecc_corrected.map(Value::from)
    }),
    (&families::ECC_UNCORRECTED, |s| {
        s.ecc_uncorrected.map(Value::from)
    }),
    (&families::PCIE_REPLAYS, |s| s.pcie_replays.map(Value::from)),
];

fn real(value: Option<f64>) -> Option<Value> {
    value.and_then(|value| Value::from(value).finite())
}

/// NVML's bits of `nvmlDeviceGetCurrentClocksEventReasons` (nvml.h, `nvmlClocksEventReason…`).
const CLOCK_EVENTS: [(u64, &str); 9] = [
    (0x001, "gpu_idle"),
    (0x002, "applications_clocks_setting"),
    (0x004, "sw_power_cap"),
    (0x008, "hw_slowdown"),
    (0x010, "sync_boost"),
    (0x020, "sw_thermal_slowdown"),
    (0x040, "hw_thermal_slowdown"),
    (0x080, "hw_power_brake_slowdown"),
    (0x100, "display_clock_setting"),
];

/// Writes the families of GPUs, and `kerf_unsupported_info` for GPUs and slices.
pub(super) fn write(rows: &Rows<'_>, page: &mut Page) {
    let gpus = &rows.gpus;
    identity(gpus, page);
    modes(gpus, page);
    for (family, read) in &SENSORS {
        each(page, family, gpus, |entry| {
            entry.live_sample().and_then(read)
        });
    }
    clock_events(gpus, page);
    each(page, &families::PROCESSES, gpus, |entry| {
        let processes = entry.live_sample()?.processes.len();
        u64::try_from(processes).ok().map(Value::from)
    });
    links(gpus, page);
    each(page, &families::SAMPLE_CALLS, gpus, |entry| {
        entry.live_cost().map(|cost| cost.calls.into())
    });
    each(page, &families::SAMPLE_DURATION, gpus, |entry| {
        let cost = entry.live_cost()?;
        Some((cost.microseconds as f64 / 1e6).into())
    });
    unsupported(rows, page);
}

fn each(
    page: &mut Page,
    family: &'static Family,
    gpus: &[GpuRow<'_>],
    read: impl Fn(&GpuEntry) -> Option<Value>,
) {
    page.family(family, |samples| {
        for row in gpus {
            samples.add_some(&row.labels, read(row.entry));
        }
    });
}

fn identity(gpus: &[GpuRow<'_>], page: &mut Page) {
    page.family(&families::INFO, |samples| {
        for GpuRow { entry, labels } in gpus {
            let labels = labels
                .with("index", entry.index)
                .with("pci", entry.pci)
                .with("minor", entry.minor)
                .with("name", &entry.name)
                .with("architecture", architecture(entry.architecture))
                .with_some("numa_node", entry.numa_node);
            samples.add(&labels, true);
        }
    });
    each(page, &families::HEALTH, gpus, |entry| {
        Some(match entry.health {
            Health::Ok => 0_u32.into(),
            Health::Xid { .. } => 1_u32.into(),
            Health::Unresponsive { .. } => 2_u32.into(),
            Health::Lost { .. } => 3_u32.into(),
            Health::ResetRequired { .. } => 4_u32.into(),
            Health::Maintenance { .. } => 5_u32.into(),
        })
    });
    each(page, &families::HEALTH_SINCE, gpus, |entry| {
        match entry.health {
            Health::Ok => None,
            Health::Xid { since, .. }
            | Health::Unresponsive { since, .. }
            | Health::Lost { since }
            | Health::ResetRequired { since }
            | Health::Maintenance { since } => Some(since.into()),
        }
    });
    each(page, &families::LAST_XID, gpus, |entry| {
        let sample = entry.sample.as_ref()?;
        sample.last_xid.map(Value::from)
    });
}

fn architecture(architecture: Architecture) -> String {
    match architecture {
        Architecture::Ampere => "ampere".to_owned(),
        Architecture::Hopper => "hopper".to_owned(),
        Architecture::Blackwell => "blackwell".to_owned(),
        Architecture::Other(number) => format!("nvml-{number}"),
    }
}

fn modes(gpus: &[GpuRow<'_>], page: &mut Page) {
    let mode = |entry: &GpuEntry| {
        let known = entry.answers() && entry.mig_mode != MigMode::Unsupported;
        known.then_some(entry.mig_mode)
    };
    each(page, &families::MIG_ENABLED, gpus, |entry| {
        mode(entry).map(|mode| mode.is_on().into())
    });
    each(page, &families::MIG_CHANGE_PENDING, gpus, |entry| {
        let pending = |mode| matches!(mode, MigMode::EnablePending | MigMode::DisablePending);
        mode(entry).map(|mode| pending(mode).into())
    });
}

fn clock_events(gpus: &[GpuRow<'_>], page: &mut Page) {
    page.family(&families::CLOCK_EVENT, |samples| {
        for GpuRow { entry, labels } in gpus {
            let Some(bits) = entry.live_sample().and_then(|s| s.clock_event_reasons) else {
                continue;
            };
            let mut unknown = bits;
            for (bit, reason) in CLOCK_EVENTS {
                samples.add(&labels.with("reason", reason), bits & bit != 0);
                unknown &= !bit;
            }
            samples.add(&labels.with("reason", "other"), unknown != 0);
        }
    });
}

/// What a family takes from a PCIe link.
type PcieFact = (&'static Family, fn(&PcieLink) -> u32);

fn links(gpus: &[GpuRow<'_>], page: &mut Page) {
    let pcie: [PcieFact; 4] = [
        (&families::PCIE_GENERATION, |link| link.current_generation),
        (&families::PCIE_MAX_GENERATION, |link| link.max_generation),
        (&families::PCIE_WIDTH, |link| link.current_width),
        (&families::PCIE_MAX_WIDTH, |link| link.max_width),
    ];
    for (family, read) in pcie {
        each(page, family, gpus, |entry| {
            let value = read(&entry.pcie.filter(|_| entry.answers())?);
            // No link has no lanes: a zero is what was not told.
            (value != 0).then(|| value.into())
        });
    }
    let nvlinks = |entry: &GpuEntry| entry.nvlinks.filter(|_| entry.answers());
    each(page, &families::NVLINKS, gpus, |entry| {
        nvlinks(entry).map(|links| links.total.into())
    });
    each(page, &families::NVLINKS_ACTIVE, gpus, |entry| {
        nvlinks(entry).map(|links| links.active.into())
    });
}

/// Names every family that a sample was taken for and the driver gave no value of.
fn unsupported(rows: &Rows<'_>, page: &mut Page) {
    page.family(&families::UNSUPPORTED, |samples| {
        for GpuRow { entry, labels } in &rows.gpus {
            let Some(sample) = entry.live_sample() else {
                continue;
            };
            let mut absent: Vec<&str> = SENSORS
                .iter()
                .filter(|(_, read)| read(sample).is_none())
                .map(|(family, _)| family.name)
                .collect();
            if sample.clock_event_reasons.is_none() {
                absent.push(families::CLOCK_EVENT.name);
            }
            for family in absent {
                samples.add(&labels.with("family", family), true);
            }
        }
        for row in &rows.slices {
            let Some(reading) = row.reading else { continue };
            let memory = row.shows_memory;
            let told = [
                (
                    slice_families::MEMORY_USED.name,
                    !memory || reading.memory_used.is_some(),
                ),
                (
                    slice_families::MEMORY_TOTAL.name,
                    !memory || reading.memory_total.is_some(),
                ),
                (
                    slice_families::SM_ACTIVITY.name,
                    real(reading.sm_activity_ratio).is_some(),
                ),
            ];
            for (family, _) in told.into_iter().filter(|(_, told)| !told) {
                samples.add(&row.labels.with("family", family), true);
            }
        }
    });
}
