//! Beginning of kerfd: what an earlier one shared is taken over as it runs, and made whole where it does not.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::sync::Arc;

use kerf_partitioner::sharing::{MpsDaemon, MpsPlace, SharingError};
use kerf_types::PciAddress;
use kerf_types::sharing::{DeviceId, Interval, Mps, Sharing};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use super::super::{Host, HostError};
use super::{State, apart, refused};
use crate::errors::chain;

/// Name of the entry about a GPU of whose sharing it is not known that all stands.
fn settings(gpu: PciAddress) -> String {
    format!("sharing of GPU {gpu}")
}

/// The daemon that was found, and what became of telling it its limits, or of starting one.
type TakenOver = (Option<MpsDaemon>, Result<MpsDaemon, SharingError>);

impl Host {
    /// Before anything is announced: finds the daemons that run, starts those that are missing, and sets what a
    /// driver may have forgotten. What does not work is told, and no share of it is given.
    pub(in crate::host) async fn take_over_shared(&mut self) {
        // Nothing is asked of a driver that somebody works on.
        if self.maintenance.is_some() {
            return;
        }
        let gpus: Vec<_> = self.shared.gpus.clone().into_iter().collect();
        let mut set_up = Vec::new();
        for (gpu, sharing) in gpus {
            match self.set_up(gpu, sharing).await {
                Ok(()) => set_up.push(gpu),
                Err(error) => self.is_unsettled(gpu, chain(&error)),
            }
            if let Sharing::Mps(limits) = sharing {
                for (device, uuid) in self.shared_devices(gpu) {
                    self.seat(device, &uuid, limits);
                }
            }
        }
        let mut found = JoinSet::new();
        for (device, seat) in &self.shared.seats {
            let (device, place, limits) = (*device, seat.place.clone(), seat.limits);
            let (tools, gate) = (self.shared.tools.clone(), seat.gate.clone());
            found.spawn(async move {
                let uuid = place.device.clone();
                // A start that is under way comes first, and is found then.
                let _held = gate.lock().await;
                let running = apart(&uuid, move || {
                    let found = tools.mps_find(&place)?;
                    let running = match found {
                        // One that was started and not yet told its limits when a kerfd died is told now.
                        Some(daemon) => tools.mps_limit(&place, &limits).map(|()| daemon),
                        None => tools.mps_start(&place, &limits),
                    };
                    Ok((found, running))
                });
                (device, running.await)
            });
        }
        let asked: Vec<DeviceId> = self.shared.seats.keys().copied().collect();
        while let Some(outcome) = found.join_next().await {
            if let Ok((device, outcome)) = outcome {
                self.took_over(device, outcome);
            }
        }
        // All were asked: of one that still starts nothing is heard any more.
        for device in asked {
            let seat = self.shared.seats.get(&device);
            if let Some(seat) = seat.filter(|seat| matches!(seat.state, State::Starting)) {
                let why = "its start was cut off".to_owned();
                self.daemon_started(device, seat.life, Err(why));
            }
        }
        for gpu in set_up {
            self.settle_taken_over(gpu);
        }
    }

    /// What was begun before is whole once its settings are set and all its daemons run.
    fn settle_taken_over(&mut self, gpu: PciAddress) {
        if !self.shared.unsettled.contains(&gpu) {
            return;
        }
        let mut seats = self.shared.seats.iter();
        let stands = |seat: &super::Seat| matches!(seat.state, State::Ready { .. });
        if !seats.all(|(device, seat)| device.gpu() != gpu || stands(seat)) {
            self.is_unsettled(gpu, "its mps daemons do not all run".to_owned());
        } else if let Err(error) = self.is_settled(gpu) {
            self.is_unsettled(gpu, chain(&error));
        }
    }

    /// All of it stands, or it is over.
    pub(super) fn is_settled(&mut self, gpu: PciAddress) -> Result<(), HostError> {
        self.shared.unsettled.remove(&gpu);
        if let Err(error) = self.save_shared() {
            self.shared.unsettled.insert(gpu);
            return Err(error);
        }
        self.recovered(&settings(gpu));
        // Written anew, the record is whole.
        self.recovered(super::RECORD);
        Ok(())
    }

    /// It is not known that all of it stands: the next layout that wants it so begins it anew.
    pub(super) fn is_unsettled(&mut self, gpu: PciAddress, why: String) {
        self.shared.unsettled.insert(gpu);
        if let Err(error) = self.save_shared() {
            let error = chain(&error);
            tracing::warn!(gpu.pci = %gpu, error, "half-begun sharing is not written down");
        }
        let hint = "its shares may not work as they should; apply its layout again";
        self.degrade(&settings(gpu), why, hint);
    }

    /// Before the driver is closed for work on these GPUs: their daemons end, if nobody is on them. What is shared
    /// stays so, and is there again when the driver is.
    pub(in crate::host) async fn suspend_shared(
        &mut self,
        gpus: &BTreeSet<PciAddress>,
    ) -> Result<(), HostError> {
        let seats = self.shared.seats.keys();
        let own = seats.filter(|device| gpus.contains(&device.gpu()));
        for device in own.copied().collect::<Vec<DeviceId>>() {
            self.stop_now(device).await?;
        }
        Ok(())
    }

    /// Refuses where somebody is on a daemon of these GPUs, or of any. One that does not say is asked when it shall end.
    pub(in crate::host) async fn refuse_if_on_daemons(
        &mut self,
        gpus: Option<&BTreeSet<PciAddress>>,
    ) -> Result<(), HostError> {
        for (device, seat) in &self.shared.seats {
            let is_meant = gpus.is_none_or(|gpus| gpus.contains(&device.gpu()));
            if !is_meant || !matches!(seat.state, State::Ready { .. }) {
                continue;
            }
            let (tools, place) = (self.shared.tools.clone(), seat.place.clone());
            let uuid = place.device.clone();
            let state = apart(&uuid, move || tools.mps_state(&place)).await;
            if let Some(pid) = state.ok().and_then(|state| state.clients().next()) {
                let device = device.to_string();
                return Err(HostError::DaemonInUse { device, pid });
            }
        }
        Ok(())
    }

    fn took_over(&mut self, device: DeviceId, outcome: Result<TakenOver, HostError>) {
        let Some(life) = self.shared.seats.get(&device).map(|seat| seat.life) else {
            return;
        };
        match outcome {
            Ok((found, running)) => {
                if let Some(daemon) = found {
                    self.know_daemon(device, daemon);
                }
                let running = running.map_err(|error| told(device, error));
                self.daemon_started(device, life, running);
            }
            Err(error) => self.daemon_started(device, life, Err(chain(&error))),
        }
    }

    /// Sets what the driver is told of a shared GPU as a whole.
    pub(super) async fn set_up(
        &mut self,
        gpu: PciAddress,
        sharing: Sharing,
    ) -> Result<(), HostError> {
        self.set_driver(gpu, sharing, true).await
    }

    /// Undoes it.
    pub(super) async fn set_back(
        &mut self,
        gpu: PciAddress,
        sharing: Sharing,
    ) -> Result<(), HostError> {
        self.set_driver(gpu, sharing, false).await
    }

    async fn set_driver(
        &mut self,
        gpu: PciAddress,
        sharing: Sharing,
        is_shared: bool,
    ) -> Result<(), HostError> {
        let live = self.gpu(gpu)?;
        let (uuid, is_whole) = (live.uuid.to_string(), !live.mig_mode.is_on());
        match sharing {
            Sharing::TimeSlice(slices) => {
                let (tools, name) = (self.shared.tools.clone(), uuid.clone());
                let interval = match is_shared {
                    true => slices.interval,
                    false => Interval::Default,
                };
                apart(&uuid, move || tools.time_slice_set(&name, interval)).await
            }
            // With MIG a GPU keeps the mode that it has: the driver takes no other.
            Sharing::Mps(_) if is_whole => self.set_exclusive(gpu, is_shared).await,
            Sharing::Mps(_) => Ok(()),
        }
    }

    async fn set_exclusive(&mut self, gpu: PciAddress, exclusive: bool) -> Result<(), HostError> {
        let set = self.hardware.set_exclusive(gpu, exclusive).await;
        set.map_err(|source| HostError::ComputeMode {
            gpu,
            after: Box::default(),
            source,
        })
    }

    /// Starts the daemon of a device while its requester waits.
    pub(super) async fn start_now(&mut self, device: DeviceId) -> Result<(), HostError> {
        let Some(seat) = self.shared.seats.get(&device) else {
            return Ok(());
        };
        let (life, place, limits) = (seat.life, seat.place.clone(), seat.limits);
        let (tools, gate) = (self.shared.tools.clone(), seat.gate.clone());
        let guard = gate.lock().await;
        let uuid = place.device.clone();
        let started = apart(&uuid, move || {
            // What lies in a place of ours and should not is of an earlier kerfd, with other limits.
            if let Some(old) = tools.mps_find(&place)? {
                tools.mps_stop(&place, &old)?;
            }
            tools.mps_start(&place, &limits)
        })
        .await;
        drop(guard);
        match started {
            Ok(daemon) => {
                self.daemon_started(device, life, Ok(daemon));
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
        let (place, gate) = (seat.place.clone(), seat.gate.clone());
        let tools = self.shared.tools.clone();
        let uuid = place.device.clone();
        let mut open = gate.lock().await;
        let stopped = apart(&uuid, move || {
            if let Some(daemon) = tools.mps_find(&place)? {
                tools.mps_stop(&place, &daemon)?;
            }
            clear(&place);
            Ok(())
        });
        stopped.await.map_err(|error| in_use(device, error))?;
        *open = false;
        drop(open);
        self.shared.seats.remove(&device);
        self.recovered(&super::supervise::name(device));
        Ok(())
    }

    /// Makes a place for the daemon of a device, in its present life.
    pub(super) fn seat(&mut self, device: DeviceId, uuid: &str, limits: Mps) {
        self.shared.lives += 1;
        // Whoever works on the daemon of this very place goes on holding its gate, and what was seen there stays known.
        let known = self.shared.seats.remove(&device);
        let known = known.filter(|seat| seat.place.device == uuid);
        let (last, gate) = match known {
            Some(seat) => (seat.last, seat.gate),
            None => (None, Arc::new(Mutex::new(true))),
        };
        let seat = super::Seat {
            place: self.place_of(uuid),
            limits,
            life: self.shared.lives,
            state: State::Starting,
            last,
            restarts: super::Restarts::default(),
            gate,
        };
        self.shared.seats.insert(device, seat);
    }
}

/// Takes away what a daemon that has ended leaves in its place: sockets that nobody answers. Its logs stay.
pub(super) fn clear(place: &MpsPlace) {
    match std::fs::remove_dir_all(&place.run) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            let path = place.run.display();
            tracing::warn!(%path, %error, "folder of an ended daemon remains");
        }
        _ => {}
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
