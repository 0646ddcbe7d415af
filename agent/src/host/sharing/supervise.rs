//! Watching daemons: one that ends is seen at once and started again, beside the owner; one that ends too often rests.

use std::future::Future;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use kerf_partitioner::sharing::{MpsDaemon, MpsServer};
use kerf_types::PciAddress;
use kerf_types::sharing::{DeviceId, Mps, Sharing};

use super::super::{Command, Host};
use super::answers::Answers;
use super::look::{server_name, watchers};
use super::restarts::{Next, Restarts};
use super::start::{Found, Running, find_or_start};
use super::take_over::Remained;
use super::{State, leave};
use crate::errors::chain;

/// News of a daemon. `life` tells of which.
#[derive(Debug)]
pub enum Told {
    /// It has been started, or not.
    Started {
        /// The device.
        device: DeviceId,
        /// The life of its place.
        life: u64,
        /// What there is now.
        found: Found,
    },
    /// It was asked how it is.
    Looked {
        /// The device.
        device: DeviceId,
        /// The life of its place.
        life: u64,
        /// Its servers, or why there is no answer.
        servers: Result<Vec<MpsServer>, String>,
    },
    /// It does not answer, and does not end either.
    Stays {
        /// The device.
        device: DeviceId,
        /// The life of its place.
        life: u64,
        /// Why.
        why: String,
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
    /// It is found out late what an earlier kerfd has left.
    Remained(Remained),
    /// A daemon that nobody is to have any more has ended, or not yet.
    Left {
        /// The life of what is left there.
        life: u64,
        /// Its folder.
        run: PathBuf,
        /// Why not.
        outcome: Result<(), String>,
    },
    /// It is time to try again what of the sharing of a GPU does not stand.
    Resettle {
        /// The GPU.
        gpu: PciAddress,
        /// Which try.
        round: u64,
    },
    /// The driver was told how a GPU is shared, or that it is no longer.
    Set {
        /// The GPU.
        gpu: PciAddress,
        /// Which try.
        round: u64,
        /// What came of it.
        outcome: Result<(), String>,
    },
}

/// What to do about a daemon that does not run.
const HINT: &str = "free shares of it are not given; those who have one lose it when they use it: see its logs under \
                    the state folder, and apply the layout again";

/// Time between two tries to tell a daemon that runs its limits, of which each is a few processes of the vendor's tool.
/// Whatever keeps it from taking them keeps others from its device too, until it is replaced.
const LIMITS_PAUSE: Duration = Duration::from_secs(5);

/// What to do about a daemon that runs with other limits.
const UNLIMITED_HINT: &str = "free shares of it are not given; another takes its place once nobody computes on the device: \
                              see its logs under the state folder";

/// How a daemon is called in `kerf status`.
pub(super) fn name(device: DeviceId) -> String {
    format!("mps daemon of {device}")
}

impl Host {
    /// Takes news of a daemon.
    pub(in crate::host) fn told_of_daemon(&mut self, told: Told) {
        if self.take_told(told) {
            self.publish();
        }
    }

    /// The same without showing it; says whether there is something to show.
    pub(super) fn take_told(&mut self, told: Told) -> bool {
        match told {
            Told::Started {
                device,
                life,
                found,
            } => self.daemon_started(device, life, found),
            Told::Looked {
                device,
                life,
                servers,
            } => return self.looked_at(device, life, servers),
            Told::Stays { device, life, why } => self.useless_stays(device, life, &why),
            Told::Ended {
                device,
                life,
                daemon,
            } => self.daemon_ended(device, life, daemon),
            Told::Again { device, life } => self.start_again(device, life),
            Told::Remained(remained) => self.has_remained(remained),
            Told::Left { run, life, outcome } => self.has_left(&run, life, outcome),
            Told::Resettle { gpu, round } => self.resettle(gpu, round),
            Told::Set {
                gpu,
                round,
                outcome,
            } => self.driver_told(gpu, round, outcome),
        }
        true
    }

    pub(super) fn daemon_started(&mut self, device: DeviceId, life: u64, found: Found) {
        let seats = &self.shared.seats;
        if seats.get(&device).is_none_or(|seat| seat.life != life) {
            return;
        }
        if let Some(daemon) = found.known {
            self.know_daemon(device, daemon);
        }
        match found.running {
            Running::Answers { daemon, servers } => {
                self.daemon_runs(device, daemon, Answers::of(servers));
                tracing::info!(%device, pid = daemon.pid, "mps daemon runs");
                self.recovered(&name(device));
                self.show_fault(device);
            }
            Running::Unlimited { daemon, why } => {
                let pid = daemon.pid;
                let text = format!("process {pid} runs and has not taken its limits: {why}");
                self.degrade(&name(device), text, UNLIMITED_HINT);
                self.daemon_runs(device, daemon, Answers::unlimited(why));
                self.start_later(device, life, LIMITS_PAUSE);
            }
            Running::Silent { daemon, why } => {
                self.daemon_runs(device, daemon, Answers::none(why));
                self.tell_silence(device);
            }
            Running::Not { why } => self.daemon_lost(device, Duration::ZERO, why),
        }
        self.settle_if_whole(device.gpu());
    }

    fn daemon_runs(&mut self, device: DeviceId, daemon: MpsDaemon, answers: Answers) {
        self.know_daemon(device, daemon);
        let (handle, tools) = (&self.handle, &self.shared.tools);
        if let Some(seat) = self.shared.seats.get_mut(&device) {
            let watched = (device, seat.life);
            seat.state = State::Runs {
                daemon,
                since: Instant::now(),
                answers,
                _watchers: watchers(handle, tools, watched, &seat.place, daemon),
            };
        }
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
        let Some(State::Runs {
            daemon,
            since,
            answers,
            ..
        }) = seat
            .filter(|seat| seat.life == life)
            .map(|seat| &seat.state)
        else {
            return;
        };
        if *daemon != ended {
            return;
        }
        let (lived, pid) = (since.elapsed(), daemon.pid);
        let how = match answers.is_silent() {
            true => "did not answer and has ended",
            false => "ended",
        };
        let why = format!("process {pid} {how} after {} s", lived.as_secs());
        self.daemon_lost(device, lived, why);
    }

    /// A daemon is not there: it is started again after a pause, or rests.
    pub(super) fn daemon_lost(&mut self, device: DeviceId, lived: Duration, why: String) {
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
        self.recovered(&server_name(device));
        let text = match next {
            Next::After(pause) => format!("{why}; it is started again in {} ms", pause.as_millis()),
            Next::Rest => format!("{why}; it rests after {count} times in a row"),
        };
        self.events.add("sharing", &device.to_string(), &text);
        self.degrade(&name(device), text, HINT);
        if let Next::After(pause) = next {
            self.start_later(device, life, pause);
        }
    }

    fn start_later(&self, device: DeviceId, life: u64, pause: Duration) {
        self.tell_later(pause, Told::Again { device, life });
    }

    /// Tells the owner after a pause.
    pub(super) fn tell_later(&self, pause: Duration, told: Told) {
        let handle = self.handle.clone();
        tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            handle.tell(Command::Daemon { told }).await;
        });
    }

    /// The pause is over. What runs by now as it should is left alone.
    fn start_again(&mut self, device: DeviceId, life: u64) {
        let state = self.shared.seats.get(&device).map(|seat| &seat.state);
        let is_well =
            state.is_some_and(|state| state.running().is_some() && state.useless().is_none());
        if !is_well {
            self.start_beside(device, life);
        }
    }

    /// Starts a daemon beside the owner.
    pub(super) fn start_beside(&mut self, device: DeviceId, life: u64) {
        if let Some(start) = self.begin_start(device, life) {
            let handle = self.handle.clone();
            tokio::spawn(async move {
                if let Some(told) = start.await {
                    handle.tell(Command::Daemon { told }).await;
                }
            });
        }
    }

    /// What starts a daemon, to be run by whoever takes its news. It has none where the place was given up meanwhile.
    pub(super) fn begin_start(
        &mut self,
        device: DeviceId,
        life: u64,
    ) -> Option<impl Future<Output = Option<Told>> + Send + use<>> {
        let seats = &mut self.shared.seats;
        let seat = seats.get_mut(&device).filter(|seat| seat.life == life)?;
        if self.maintenance.is_some() {
            // The driver is closed; whoever opens it starts what is missing.
            return None;
        }
        seat.state = State::Starting;
        let (place, limits) = (seat.place.clone(), seat.limits);
        let (gate, tools) = (seat.gate.clone(), self.shared.tools.clone());
        Some(async move {
            let held = gate.enter().await;
            let start = tokio::task::spawn_blocking(move || {
                let _held = held;
                // Given up meanwhile: whoever did that waits for nobody any more.
                gate.serves(life)
                    .then(|| find_or_start(&tools, &place, &limits))
            });
            // A start of which nothing is heard is one that failed: else nobody would try again.
            let found = match start.await {
                Ok(found) => found?,
                Err(error) => Found::not(chain(&error)),
            };
            Some(Told::Started {
                device,
                life,
                found,
            })
        })
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
    pub(in crate::host) fn keep_shared(&mut self) {
        let gpus: Vec<_> = self.shared.gpus.clone().into_iter().collect();
        for (gpu, sharing) in gpus {
            let Sharing::Mps(limits) = sharing else {
                continue;
            };
            // What is on its way out is not begun again.
            let ends = self.shared.ends(gpu);
            // A sick GPU is told of elsewhere, and what it holds is not known.
            if !ends && self.gpu(gpu).is_ok_and(|gpu| gpu.health.is_ok()) {
                self.keep_seats(gpu, limits);
            }
        }
    }

    fn keep_seats(&mut self, gpu: PciAddress, limits: Mps) {
        let devices = self.shared_devices(gpu);
        let is_there = |device: &DeviceId, uuid: &str| {
            let mut devices = devices.iter();
            devices.any(|(known, now)| known == device && now == uuid)
        };
        let own = self.shared.seats_of(gpu);
        let gone = own.filter(|(device, seat)| !is_there(device, &seat.place.device));
        for device in gone.map(|(device, _)| device).collect::<Vec<_>>() {
            self.vacate(device, leave::GONE);
        }
        for (device, uuid) in devices {
            if !self.shared.seats.contains_key(&device) {
                self.seat(device, &uuid, limits);
                let life = self.shared.lives;
                self.start_beside(device, life);
            }
        }
        // What was missing may be gone.
        self.settle_if_whole(gpu);
    }
}
