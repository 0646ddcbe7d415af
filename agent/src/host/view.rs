//! What the host looks like: an immutable picture that readers share, made anew after each change.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use kerf_partitioner::topology;
use kerf_planner::{Usage, Use};
use kerf_types::inventory::GpuProcess;
use kerf_types::lease::{Lease, SliceState, Subject};
use kerf_types::{
    CiId, ComputeInstance, Gpu, GpuInstance, GpuUuid, HostMap, Inventory, LeasedDevice, MigUuid,
    PciAddress, ProfileName, SliceId, Timestamp,
};

use super::layout::Sight;
use super::maintenance::Maintenance;
use super::moved;
use super::recover::STARTING;
use super::sharing::SharedView;
use super::vgpu::{Shown, VgpuUses};
use crate::config::GpuLabels;

/// One picture of the host.
#[derive(Debug, Clone)]
pub struct HostView {
    /// What is there.
    pub inventory: Inventory,
    /// See [`HostView::whole`]; empty in a new picture, unless it is of the same inventory as the one before.
    pub whole: OnceLock<Arc<HostMap>>,
    /// What of it is not known.
    pub sight: Sight,
    /// Every slice.
    pub slices: Vec<SliceView>,
    /// Every lease, oldest first.
    pub leases: Vec<Lease>,
    /// Whose hardware vGPUs have.
    pub vgpus: VgpuUses,
    /// Every GPU with its vGPUs and kerf's records of them.
    pub vgpu_gpus: Arc<Vec<Shown>>,
    /// When all that have some answered last; `None` before that.
    pub vgpus_looked: Option<Timestamp>,
    /// GPUs that are shared, or whose slices are.
    pub shared: BTreeMap<PciAddress, SharedView>,
    /// What is not well, by what it concerns.
    pub degraded: BTreeMap<String, Degraded>,
    /// Labels of GPUs, for layouts.
    pub gpu_labels: GpuLabels,
    /// Generation of the host's layout.
    pub generation: u64,
    /// Epoch of the store.
    pub epoch: u16,
    /// Whether new launches are refused because kerfd is about to end.
    pub draining: bool,
    /// What is in maintenance, with the driver closed.
    pub maintenance: Option<Maintenance>,
    /// GPUs that are drained for maintenance.
    pub held: BTreeSet<PciAddress>,
    /// Grows when something changes that may let a waiting ask succeed: leases, instances, health.
    pub capacity: u64,
}

impl HostView {
    /// The map with what drivers' libraries know, worked out for the first who asks: few of the pictures are asked.
    pub fn whole(&self) -> &Arc<HostMap> {
        let whole = || Arc::new(topology::whole(&self.inventory));
        self.whole.get_or_init(whole)
    }

    /// Why nothing can be granted yet, as long as the hardware is being looked at for the first time.
    pub fn first_look(&self) -> Option<&str> {
        self.degraded.get(STARTING).map(|entry| entry.why.as_str())
    }
}

/// Something that is not well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Degraded {
    /// Why.
    pub why: String,
    /// What to do about it.
    pub hint: String,
    /// When it was first seen.
    pub since: Timestamp,
}

/// One slice as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SliceView {
    /// Stable name of its place.
    pub id: SliceId,
    /// NVML index of its GPU.
    pub gpu_index: u32,
    /// UUID of its GPU.
    pub parent: GpuUuid,
    /// Profile; `None` where the driver lists an instance of a profile that it does not describe.
    pub profile: Option<ProfileName>,
    /// Memory as the profile says; the parts of one instance share it.
    pub memory_bytes: u64,
    /// Streaming multiprocessors.
    pub sm_count: u32,
    /// The GPU instance; for a part of one, with that compute instance alone.
    pub instance: GpuInstance,
    /// State.
    pub state: SliceState,
    /// Why it is draining or quarantined.
    pub reason: Option<String>,
    /// The lease on it, with its holder.
    pub lease: Option<Lease>,
    /// Whether nobody uses it, so that a plan may destroy it: one beside a vGPU is, and is given to nobody.
    pub is_idle: bool,
    /// Which life of its place it is, counted by this kerfd from 1: a driver may give a slice that is made
    /// again the ids and the UUID of the one before.
    pub generation: u64,
}

/// The lives of each place: the MIG device that is there now, and how many there have been.
#[derive(Debug, Clone, Default)]
pub struct Lives(BTreeMap<SliceId, (Option<MigUuid>, u64)>);

impl Lives {
    /// Takes note of what is on a GPU now.
    pub fn note(&mut self, gpu: &Gpu) {
        for (id, (living, _)) in &mut self.0 {
            let mut instances = gpu.instances.iter();
            if id.gpu == gpu.pci && !instances.any(|one| is_at(one, *id)) {
                *living = None;
            }
        }
        for instance in &gpu.instances {
            for (id, compute) in gpu.slice_ids(instance).into_iter().zip(&instance.compute) {
                let uuid = &compute.uuid;
                let (living, count) = self.0.entry(id).or_default();
                if living.as_ref() != Some(uuid) {
                    *living = Some(uuid.clone());
                    *count += 1;
                }
            }
        }
    }

    fn count(&self, id: SliceId) -> u64 {
        self.0.get(&id).map_or(0, |(_, count)| *count)
    }
}

/// Whether an instance, or a part of it, lies at the place.
fn is_at(instance: &GpuInstance, id: SliceId) -> bool {
    let mut parts = instance.compute.iter();
    instance.placement == id.placement
        && match id.compute {
            None => !instance.is_divided(),
            part => parts.any(|one| one.placement == part),
        }
}

/// An instance as the holder of one of its compute instances sees it: nothing of the siblings.
pub fn with_only(instance: &GpuInstance, compute: &ComputeInstance) -> GpuInstance {
    GpuInstance {
        compute: vec![compute.clone()],
        ..instance.clone()
    }
}

impl SliceView {
    /// The compute instance and MIG device, where the slice has exactly one.
    pub fn device(&self) -> Option<(CiId, &MigUuid)> {
        match self.instance.compute.as_slice() {
            [only] => Some((only.id, &only.uuid)),
            _ => None,
        }
    }
}

/// Who uses what, in the planner's words.
pub fn usage<'a>(
    inventory: &Inventory,
    slices: &[SliceView],
    shared: &BTreeMap<PciAddress, SharedView>,
    leases: impl Iterator<Item = &'a Lease> + Clone,
    vgpus: &VgpuUses,
) -> Usage {
    let mut usage = Usage {
        vgpus: vgpus.words().collect(),
        ..Usage::default()
    };
    for slice in slices {
        let vgpu = vgpus.in_instance(slice.id.gpu, &slice.instance);
        let used = match (vgpu, &slice.lease) {
            (Some(vgpu), _) => Use::Vgpu(vgpu.words.clone()),
            (None, Some(lease)) => Use::Leased(lease.holder.to_string()),
            (None, None) if slice.is_idle => continue,
            // A slice without its compute instance is nobody's: a plan may mend or remove it.
            (None, None) if slice.instance.compute.is_empty() => continue,
            (None, None) => Use::Unknown,
        };
        usage.slices.insert(slice.id, used);
    }
    for gpu in &inventory.gpus {
        if let Some(lease) = whole_gpu_lease(leases.clone(), gpu) {
            usage.gpus.insert(gpu.pci, lease.holder.to_string());
        }
    }
    for lease in leases.clone() {
        // An AMD GPU keeps its modes while a lease is on it or on a part of it.
        for pci in lease.devices.iter().filter_map(LeasedDevice::accelerator) {
            usage.gpus.insert(pci, lease.holder.to_string());
        }
    }
    SharedView::note(shared, leases, &mut usage);
    usage
}

/// The slices that an inventory shows, each with the state that follows from the leases.
pub fn slices<'a>(
    inventory: &Inventory,
    lives: &Lives,
    leases: impl Iterator<Item = &'a Lease> + Clone,
    vgpus: &VgpuUses,
) -> Vec<SliceView> {
    let mut views = Vec::new();
    for gpu in &inventory.gpus {
        for instance in &gpu.instances {
            let ids = gpu.slice_ids(instance).into_iter();
            if instance.is_divided() {
                let parts = ids.zip(&instance.compute);
                let parts = parts.map(|(id, one)| (id, with_only(instance, one)));
                views.extend(parts.map(|(id, part)| slice(gpu, id, part, lives, leases.clone())));
            } else {
                let whole = ids.map(|id| slice(gpu, id, instance.clone(), lives, leases.clone()));
                views.extend(whole);
            }
        }
    }
    for view in &mut views {
        keep_back(view, vgpus);
    }
    views
}

/// A slice that nobody has is still given to nobody where a vGPU is on its GPU: the driver may put the next one into
/// any free instance.
fn keep_back(slice: &mut SliceView, vgpus: &VgpuUses) {
    let Some(on_gpu) = vgpus.on(slice.id.gpu) else {
        return;
    };
    let carried = vgpus.in_instance(slice.id.gpu, &slice.instance);
    slice.is_idle &= carried.is_none();
    if slice.lease.is_none() {
        let names = || {
            let names = on_gpu.iter().map(|one| one.name.as_str());
            names.collect::<Vec<&str>>().join(", ")
        };
        slice.state = SliceState::Quarantined;
        slice.reason = Some(match carried {
            Some(vgpu) => format!("it carries {}", vgpu.name),
            None => format!("its GPU carries {}", names()),
        });
    }
}

fn slice<'a>(
    gpu: &Gpu,
    id: SliceId,
    instance: GpuInstance,
    lives: &Lives,
    mut leases: impl Iterator<Item = &'a Lease>,
) -> SliceView {
    let lease = leases.find(|lease| covers(lease, gpu, id)).cloned();
    let (state, reason) = state_of(gpu, id, &instance, lease.as_ref());
    let profile = gpu.profile(instance.profile);
    let part = id.compute.map(|part| part.size);
    let sm_count = profile.map_or(0, |profile| match part {
        None => profile.sm_count,
        Some(slices) => {
            let parts = profile.parts();
            let row = parts.iter().find(|row| row.slices == slices);
            row.and_then(|row| row.sm_count).unwrap_or(0)
        }
    });
    SliceView {
        id,
        gpu_index: gpu.index,
        parent: gpu.uuid.clone(),
        profile: profile.map(|profile| profile.name.part(part)),
        memory_bytes: profile.map_or(0, |profile| profile.memory.0),
        sm_count,
        instance,
        state,
        reason,
        lease,
        is_idle: state == SliceState::Free,
        generation: lives.count(id),
    }
}

fn covers(lease: &Lease, gpu: &Gpu, id: SliceId) -> bool {
    lease.subjects.iter().any(|subject| match subject.slice() {
        _ if moved::has_moved_to(subject, gpu) => true,
        Some(own) => own.overlaps(&id),
        None => subject.gpu() == id.gpu,
    })
}

fn state_of(
    gpu: &Gpu,
    id: SliceId,
    instance: &GpuInstance,
    lease: Option<&Lease>,
) -> (SliceState, Option<String>) {
    use kerf_types::lease::LeaseState;
    match lease.map(|lease| lease.state) {
        Some(LeaseState::Reserved) => return (SliceState::Reserved, None),
        Some(LeaseState::Active) => return (SliceState::Leased, None),
        Some(LeaseState::Releasing) => {
            let reason = "its container has ended and it is being made clean";
            return (SliceState::Draining, Some(reason.to_owned()));
        }
        None => {}
    }
    if !gpu.health.is_ok() {
        return (
            SliceState::Quarantined,
            Some("its GPU is not well".to_owned()),
        );
    }
    if let Some(process) = process_on(gpu, id, instance) {
        let reason = format!("process {} uses it without a lease", process.pid);
        return (SliceState::Quarantined, Some(reason));
    }
    match instance.compute.len() {
        1 => (SliceState::Free, None),
        0 => (
            SliceState::Quarantined,
            Some("it has no compute instance".to_owned()),
        ),
        count => (
            SliceState::Quarantined,
            Some(format!("it has {count} compute instances")),
        ),
    }
}

/// A process on a slice. One of which the driver tells only the GPU instance counts for every part of it.
pub fn process_on<'g>(gpu: &'g Gpu, id: SliceId, instance: &GpuInstance) -> Option<&'g GpuProcess> {
    let mut processes = gpu.processes.iter();
    let own = |ci: CiId| {
        let mut compute = instance.compute.iter();
        compute.any(|one| one.id == ci && one.placement == id.compute)
    };
    processes.find(|process| {
        process.gi == Some(instance.id) && (id.compute.is_none() || process.ci.is_none_or(own))
    })
}

/// The lease on a whole GPU, if there is one: also one on any of its board, made when that was at another address.
pub fn whole_gpu_lease<'a>(
    leases: impl Iterator<Item = &'a Lease>,
    gpu: &Gpu,
) -> Option<&'a Lease> {
    let is_on = |subject: &Subject| {
        moved::has_moved_to(subject, gpu)
            || matches!(subject, Subject::Gpu { gpu: own, .. } if *own == gpu.pci)
    };
    leases
        .into_iter()
        .find(|lease| lease.subjects.iter().any(is_on))
}

#[cfg(test)]
mod tests;
