//! From what a host knows of its GPUs to what it tells the fleet of them.

use kerf_planner::host::profiles_of;
use kerf_planner::{Usage, Use};
use kerf_types::host_record::{
    GpuHealth, GpuModel, GpuRecord, NvlinkReach, Occupancy, SliceRecord,
};
use kerf_types::inventory::NvLinkRemote;
use kerf_types::{Gpu, GpuInstance, Health, Inventory};

/// The models and GPUs of a record, from the same facts that the owner's planner is given.
pub fn compact(inventory: &Inventory, usage: &Usage) -> (Vec<GpuModel>, Vec<GpuRecord>) {
    let mut models: Vec<GpuModel> = Vec::new();
    let mut gpus = Vec::with_capacity(inventory.gpus.len());
    for gpu in &inventory.gpus {
        let own = model_of(gpu, inventory);
        let model = models
            .iter()
            .position(|known| *known == own)
            .unwrap_or(models.len());
        if model == models.len() {
            models.push(own);
        }
        gpus.push(GpuRecord {
            index: gpu.index,
            pci: gpu.pci,
            model,
            health: health_of(&gpu.health),
            mig_mode: gpu.mig_mode,
            numa_node: gpu.numa_node,
            nvlink: reach_of(gpu, inventory),
            occupancy: occupancy_of(gpu, usage),
            slices: gpu
                .instances
                .iter()
                .map(|one| slice_of(gpu, one, usage))
                .collect(),
        });
    }
    (models, gpus)
}

fn model_of(gpu: &Gpu, inventory: &Inventory) -> GpuModel {
    let mut profiles = profiles_of(gpu, inventory).to_vec();
    profiles.sort_by_key(|profile| profile.id);
    for profile in &mut profiles {
        // Told by instances that come and go; GPUs of one model would look different.
        profile.compute.clear();
    }
    GpuModel {
        name: gpu.name.clone(),
        architecture: gpu.architecture,
        compute_capability: gpu.compute_capability,
        memory: gpu.memory,
        profiles,
    }
}

fn health_of(health: &Health) -> GpuHealth {
    match health {
        Health::Ok => GpuHealth::Ok,
        Health::Lost { .. } => GpuHealth::Lost,
        Health::Unresponsive { .. } => GpuHealth::Unresponsive,
        Health::ResetRequired { .. } => GpuHealth::ResetRequired,
        Health::Xid { code, .. } => GpuHealth::Xid(*code),
        Health::Maintenance { .. } => GpuHealth::Maintenance,
    }
}

fn reach_of(gpu: &Gpu, inventory: &Inventory) -> NvlinkReach {
    let active = || gpu.nvlinks.iter().filter(|link| link.active);
    if active().any(|link| matches!(link.remote, NvLinkRemote::Switch(_))) {
        return NvlinkReach::Switched;
    }
    let index_of = |remote: NvLinkRemote| {
        let NvLinkRemote::Gpu(pci) = remote else {
            return None;
        };
        let mut gpus = inventory.gpus.iter();
        gpus.find(|other| other.pci == pci).map(|other| other.index)
    };
    let mut peers: Vec<u32> = active().filter_map(|link| index_of(link.remote)).collect();
    peers.sort_unstable();
    peers.dedup();
    if peers.is_empty() {
        NvlinkReach::None
    } else {
        NvlinkReach::Gpus(peers)
    }
}

/// Who has the GPU as a whole. One that is shared is given to those alone who ask for a share, and no job does.
/// Processes that are on none of its instances count as somebody unknown.
fn occupancy_of(gpu: &Gpu, usage: &Usage) -> Occupancy {
    // One with vGPUs gives nothing to anybody, as one that is leased.
    if usage.gpus.contains_key(&gpu.pci)
        || usage.vgpus.contains_key(&gpu.pci)
        || usage.shared.contains_key(&gpu.pci)
    {
        return Occupancy::Leased;
    }
    if gpu.processes.iter().any(|process| process.gi.is_none()) {
        return Occupancy::Other;
    }
    Occupancy::Free
}

fn slice_of(gpu: &Gpu, one: &GpuInstance, usage: &Usage) -> SliceRecord {
    let complete = kerf_planner::host::existing(gpu, one, 0, false).complete;
    let mut processes = gpu.processes.iter();
    let mut parts = gpu.slice_ids(one).into_iter();
    let used = parts.find_map(|id| usage.slices.get(&id));
    let occupancy = match used.or_else(|| usage.slices.get(&gpu.slice_id(one))) {
        Some(Use::Leased(_)) => Occupancy::Leased,
        Some(Use::Unknown | Use::Vgpu(_)) => Occupancy::Other,
        Some(Use::Free) | None if !complete => Occupancy::Other,
        Some(Use::Free) | None if processes.any(|process| process.gi == Some(one.id)) => {
            Occupancy::Other
        }
        Some(Use::Free) | None => Occupancy::Free,
    };
    SliceRecord {
        profile: one.profile,
        placement: one.placement,
        occupancy,
    }
}
