//! Starting and ending a daemon while somebody waits: the owner, and with it everybody else. So it waits for a short
//! while only, whatever the vendor's tools do.

use std::time::Duration;

use kerf_partitioner::sharing::{LAST_MOMENT, MpsDaemon, MpsPlace, SharingError, Tools};
use kerf_types::sharing::{DeviceId, Mps};

use super::super::{Host, HostError};
use super::gate::Gate;
use super::{State, leave, refused};
use crate::errors::chain;

/// How long the owner waits for a daemon to be started or ended, or for a time slice to be set. Healthy tools take tenths
/// of a second on a loaded machine. Whatever needs longer holds up leases of every other GPU.
pub(super) const OWNER_PATIENCE: Duration = Duration::from_secs(4);

/// Past [`OWNER_PATIENCE`] two processes may be waited for that were asked to end, and what is told of them comes back;
/// who comes back later than that is not waited for at all.
const BOUND: Duration = OWNER_PATIENCE.saturating_add(LAST_MOMENT.saturating_mul(3));

/// What there is in the place of a daemon after a try to have one.
#[derive(Debug)]
pub struct Found {
    /// The daemon that was there before.
    pub known: Option<MpsDaemon>,
    /// What there is now.
    pub running: Running,
}

/// How a daemon is after a try to have one.
#[derive(Debug)]
pub enum Running {
    /// It runs with its limits.
    Answers(MpsDaemon),
    /// One runs, and nobody knows its limits.
    Silent {
        /// The process.
        daemon: MpsDaemon,
        /// Why.
        why: String,
    },
    /// There is none that could be used.
    Not {
        /// Why.
        why: String,
    },
}

impl Found {
    /// Nothing is known of the place.
    pub fn not(why: String) -> Self {
        let running = Running::Not { why };
        Self {
            known: None,
            running,
        }
    }

    /// It was started.
    fn started(daemon: MpsDaemon) -> Self {
        Self {
            known: None,
            running: Running::Answers(daemon),
        }
    }
}

/// The daemon of a place, told its limits: one that an earlier kerfd has started and not told is told now. Where there is
/// none it is started.
pub(super) fn find_or_start(
    tools: &Tools,
    device: DeviceId,
    place: &MpsPlace,
    limits: &Mps,
) -> Found {
    let not = |known, error| Found {
        known,
        running: Running::Not {
            why: told(device, error),
        },
    };
    let known = match tools.mps_find(place) {
        Ok(known) => known,
        Err(error) => return not(None, error),
    };
    let Some(daemon) = known else {
        return match tools.mps_start(place, limits) {
            Ok(daemon) => Found::started(daemon),
            Err(error) => not(None, error),
        };
    };
    let running = match tools.mps_limit(place, limits) {
        Ok(()) => Running::Answers(daemon),
        Err(error) if error.is_silence() => Running::Silent {
            daemon,
            why: told(device, error),
        },
        Err(error) => return not(known, error),
    };
    Found { known, running }
}

impl Host {
    /// Starts the daemon of a device while its requester waits.
    pub(super) async fn start_now(&mut self, device: DeviceId) -> Result<(), HostError> {
        let Some(seat) = self.shared.seats.get(&device) else {
            return Ok(());
        };
        let (life, limits) = (seat.life, seat.limits);
        let (place, gate) = (seat.place.clone(), seat.gate.clone());
        let tools = self.shared.tools.clone();
        let started = on_daemon(
            tools.within(OWNER_PATIENCE),
            place,
            gate,
            move |tools, place| {
                // What lies in a place of ours and should not is of an earlier kerfd, with other limits.
                if let Some(old) = tools.mps_find(place)? {
                    tools.mps_stop(place, &old)?;
                }
                tools.mps_start(place, &limits)
            },
        );
        match started.await {
            Ok(daemon) => {
                self.daemon_started(device, life, Found::started(daemon));
                Ok(())
            }
            Err(error) => {
                // Nobody starts it again: whoever asked is told, and decides.
                if let Some(seat) = self.shared.seats.get_mut(&device) {
                    let why = chain(&error);
                    seat.state = State::Resting { why };
                }
                Err(error)
            }
        }
    }

    /// Ends the daemon of a device, which must have no clients, and gives its place up.
    pub(super) async fn stop_now(&mut self, device: DeviceId) -> Result<(), HostError> {
        let Some(seat) = self.shared.seats.get(&device) else {
            return Ok(());
        };
        let (life, place, gate) = (seat.life, seat.place.clone(), seat.gate.clone());
        // It says nothing of its clients: the device does.
        let silent = seat.state.silent();
        // Where somebody is on the device its servers are looked at, and it is not asked once more in vain.
        let patience = match silent {
            Some(_) => Duration::ZERO,
            None => OWNER_PATIENCE,
        };
        let silent = silent.filter(|_| self.is_idle(device));
        gate.close();
        let tools = self.shared.tools.clone();
        let stopped = on_daemon(
            tools.within(patience),
            place,
            gate.clone(),
            move |tools, place| match silent {
                Some(daemon) => {
                    tools.mps_end_silent(place, &daemon)?;
                    leave::clear(place);
                    Ok(())
                }
                None => leave::end(tools, place),
            },
        );
        if let Err(error) = stopped.await {
            gate.open(life);
            self.could_not_stop(device, life, &error);
            return Err(in_use(device, error));
        }
        self.shared.seats.remove(&device);
        self.recovered(&super::supervise::name(device));
        self.recovered(&super::look::server_name(device));
        Ok(())
    }

    /// The place stays as it was; one that has not answered is not waited for a second time.
    fn could_not_stop(&mut self, device: DeviceId, life: u64, error: &HostError) {
        let HostError::Sharing { source, .. } = error else {
            return;
        };
        match source.as_ref() {
            SharingError::ClientsUnknown { .. }
            | SharingError::RunsOn { .. }
            | SharingError::Held { .. }
            | SharingError::Hangs { .. } => self.is_silent_now(device, chain(source)),
            _ => {}
        }
        // Who was to start it has found the place given up.
        let seat = self.shared.seats.get(&device);
        if seat.is_some_and(|seat| matches!(seat.state, State::Starting)) {
            self.start_beside(device, life);
        }
    }

    /// Makes a place for the daemon of a device, in its present life.
    pub(super) fn seat(&mut self, device: DeviceId, uuid: &str, limits: Mps) {
        self.shared.lives += 1;
        let (life, place) = (self.shared.lives, self.place_of(uuid));
        // Whoever works on the daemon of this very place goes on holding its gate, and what was seen there stays known.
        let known = self.shared.seats.remove(&device);
        let known = known.filter(|seat| seat.place.device == uuid);
        let left = self.take_back(&place.run);
        let (last, gate) = match (known, left) {
            (Some(seat), _) => (seat.last, seat.gate),
            (None, Some(left)) => (left.last, left.gate),
            (None, None) => (None, Gate::default()),
        };
        gate.open(life);
        let seat = super::Seat {
            place,
            limits,
            life,
            state: State::Starting,
            last,
            restarts: super::Restarts::default(),
            gate,
        };
        self.shared.seats.insert(device, seat);
    }
}

/// Has the vendor's tools, which have a limit for all of it, work on a daemon while the owner waits. What goes on after
/// that goes on beside it.
async fn on_daemon<T: Send + 'static>(
    tools: Tools,
    place: MpsPlace,
    gate: Gate,
    work: impl FnOnce(&Tools, &MpsPlace) -> Result<T, SharingError> + Send + 'static,
) -> Result<T, HostError> {
    let device = place.device.clone();
    let all = async move {
        let held = gate.enter().await;
        let working = tokio::task::spawn_blocking(move || {
            let _held = held;
            work(&tools, &place)
        });
        working.await
    };
    match tokio::time::timeout(BOUND, all).await {
        Ok(Ok(outcome)) => outcome.map_err(|source| refused(&device, source)),
        Ok(Err(_)) => Err(HostError::Ended),
        Err(_) => {
            let held = SharingError::Held {
                device: device.clone(),
                within: BOUND,
            };
            Err(refused(&device, held))
        }
    }
}

/// A daemon with clients is in use, like a slice that somebody has.
fn in_use(device: DeviceId, error: HostError) -> HostError {
    let HostError::Sharing { source, .. } = &error else {
        return error;
    };
    match source.as_ref() {
        SharingError::InUse { clients, .. } => HostError::DaemonInUse {
            device: device.to_string(),
            pid: clients.first().copied().unwrap_or(0),
        },
        _ => error,
    }
}

/// What a tool says of a device, in words.
pub(super) fn told(device: DeviceId, source: SharingError) -> String {
    chain(&refused(&device.to_string(), source))
}
