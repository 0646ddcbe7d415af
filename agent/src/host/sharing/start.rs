//! Starting and ending a daemon while somebody waits: the owner, and with it everybody else. So it waits for a short
//! while only, whatever the vendor's tools do.

use std::time::Duration;

use kerf_partitioner::sharing::{
    LAST_MOMENT, MpsDaemon, MpsPlace, MpsServer, MpsState, SharingError, Tools,
};
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
    Answers {
        /// The process.
        daemon: MpsDaemon,
        /// Its servers.
        servers: Vec<MpsServer>,
    },
    /// One runs, and has not taken its limits.
    Unlimited {
        /// The process.
        daemon: MpsDaemon,
        /// Why.
        why: String,
    },
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

    /// It was started, so it has no servers.
    fn started(daemon: MpsDaemon) -> Self {
        let servers = Vec::new();
        Self {
            known: None,
            running: Running::Answers { daemon, servers },
        }
    }

    /// It could not be had as it should be. Whatever runs there all the same is what there is: nobody starts a second one.
    fn failed(known: Option<MpsDaemon>, error: &SharingError) -> Self {
        let why = chain(error);
        let (alive, error) = match error {
            SharingError::Unusable { daemon, cause, .. } => (Some(*daemon), cause.as_ref()),
            error => (known, error),
        };
        let running = match alive.filter(MpsDaemon::is_alive) {
            Some(daemon) if error.is_silence() => Running::Silent { daemon, why },
            Some(daemon) => Running::Unlimited { daemon, why },
            None => Running::Not { why },
        };
        Self { known, running }
    }
}

/// The daemon of a place, told its limits: one that an earlier kerfd has started and not told is told now. Where there is
/// none it is started.
pub(super) fn find_or_start(tools: &Tools, place: &MpsPlace, limits: &Mps) -> Found {
    let mut known = None;
    let found = tools.mps_find(place).and_then(|there| {
        known = there;
        let Some(daemon) = there else {
            return tools.mps_start(place, limits).map(Found::started);
        };
        let MpsState { servers, .. } = tools.mps_adopt(place, &daemon, limits)?;
        let running = Running::Answers { daemon, servers };
        Ok(Found { known, running })
    });
    found.unwrap_or_else(|error| Found::failed(known, &error))
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
                let old = tools.mps_find(place)?;
                let ended = old.map_or(Ok(()), |old| tools.mps_stop(place, &old));
                let started = ended.and_then(|()| tools.mps_start(place, &limits));
                Ok(started.map_err(|error| (old, error)))
            },
        );
        match started.await {
            Ok(Ok(daemon)) => {
                self.daemon_started(device, life, Found::started(daemon));
                Ok(())
            }
            Ok(Err((old, error))) => self.not_started(device, old, error),
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

    /// Nobody starts it again: whoever asked is told, and decides. A daemon that runs all the same is watched.
    fn not_started(
        &mut self,
        device: DeviceId,
        old: Option<MpsDaemon>,
        error: SharingError,
    ) -> Result<(), HostError> {
        let seat = self.shared.seats.get_mut(&device);
        let Some((life, state)) = seat.map(|seat| (seat.life, &mut seat.state)) else {
            return Err(refused(&device.to_string(), error));
        };
        let found = Found::failed(old, &error);
        match found.running {
            Running::Not { why } => *state = State::Resting { why },
            _ => self.daemon_started(device, life, found),
        }
        Err(refused(&device.to_string(), error))
    }

    /// Ends the daemon of a device, which must have no clients, and gives its place up.
    pub(super) async fn stop_now(&mut self, device: DeviceId) -> Result<(), HostError> {
        let Some(seat) = self.shared.seats.get(&device) else {
            return Ok(());
        };
        let (life, place, gate) = (seat.life, seat.place.clone(), seat.gate.clone());
        let last = seat.last;
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
                    leave::clear(tools, place);
                    Ok(())
                }
                None => leave::end(tools, place, last),
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

#[cfg(test)]
mod tests;
