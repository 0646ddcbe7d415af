//! What is told of shared devices: to the planner, to readers, and to those who ask for a share.

use std::collections::BTreeMap;

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
                settled: !self.shared.unsettled.contains(gpu),
                devices: devices.collect(),
            };
            (*gpu, view)
        };
        self.shared.gpus.iter().map(one).collect()
    }
}

fn device_view(shared: &Shared, sharing: Sharing, device: DeviceId, uuid: String) -> StateView {
    if let Sharing::TimeSlice(_) = sharing {
        return StateView {
            uuid,
            obstacle: None,
            daemon: None,
        };
    }
    let seat = shared.seats.get(&device);
    // The daemon of an earlier life of the place serves nobody in this one.
    let seat = seat.filter(|seat| seat.place.device == uuid);
    let daemon = seat.and_then(|seat| match &seat.state {
        State::Ready { daemon, .. } => Some(daemon.pid),
        _ => None,
    });
    let obstacle = match seat {
        Some(seat) => seat.state.obstacle(),
        None => State::Starting.obstacle(),
    };
    StateView {
        uuid,
        obstacle,
        daemon,
    }
}
