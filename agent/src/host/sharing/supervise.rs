//! Watching daemons: one that ends is seen at once and started again, beside the owner; one that ends too often rests.

use std::time::{Duration, Instant};

use kerf_partitioner::sharing::MpsDaemon;
use kerf_types::lease::InitProcess;
use kerf_types::sharing::{DeviceId, Sharing};

use super::super::{Command, Host, HostHandle};
use super::State;
use super::restarts::{Next, Restarts};
use super::start::told;
use crate::errors::chain;
use crate::process;

/// News of a daemon. `life` tells of which.
#[derive(Debug)]
pub enum Told {
    /// It has been started, or not.
    Started {
        /// The device.
        device: DeviceId,
        /// The life of its place.
        life: u64,
        /// The process, or why there is none.
        outcome: Result<MpsDaemon, String>,
    },
    /// It has ended.
    Ended {
        /// The device.
        device: DeviceId,
        /// The life of its place.
        life: u64,
        /// The process.
        daemon: MpsDaemon,
    },
    /// The pause is over.
    Again {
        /// The device.
        device: DeviceId,
        /// The life of its place.
        life: u64,
    },
}

/// What to do about a daemon that does not run.
const HINT: &str = "free shares of it are not given; those who have one lose it when they use it: see its logs under \
                    the state folder, and apply the layout again";

/// How a daemon is called in `kerf status`.
pub(super) fn name(device: DeviceId) -> String {
    format!("mps daemon of {device}")
}

impl Host {
    /// Takes news of a daemon.
    pub(in crate::host) fn told_of_daemon(&mut self, told: Told) {
        match told {
            Told::Started {
                device,
                life,
                outcome,
            } => self.daemon_started(device, life, outcome),
            Told::Ended {
                device,
                life,
                daemon,
            } => self.daemon_ended(device, life, daemon),
            Told::Again { device, life } => self.start_beside(device, life),
        }
        self.publish();
    }

    pub(super) fn daemon_started(
        &mut self,
        device: DeviceId,
        life: u64,
        outcome: Result<MpsDaemon, String>,
    ) {
        let seats = &mut self.shared.seats;
        let Some(seat) = seats.get_mut(&device).filter(|seat| seat.life == life) else {
            return;
        };
        let daemon = match outcome {
            Ok(daemon) => daemon,
            Err(why) => return self.daemon_lost(device, Duration::ZERO, why),
        };
        let since = Instant::now();
        seat.state = State::Ready { daemon, since };
        self.know_daemon(device, daemon);
        tracing::info!(%device, pid = daemon.pid, "mps daemon runs");
        self.recovered(&name(device));
        tokio::spawn(watch(self.handle.clone(), device, life, daemon));
    }

    /// A daemon is ours from now on, and so it was when its GPU was looked at: it and its server are nobody's use.
    pub(super) fn know_daemon(&mut self, device: DeviceId, daemon: MpsDaemon) {
        if let Some(seat) = self.shared.seats.get_mut(&device) {
            seat.last = Some(daemon);
        }
        let mut gpus = self.inventory.gpus.iter_mut();
        if let Some(gpu) = gpus.find(|gpu| gpu.pci == device.gpu()) {
            self.shared.without_own(gpu);
        }
    }

    fn daemon_ended(&mut self, device: DeviceId, life: u64, ended: MpsDaemon) {
        let seat = self.shared.seats.get(&device);
        let Some(State::Ready { daemon, since }) = seat
            .filter(|seat| seat.life == life)
            .map(|seat| &seat.state)
        else {
            return;
        };
        if *daemon != ended {
            return;
        }
        let (lived, pid) = (since.elapsed(), daemon.pid);
        let why = format!("process {pid} ended after {} s", lived.as_secs());
        self.daemon_lost(device, lived, why);
    }

    /// A daemon is not there: it is started again after a pause, or rests.
    fn daemon_lost(&mut self, device: DeviceId, lived: Duration, why: String) {
        let Some(seat) = self.shared.seats.get_mut(&device) else {
            return;
        };
        let life = seat.life;
        let next = seat.restarts.ended(lived);
        let count = seat.restarts.count();
        seat.state = match next {
            Next::After(_) => State::Waiting { why: why.clone() },
            Next::Rest => State::Resting { why: why.clone() },
        };
        tracing::warn!(%device, error = %why, count, "mps daemon ended");
        let text = match next {
            Next::After(pause) => format!("{why}; it is started again in {} ms", pause.as_millis()),
            Next::Rest => format!("{why}; it rests after {count} times in a row"),
        };
        self.events.add("sharing", &device.to_string(), &text);
        self.degrade(&name(device), text, HINT);
        if let Next::After(pause) = next {
            let handle = self.handle.clone();
            tokio::spawn(async move {
                tokio::time::sleep(pause).await;
                let told = Told::Again { device, life };
                handle.tell(Command::Daemon { told }).await;
            });
        }
    }

    /// Starts a daemon beside the owner.
    fn start_beside(&mut self, device: DeviceId, life: u64) {
        let seats = &mut self.shared.seats;
        let Some(seat) = seats.get_mut(&device).filter(|seat| seat.life == life) else {
            return;
        };
        if self.maintenance.is_some() {
            // The driver is closed; whoever opens it starts what is missing.
            return;
        }
        seat.state = State::Starting;
        let (place, limits) = (seat.place.clone(), seat.limits);
        let (gate, tools) = (seat.gate.clone(), self.shared.tools.clone());
        let handle = self.handle.clone();
        tokio::spawn(async move {
            let open = gate.lock().await;
            // Given up meanwhile: whoever did that waits for nobody any more.
            if !*open {
                return;
            }
            let start = move || match tools.mps_find(&place)? {
                Some(daemon) => tools.mps_limit(&place, &limits).map(|()| daemon),
                None => tools.mps_start(&place, &limits),
            };
            // A start of which nothing is heard is one that failed: else nobody would try again.
            let outcome = match tokio::task::spawn_blocking(start).await {
                Ok(outcome) => outcome.map_err(|error| told(device, error)),
                Err(error) => Err(chain(&error)),
            };
            drop(open);
            let told = Told::Started {
                device,
                life,
                outcome,
            };
            handle.tell(Command::Daemon { told }).await;
        });
    }

    /// Somebody has applied a layout: daemons that rest get another chance, as their operator may have mended what was
    /// wrong.
    pub(in crate::host) fn revive_shared(&mut self) {
        let seats = self.shared.seats.iter_mut();
        let mut resting = Vec::new();
        for (device, seat) in seats.filter(|(_, seat)| matches!(seat.state, State::Resting { .. }))
        {
            seat.restarts = Restarts::default();
            resting.push((*device, seat.life));
        }
        for (device, life) in resting {
            self.start_beside(device, life);
        }
    }

    /// With each look: a shared device that is new gets its daemon, and one that went gives its place up.
    pub(in crate::host) async fn keep_shared(&mut self) {
        let gpus: Vec<_> = self.shared.gpus.clone().into_iter().collect();
        let mut due = Vec::new();
        for (gpu, sharing) in gpus {
            let Sharing::Mps(limits) = sharing else {
                continue;
            };
            // A sick GPU is told of elsewhere, and what it holds is not known.
            if !self.gpu(gpu).is_ok_and(|gpu| gpu.health.is_ok()) {
                continue;
            }
            let devices = self.shared_devices(gpu);
            let is_due = |device: &DeviceId, uuid: &str| {
                let seat = self.shared.seats.get(device);
                seat.is_none_or(|seat| seat.place.device != *uuid)
            };
            let fresh = devices.iter().filter(|(device, uuid)| is_due(device, uuid));
            due.extend(fresh.map(|(device, uuid)| (*device, uuid.clone(), limits)));
            let seats = self.shared.seats.keys();
            let own = seats.filter(|device| device.gpu() == gpu).copied();
            let there = |device: &DeviceId| devices.iter().any(|(known, _)| known == device);
            let gone: Vec<DeviceId> = own.filter(|device| !there(device)).collect();
            for device in gone {
                self.vacate(device).await;
            }
        }
        for (device, uuid, limits) in due {
            self.vacate(device).await;
            self.seat(device, &uuid, limits);
            let life = self.shared.lives;
            self.start_beside(device, life);
        }
    }

    /// Ends the daemon of a device that is not there any more. One that cannot be ended has nothing to serve.
    async fn vacate(&mut self, device: DeviceId) {
        if let Err(error) = self.stop_now(device).await {
            let why = chain(&error);
            tracing::warn!(%device, error = %why, "daemon of a device that is gone remains");
            self.shared.seats.remove(&device);
        }
    }
}

/// Tells the owner when a daemon has ended.
async fn watch(handle: HostHandle, device: DeviceId, life: u64, daemon: MpsDaemon) {
    let process = InitProcess {
        pid: daemon.pid,
        start_ticks: daemon.start_ticks,
        boot_id: process::boot_id(),
    };
    process::wait_for(&process).await;
    let told = Told::Ended {
        device,
        life,
        daemon,
    };
    handle.tell(Command::Daemon { told }).await;
}
