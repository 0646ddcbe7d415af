//! Shared devices as messages of the API.

use kerf_api::v1;
use kerf_planner::host::SharingChange;
use kerf_types::{DeviceId, PciAddress};

use super::documents::{self, holder_text};
use crate::host::{HostView, SharedView, StateView, taken};

/// The slices of the host, and what of it is shared.
pub fn slices(view: &HostView) -> v1::ListSlicesResponse {
    let slices = view.slices.iter();
    let slices = slices.map(|slice| documents::slice(slice, &view.shared));
    v1::ListSlicesResponse {
        slices: slices.collect(),
        shared: all(view),
    }
}

/// Every GPU that is shared.
fn all(view: &HostView) -> Vec<v1::SharedGpu> {
    let shared = view.shared.iter();
    shared
        .map(|(pci, shared)| one(view, *pci, shared))
        .collect()
}

fn one(view: &HostView, pci: PciAddress, shared: &SharedView) -> v1::SharedGpu {
    let mut gpus = view.inventory.gpus.iter();
    let gpu = gpus.find(|gpu| gpu.pci == pci);
    let taken = taken(view.leases.iter());
    let device = |(device, state): (&DeviceId, &StateView)| {
        let places = taken.get(device).into_iter().flatten();
        let places = places.map(|(index, lease)| v1::TakenShare {
            index: *index,
            lease: lease.id.to_string(),
            holder: holder_text(lease),
        });
        let obstacle = state.obstacle.clone();
        v1::SharedDevice {
            slice: match device {
                DeviceId::Gpu(_) => String::new(),
                DeviceId::Slice(slice) => slice.to_string(),
            },
            uuid: state.uuid.clone(),
            state: obstacle.unwrap_or_else(|| "ready".to_owned()),
            daemon_pid: state.daemon,
            taken: places.collect(),
            clients: state.clients.clone().map(|pids| v1::MpsClients { pids }),
            server: state
                .server
                .map(|server| server.to_string())
                .unwrap_or_default(),
        }
    };
    v1::SharedGpu {
        index: gpu.map_or(0, |gpu| gpu.index),
        pci: pci.to_string(),
        uuid: gpu.map(|gpu| gpu.uuid.to_string()).unwrap_or_default(),
        sharing: Some(shared.sharing.into()),
        devices: shared.devices.iter().map(device).collect(),
    }
}

/// What a plan does to the sharing of a GPU.
pub fn plan(change: &SharingChange) -> v1::SharingPlan {
    v1::SharingPlan {
        index: change.gpu.index,
        pci: change.gpu.pci.to_string(),
        from: change.from.map(Into::into),
        to: change.to.map(Into::into),
    }
}
