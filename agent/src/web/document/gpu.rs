//! GPUs with what lies on them.

use kerf_api::json::web::{Gpu, Slice, Whole};
use kerf_types::lease::{LeaseState, SliceState};
use kerf_types::profile::cdi_name;

use super::work::Holders;
use crate::host::view::whole_gpu_lease;
use crate::host::{HostView, SliceView};

/// Every GPU.
pub(super) fn gpus(view: &HostView, holders: &Holders) -> Vec<Gpu> {
    let one = |gpu: &kerf_types::Gpu| {
        let own = view.slices.iter().filter(|slice| slice.id.gpu == gpu.pci);
        let mut slices: Vec<Slice> = own.map(|own| slice(own, holders)).collect();
        slices.sort_by_key(|slice| slice.placement.start);
        let up = gpu.nvlinks.iter().filter(|link| link.active);
        Gpu {
            index: gpu.index,
            uuid: gpu.uuid.to_string(),
            pci: gpu.pci.to_string(),
            name: gpu.name.clone(),
            memory_bytes: gpu.memory.0,
            numa_node: gpu.numa_node,
            pcie: (&gpu.pcie).into(),
            nvlinks: count(gpu.nvlinks.len()),
            nvlinks_active: count(up.count()),
            mig_mode: gpu.mig_mode.into(),
            health: (&gpu.health).into(),
            units: units(gpu),
            whole: whole(view, gpu, holders),
            slices,
            processes: count(gpu.processes.len()),
        }
    };
    view.inventory.gpus.iter().map(one).collect()
}

/// The grid ends where the last legal place ends, or the last instance where the driver names no places.
fn units(gpu: &kerf_types::Gpu) -> Option<u8> {
    let places = gpu.profiles.iter().flat_map(|profile| &profile.placements);
    let instances = gpu.instances.iter().map(|instance| &instance.placement);
    places.chain(instances).map(|place| place.end()).max()
}

fn whole(view: &HostView, gpu: &kerf_types::Gpu, holders: &Holders) -> Option<Whole> {
    let lease = whole_gpu_lease(view.leases.iter(), gpu);
    if lease.is_none() && gpu.mig_mode.is_on() {
        return None;
    }
    let (state, reason) = match lease.map(|lease| lease.state) {
        Some(LeaseState::Reserved) => (SliceState::Reserved, None),
        Some(LeaseState::Active) => (SliceState::Leased, None),
        Some(LeaseState::Releasing) => {
            let why = "its container has ended and it is being made clean";
            (SliceState::Draining, Some(why.to_owned()))
        }
        None if !gpu.health.is_ok() => (SliceState::Quarantined, Some("it is not well".to_owned())),
        None if view.vgpus.on(gpu.pci).is_some() => {
            let names = view.vgpus.on(gpu.pci).unwrap_or_default().iter();
            let names: Vec<&str> = names.map(|one| one.name.as_str()).collect();
            let why = format!("it carries {}", names.join(", "));
            (SliceState::Quarantined, Some(why))
        }
        None => match gpu.processes.first() {
            Some(process) => {
                let why = format!("process {} uses it without a lease", process.pid);
                (SliceState::Quarantined, Some(why))
            }
            None => (SliceState::Free, None),
        },
    };
    Some(Whole {
        state: state.as_str().to_owned(),
        reason,
        lease: lease.map(|lease| lease.id.to_string()),
        holder: lease.map(|lease| holders.of(lease)),
    })
}

fn slice(view: &SliceView, holders: &Holders) -> Slice {
    let id = view.id.to_string();
    Slice {
        profile: view.profile.as_ref().map(ToString::to_string),
        placement: view.id.placement.into(),
        memory_bytes: view.memory_bytes,
        sm_count: view.sm_count,
        gi: view.instance.id.0,
        uuid: view.device().map(|(_, uuid)| uuid.to_string()),
        state: view.state.as_str().to_owned(),
        reason: view.reason.clone(),
        lease: view.lease.as_ref().map(|lease| lease.id.to_string()),
        holder: view.lease.as_ref().map(|lease| holders.of(lease)),
        cdi_name: cdi_name("slice", &id),
        id,
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
