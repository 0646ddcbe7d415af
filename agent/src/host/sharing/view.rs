//! What is told of shared devices: to the planner, to readers, and to those who ask for a share.

use std::collections::BTreeMap;

use kerf_partitioner::sharing::ServerStatus;
use kerf_planner::Usage;
use kerf_planner::host::SharedGpu;
use kerf_types::lease::Lease;
use kerf_types::sharing::{DeviceId, Sharing};

use super::super::Host;
use super::{Shared, State};

/// How a GPU is shared, and how its devices do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedView {
    /// How.
    pub sharing: Sharing,
    /// Whether all of it stands.
    pub settled: bool,
    /// Its devices: the GPU as a whole, or each of its slices.
    pub devices: BTreeMap<DeviceId, StateView>,
}

/// How a shared device does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateView {
    /// UUID.
    pub uuid: String,
    /// Why no place is given now.
    pub obstacle: Option<String>,
    /// Process of its daemon.
    pub daemon: Option<u32>,
    /// Processes of its clients as its daemon has said last; nothing where it has not said.
    pub clients: Option<Vec<u32>>,
    /// How the server of its daemon is, where it has one.
    pub server: Option<ServerStatus>,
}

/// Who has which place on which device.
pub fn taken<'a>(
    leases: impl Iterator<Item = &'a Lease>,
) -> BTreeMap<DeviceId, BTreeMap<u32, &'a Lease>> {
    let mut taken: BTreeMap<DeviceId, BTreeMap<u32, &Lease>> = BTreeMap::new();
    for lease in leases {
        for subject in &lease.subjects {
            if let Some(share) = subject.share() {
                let places = taken.entry(subject.device()).or_default();
                places.insert(share.index, lease);
            }
        }
    }
    taken
}

impl SharedView {
    /// Whether two pictures offer the same: clients that come and go make no place free.
    pub fn is_same_offer(
        one: &BTreeMap<kerf_types::PciAddress, Self>,
        other: &BTreeMap<kerf_types::PciAddress, Self>,
    ) -> bool {
        let offer = |view: &Self| {
            let devices = view.devices.iter();
            let devices = devices.map(|(device, state)| {
                let state = (state.uuid.clone(), state.obstacle.clone(), state.daemon);
                (*device, state)
            });
            let devices: BTreeMap<DeviceId, _> = devices.collect();
            (view.sharing, view.settled, devices)
        };
        let mut pairs = one.iter().zip(other);
        one.len() == other.len()
            && pairs.all(|((gpu, view), (known, seen))| gpu == known && offer(view) == offer(seen))
    }

    /// Adds to what the planner knows of users how a GPU is shared.
    pub fn note<'a>(
        shared: &BTreeMap<kerf_types::PciAddress, Self>,
        leases: impl Iterator<Item = &'a Lease>,
        usage: &mut Usage,
    ) {
        let taken = taken(leases);
        for (gpu, view) in shared {
            let mut known = SharedGpu::new(view.sharing);
            known.settled = view.settled;
            for (device, places) in taken.iter().filter(|(device, _)| device.gpu() == *gpu) {
                known
                    .taken
                    .insert(*device, places.keys().copied().collect());
            }
            for (device, state) in &view.devices {
                let obstacle = state.obstacle.clone();
                known.resting.extend(obstacle.map(|why| (*device, why)));
            }
            usage.shared.insert(*gpu, known);
        }
    }
}

impl Host {
    /// The picture of what is shared.
    pub(in crate::host) fn shared_view(&self) -> BTreeMap<kerf_types::PciAddress, SharedView> {
        let one = |(gpu, sharing): (&kerf_types::PciAddress, &Sharing)| {
            let devices = self.shared_devices(*gpu).into_iter();
            let devices = devices.map(|(device, uuid)| {
                let state = device_view(&self.shared, *sharing, device, uuid);
                (device, state)
            });
            let view = SharedView {
                sharing: *sharing,
                settled: !self.shared.unsettled.contains_key(gpu),
                devices: devices.collect(),
            };
            (*gpu, view)
        };
        self.shared.gpus.iter().map(one).collect()
    }
}

fn device_view(shared: &Shared, sharing: Sharing, device: DeviceId, uuid: String) -> StateView {
    let mut view = StateView {
        uuid,
        obstacle: None,
        daemon: None,
        clients: None,
        server: None,
    };
    if shared.ends(device.gpu()) {
        view.obstacle = Some("its sharing is being ended".to_owned());
    }
    if let Sharing::TimeSlice(_) = sharing {
        return view;
    }
    let seat = shared.seats.get(&device);
    // The daemon of an earlier life of the place serves nobody in this one.
    let state = seat
        .filter(|seat| seat.place.device == view.uuid)
        .map(|seat| &seat.state);
    if let Some((daemon, answers)) = state.and_then(State::running) {
        view.daemon = Some(daemon.pid);
        view.clients = answers.clients();
        view.server = answers.server();
    }
    let obstacle = state.unwrap_or(&State::Starting).obstacle();
    view.obstacle = view.obstacle.or(obstacle);
    view
}
