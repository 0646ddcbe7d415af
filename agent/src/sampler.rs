//! The sampling loop: reads every GPU's sensors once per interval and publishes one rendered page.
//!
//! A scrape never comes near the driver; and when the driver hangs, the page still says how everything else is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kerf_partitioner::sharing::ServerStatus;
use kerf_telemetry::snapshot::{
    DriverFacts, GpuEntry, HostFacts, JobFacts, LeaseEntry, MpsEntry, ProcessFacts, SliceEntry,
    StoreFacts,
};
use kerf_telemetry::{Exporter, Snapshot};
use kerf_types::sample::{GpuSample, SampleCost};
use kerf_types::{Bytes, CiId, DeviceId, Gpu, GpuUuid, Health, MigUuid, Sharing, Timestamp};
use procfs::{Current, CurrentSI};
use tokio::sync::watch;

use crate::hardware::Hardware;
use crate::host::{Degraded, HostHandle, HostView, SliceView, StateView, gpu_name, now};
use crate::usage::Scene;

/// What the loop works with.
#[derive(Debug)]
pub struct Sampler {
    /// The way to the hardware.
    pub hardware: Arc<Hardware>,
    /// Pictures of the host.
    pub host: HostHandle,
    /// How jobs are.
    pub jobs: watch::Receiver<JobFacts>,
    /// Where pages go.
    pub exporter: Arc<Exporter>,
    /// Time between two readings.
    pub interval: Duration,
    /// Whether names may be labels.
    pub allow_names: bool,
}

/// The last reading of a GPU that succeeded.
#[derive(Debug, Clone)]
struct Reading {
    sample: GpuSample,
    cost: SampleCost,
    /// Whether no try has failed since. An old reading is kept all the same: its age is what shows how
    /// long a GPU has not been heard of.
    fresh: bool,
}

type Readings = BTreeMap<GpuUuid, Reading>;

impl Sampler {
    /// Runs until the task is dropped. Readings and pages have a beat of their own each, so that a reading
    /// that waits for a hung driver does not hold up the page.
    pub async fn run(self) {
        let (sender, readings) = watch::channel(Readings::new());
        let reading = self.read(&sender);
        let publishing = self.publish(&readings);
        tokio::join!(reading, publishing);
    }

    async fn read(&self, readings: &watch::Sender<Readings>) {
        let mut tick = tokio::time::interval(self.interval);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            let view = self.host.view();
            let gpus = &view.inventory.gpus;
            readings.send_modify(|all| {
                all.retain(|uuid, _| gpus.iter().any(|gpu| gpu.uuid == *uuid));
            });
            // Nobody asks a driver that somebody works on: an old reading only grows older.
            let asked = gpus.iter().filter(|gpu| !is_in_maintenance(gpu));
            for gpu in asked {
                match self.hardware.sample(gpu.pci).await {
                    Ok((sample, cost)) => {
                        self.exporter.own().samples.inc(["ok"]);
                        let scene = Scene {
                            gpu,
                            slices: &view.slices,
                            leases: &view.leases,
                        };
                        self.host.ledger().add(scene, &sample, Instant::now());
                        let fresh = true;
                        let reading = Reading {
                            sample,
                            cost,
                            fresh,
                        };
                        readings.send_modify(|all| drop(all.insert(gpu.uuid.clone(), reading)));
                    }
                    Err(error) => {
                        self.exporter.own().samples.inc(["failed"]);
                        tracing::debug!(gpu.uuid = %gpu.uuid, %error, "sample failed");
                        readings.send_modify(|all| {
                            if let Some(last) = all.get_mut(&gpu.uuid) {
                                last.fresh = false;
                            }
                        });
                    }
                }
            }
        }
    }

    async fn publish(&self, readings: &watch::Receiver<Readings>) {
        let mut tick = tokio::time::interval(self.interval);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut views = self.host.watch();
        let mut readings = readings.clone();
        let mut beats = 0_u64;
        loop {
            // A change of the host is shown at once: a slice that has gone must not be in the next scrape. So is
            // each reading of the first beat: whoever scrapes a kerfd that has just started waits for no second.
            tokio::select! {
                _ = tick.tick() => beats += 1,
                changed = views.changed() => if changed.is_err() { return },
                changed = readings.changed(), if beats == 1 => if changed.is_err() { return },
            }
            let view = self.host.view();
            let snapshot = self.snapshot(&view, &readings.borrow_and_update());
            // Rendering and compressing a large page takes milliseconds. A task that waits for this thread
            // meanwhile could be the one that answers a scrape.
            let exporter = Arc::clone(&self.exporter);
            let published = tokio::task::spawn_blocking(move || exporter.publish(&snapshot));
            if let Err(error) = published.await {
                tracing::error!(%error, "page not published");
            }
        }
    }

    fn snapshot(&self, view: &HostView, readings: &Readings) -> Snapshot {
        let pool = self.hardware.status();
        let gpus = view.inventory.gpus.iter().map(|gpu| {
            let entry = GpuEntry::new(gpu);
            match readings.get(&gpu.uuid).cloned() {
                Some(last) => entry.with_reading(last.sample, last.cost, last.fresh),
                None => entry,
            }
        });
        Snapshot {
            taken: now(),
            kerf_version: env!("CARGO_PKG_VERSION").to_owned(),
            allow_names: self.allow_names,
            host: host_facts(view),
            gpus: gpus.collect(),
            slices: view.slices.iter().flat_map(slice_entries).collect(),
            mps: mps_entries(view),
            leases: view.leases.iter().map(LeaseEntry::from).collect(),
            jobs: self.jobs.borrow().clone(),
            driver: DriverFacts {
                driver: view.inventory.driver.clone(),
                unresponsive: pool.driver_hangs,
                abandoned_workers: u64::try_from(pool.stuck).unwrap_or(u64::MAX),
            },
            store: StoreFacts {
                epoch: Some(u64::from(view.epoch)),
                corrupt: view.degraded.contains_key("state store"),
                disk_full: view.degraded.iter().any(is_full_disk),
            },
            process: process_facts(),
            notes: notes(view, pool.driver_hangs),
        }
    }
}

fn is_in_maintenance(gpu: &Gpu) -> bool {
    matches!(gpu.health, Health::Maintenance { .. })
}

fn is_full_disk((what, degraded): (&String, &Degraded)) -> bool {
    ["store", "state store"].contains(&what.as_str()) && degraded.why.contains("full")
}

/// What is not well and follows from nothing else in the snapshot: a thing that is told twice is counted
/// twice in `kerf_degraded_reasons` and on `/readyz`.
fn notes(view: &HostView, driver_hangs: bool) -> Vec<String> {
    let sick = view
        .inventory
        .gpus
        .iter()
        .filter(|gpu| !gpu.health.is_ok())
        .map(|gpu| gpu_name(gpu.index, gpu.pci));
    let sick: BTreeSet<String> = sick.collect();
    let told = |what: &String, degraded: &Degraded| {
        sick.contains(what)
            || (what == "driver" && driver_hangs)
            || what == "state store"
            || is_full_disk((what, degraded))
    };
    let entries = view.degraded.iter();
    entries
        .filter(|(what, degraded)| !told(what, degraded))
        .map(|(what, degraded)| format!("{what}: {}", degraded.why))
        .collect()
}

/// One entry for each compute instance of a slice; one without it where there is none, so that a GPU
/// instance that somebody made half is counted as well.
fn slice_entries(slice: &SliceView) -> Vec<SliceEntry> {
    let entry = |device: Option<(CiId, MigUuid)>| {
        let (ci, uuid) = device.unzip();
        SliceEntry {
            gpu: slice.parent.clone(),
            gi: slice.instance.id,
            ci,
            uuid,
            generation: slice.generation,
            profile: slice.profile.clone(),
            placement: slice.id.placement,
            state: slice.state,
            sm_count: Some(slice.sm_count),
        }
    };
    let compute = &slice.instance.compute;
    if compute.is_empty() {
        return vec![entry(None)];
    }
    let devices = compute.iter().map(|one| (one.id, one.uuid.clone()));
    devices.map(|device| entry(Some(device))).collect()
}

/// Every device that is shared by MPS.
fn mps_entries(view: &HostView) -> Vec<MpsEntry> {
    let shared = view.shared.iter();
    let by_mps = shared.filter(|(_, shared)| matches!(shared.sharing, Sharing::Mps(_)));
    let entries = by_mps.filter_map(|(pci, shared)| {
        let mut gpus = view.inventory.gpus.iter();
        let gpu = &gpus.find(|gpu| gpu.pci == *pci)?.uuid;
        let one = |(device, state): (&DeviceId, &StateView)| MpsEntry {
            gpu: gpu.clone(),
            mig: match device {
                DeviceId::Gpu(_) => None,
                DeviceId::Slice(_) => state.uuid.parse().ok(),
            },
            is_ready: state.obstacle.is_none(),
            clients: state.clients.as_ref().map(|clients| count(clients.len())),
            is_fault: state
                .clients
                .as_ref()
                .map(|_| state.server == Some(ServerStatus::Fault)),
        };
        Some(shared.devices.iter().map(one).collect::<Vec<_>>())
    });
    entries.flatten().collect()
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// Facts of the host, from the real `/proc`; what cannot be read is left out.
fn host_facts(view: &HostView) -> HostFacts {
    let load = procfs::LoadAverage::current().ok();
    let memory = procfs::Meminfo::current().ok();
    let booted = procfs::KernelStats::current().ok().map(|stats| stats.btime);
    HostFacts {
        hostname: view.inventory.host.clone(),
        boot_id: Some(crate::process::boot_id()),
        kernel: std::fs::read_to_string("/proc/sys/kernel/osrelease")
            .ok()
            .map(|text| text.trim().to_owned()),
        booted: booted.map(|seconds| Timestamp(seconds.saturating_mul(1_000))),
        load: load.map(|load| [load.one, load.five, load.fifteen].map(hundredths)),
        cpus: std::thread::available_parallelism()
            .ok()
            .and_then(|count| u32::try_from(count.get()).ok()),
        memory_total: memory.as_ref().map(|memory| Bytes(memory.mem_total)),
        memory_available: memory.and_then(|memory| memory.mem_available).map(Bytes),
        inventory_problems: u64::try_from(view.inventory.problems.len()).unwrap_or(u64::MAX),
    }
}

/// The kernel gives loads with two decimals; a single widened to a double would show more.
fn hundredths(load: f32) -> f64 {
    (f64::from(load) * 100.0).round() / 100.0
}

/// Facts of kerfd's own process.
fn process_facts() -> ProcessFacts {
    let Ok(process) = procfs::process::Process::myself() else {
        return ProcessFacts::default();
    };
    let stat = process.stat().ok();
    let limits = process.limits().ok();
    let ticks = procfs::ticks_per_second();
    let seconds = |ticks_used: u64| {
        // Ticks of a process fit a double exactly for millions of years.
        #[expect(clippy::cast_precision_loss, reason = "see above")]
        let (used, per_second) = (ticks_used as f64, ticks as f64);
        used / per_second
    };
    let booted = procfs::KernelStats::current().ok().map(|stats| stats.btime);
    ProcessFacts {
        cpu_seconds: stat.as_ref().map(|stat| seconds(stat.utime + stat.stime)),
        resident: stat
            .as_ref()
            .map(|stat| Bytes(stat.rss * procfs::page_size())),
        open_fds: process
            .fd_count()
            .ok()
            .and_then(|count| u64::try_from(count).ok()),
        max_fds: limits.and_then(|limits| match limits.max_open_files.soft_limit {
            procfs::process::LimitValue::Value(value) => Some(value),
            procfs::process::LimitValue::Unlimited => None,
        }),
        threads: stat
            .as_ref()
            .and_then(|stat| u64::try_from(stat.num_threads).ok()),
        started: stat.zip(booted).map(|(stat, booted)| {
            Timestamp((booted + stat.starttime / ticks).saturating_mul(1_000))
        }),
    }
}
