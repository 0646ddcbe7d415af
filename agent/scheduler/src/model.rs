//! One host as the planner sees it, rebuilt from its record.
//!
//! The planner that chooses here is the one that the owner runs, on the same facts, so the fleet and the
//! owner agree as long as the record is fresh. One thing they may see apart is which whole GPUs an ask gets:
//! a record does not tell how many links join two of them, so here NUMA nodes decide, and the owner decides
//! by their rings. Whether an ask is served is the same for both, but for constraints of which a record tells nothing
//! (UUIDs, PCIe switches, network interfaces): those are left to the owner, which refuses with its reason. UUIDs and instance ids are stand-ins that
//! never leave this module: only the owner names a device.

use std::collections::BTreeSet;
use std::sync::Arc;

use kerf_planner::{Choice, GpuView, Grid, NoRoom, Pick, Usage, Use, choose};
use kerf_types::ask::{Constraints, GpuRef, Same};
use kerf_types::host_record::{GpuHealth, GpuModel, GpuRecord, NvlinkReach, Occupancy};
use kerf_types::inventory::{GpuProcess, NvLink, NvLinkRemote, PcieLink};
use kerf_types::peer::MemberAsk;
use kerf_types::{
    Ask, CiId, ComputeInstance, DeviceMinor, GiId, Gpu, GpuInstance, GpuUuid, Health, HostRecord,
    MigUuid, PciAddress, Placement, ProfileId, SliceId,
};

/// One host, ready to be asked.
#[derive(Debug, Clone)]
pub struct HostModel {
    record: Arc<HostRecord>,
    gpus: Vec<Seen>,
    usage: Usage,
    cpu_milli_free: u64,
    memory_free: u64,
    /// Labels of jobs that were put here since the record was made.
    placed_labels: Vec<(String, String)>,
}

#[derive(Debug, Clone)]
struct Seen {
    gpu: Gpu,
    grid: Option<Arc<Grid>>,
    /// Why it is not well.
    sick: Option<String>,
    /// Why nothing goes there although it is well.
    closed: Option<&'static str>,
}

/// Which questions a host is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum As {
    /// As it is.
    Now,
    /// As it were with every GPU well.
    Healthy,
    /// As it were with every GPU well and nothing on it.
    Empty,
}

const FOREIGN: &str = "used by something that kerf does not know";

impl HostModel {
    /// Rebuilds a host from its record.
    pub fn new(record: Arc<HostRecord>) -> Self {
        let grids: Vec<Option<Arc<Grid>>> = record.models.iter().map(grid_of).collect();
        let mut usage = Usage::default();
        let mut gpus = Vec::with_capacity(record.gpus.len());
        for one in &record.gpus {
            let Some(model) = record.models.get(one.model) else {
                // Conversion refuses such a record; a GPU of no known model serves nobody.
                continue;
            };
            let gpu = rebuild(&record, one, model);
            note_usage(one, &gpu, &mut usage);
            let foreign = one.occupancy == Occupancy::Other && !gpu.mig_mode.is_on();
            gpus.push(Seen {
                grid: grids.get(one.model).cloned().flatten(),
                sick: sickness(one.health),
                closed: foreign.then_some(FOREIGN),
                gpu,
            });
        }
        Self {
            gpus,
            usage,
            cpu_milli_free: record.cpu_milli.free,
            memory_free: record.memory_bytes.free,
            placed_labels: Vec::new(),
            record,
        }
    }

    /// The record that it was rebuilt from.
    pub fn record(&self) -> &Arc<HostRecord> {
        &self.record
    }

    /// CPU that nobody has, in thousandths.
    pub fn cpu_milli_free(&self) -> u64 {
        self.cpu_milli_free
    }

    /// Memory that nobody has, in bytes.
    pub fn memory_free(&self) -> u64 {
        self.memory_free
    }

    /// Labels of the jobs on it.
    pub fn job_labels(&self) -> impl Iterator<Item = &(String, String)> {
        self.record.job_labels.iter().chain(&self.placed_labels)
    }

    pub(crate) fn sick(&self) -> impl Iterator<Item = (u32, &str)> {
        let sick = |seen: &'_ Seen| seen.sick.is_some();
        let gpus = self.gpus.iter().filter(move |seen| sick(seen));
        gpus.filter_map(|seen| Some((seen.gpu.index, seen.sick.as_deref()?)))
    }

    /// What the host's own planner would choose.
    pub(crate) fn choose(&self, ask: &Ask, how: As) -> Result<Choice, NoRoom> {
        let policy = self.record.policy;
        let change_mode = policy.on_demand && policy.mode_change_when_idle;
        let empty: Vec<Gpu> = match how {
            As::Empty => self.gpus.iter().map(|seen| emptied(&seen.gpu)).collect(),
            As::Now | As::Healthy => Vec::new(),
        };
        let gpus = |at: usize, seen| empty.get(at).unwrap_or(seen);
        let views: Vec<GpuView<'_>> = self
            .gpus
            .iter()
            .enumerate()
            .map(|(at, seen)| GpuView {
                gpu: gpus(at, &seen.gpu),
                grid: seen.grid.as_deref(),
                may_enable_mig: change_mode,
                may_disable_mig: change_mode,
                closed: match how {
                    As::Now => seen.sick.as_deref().or(seen.closed),
                    As::Healthy => seen.closed,
                    As::Empty => None,
                },
            })
            .collect();
        let nobody = Usage::default();
        let usage = if how == As::Empty {
            &nobody
        } else {
            &self.usage
        };
        choose(&views, usage, None, &as_told(ask)).map_err(|none| NoRoom {
            ask: ask.to_string(),
            ..none
        })
    }

    pub(crate) fn grid_of(&self, pci: PciAddress) -> Option<(&Gpu, Option<&Grid>)> {
        let seen = self.gpus.iter().find(|seen| seen.gpu.pci == pci)?;
        Some((&seen.gpu, seen.grid.as_deref()))
    }

    pub(crate) fn usage(&self) -> &Usage {
        &self.usage
    }

    /// GPUs on which nothing is.
    pub(crate) fn whole_gpus(&self) -> u32 {
        let idle = self.gpus.iter().filter(|seen| {
            seen.gpu.instances.is_empty()
                && !self.usage.gpus.contains_key(&seen.gpu.pci)
                && seen.sick.is_none()
                && seen.closed.is_none()
        });
        u32::try_from(idle.count()).unwrap_or(u32::MAX)
    }

    /// Puts one member here: what it takes is taken from now on.
    pub(crate) fn take(&mut self, ask: &MemberAsk, picks: &[Pick], holder: &str) {
        self.cpu_milli_free = self
            .cpu_milli_free
            .saturating_sub(ask.cpu_milli.unwrap_or(0));
        self.memory_free = self
            .memory_free
            .saturating_sub(ask.memory.map_or(0, |memory| memory.0));
        for pick in picks {
            self.take_pick(pick, holder);
        }
    }

    /// Remembers that a job with these labels is here.
    pub(crate) fn take_labels<'a>(
        &mut self,
        labels: impl Iterator<Item = (&'a String, &'a String)>,
    ) {
        let own = labels.map(|(key, value)| (key.clone(), value.clone()));
        self.placed_labels.extend(own);
    }

    fn take_pick(&mut self, pick: &Pick, holder: &str) {
        let pci = pick.gpu();
        let Some(seen) = self.gpus.iter_mut().find(|seen| seen.gpu.pci == pci) else {
            return;
        };
        let placement = match pick {
            Pick::Existing { placement, .. } => *placement,
            Pick::Part { cut, .. } => {
                seen.gpu.mig_mode = kerf_types::MigMode::Enabled;
                // A record tells of whole instances, so a divided one counts as used as a whole. Its owner
                // knows better and cuts the next part beside this one.
                if cut.new_instance {
                    add_instance(&mut seen.gpu, cut.profile, cut.placement, true);
                }
                cut.placement
            }
            Pick::Cut { creation, .. } => {
                seen.gpu.mig_mode = kerf_types::MigMode::Enabled;
                add_instance(&mut seen.gpu, creation.profile, creation.placement, true);
                creation.placement
            }
            // A record tells of no shared device, so none is ever chosen from one.
            Pick::Share(_) => return,
            Pick::Gpu { disable_mig, .. } => {
                if *disable_mig {
                    seen.gpu.mig_mode = kerf_types::MigMode::Disabled;
                }
                self.usage.gpus.insert(pci, holder.to_owned());
                return;
            }
        };
        let id = SliceId {
            gpu: pci,
            placement,
            compute: None,
        };
        self.usage.slices.insert(id, Use::Leased(holder.to_owned()));
    }
}

/// An ask without what no record tells: a host of which nobody here knows whether it serves is not ruled out.
fn as_told(ask: &Ask) -> Ask {
    let Some(only) = ask.constraints() else {
        return ask.clone();
    };
    let told = |names: &BTreeSet<GpuRef>| {
        let is_told = |name: &&GpuRef| !matches!(name, GpuRef::Uuid(_));
        names.iter().filter(is_told).cloned().collect()
    };
    ask.clone().with_constraints(Constraints {
        include: told(&only.include),
        avoid: told(&only.avoid),
        same: only.same.filter(|same| *same == Same::Numa),
        nic: None,
        vgpu_type: only.vgpu_type.clone(),
    })
}

fn grid_of(model: &GpuModel) -> Option<Arc<Grid>> {
    let grid = Grid::from_profiles(&model.profiles).ok()?;
    (grid.units() > 0).then(|| Arc::new(grid))
}

fn sickness(health: GpuHealth) -> Option<String> {
    match health {
        GpuHealth::Ok => None,
        GpuHealth::Lost => Some("not well: the driver has lost it".to_owned()),
        GpuHealth::Unresponsive => Some("not well: it does not answer".to_owned()),
        GpuHealth::ResetRequired => Some("not well: it needs a reset".to_owned()),
        GpuHealth::Xid(code) => Some(format!("not well: XID {code}")),
        GpuHealth::Maintenance => Some("in maintenance".to_owned()),
    }
}

fn rebuild(record: &HostRecord, one: &GpuRecord, model: &GpuModel) -> Gpu {
    let mut gpu = Gpu {
        index: one.index,
        uuid: stand_in_gpu(one.index),
        pci: one.pci,
        minor: DeviceMinor(one.index),
        name: model.name.clone(),
        pci_device_id: 0,
        pci_subsystem_id: 0,
        serial: None,
        architecture: model.architecture,
        compute_capability: model.compute_capability,
        memory: model.memory,
        numa_node: one.numa_node,
        pcie: PcieLink::default(),
        nvlinks: links(record, &one.nvlink),
        fabric: None,
        c2c: Vec::new(),
        mig_mode: one.mig_mode,
        profiles: model.profiles.clone(),
        instances: Vec::with_capacity(one.slices.len()),
        processes: Vec::new(),
        health: Health::Ok,
    };
    for slice in &one.slices {
        add_instance(&mut gpu, slice.profile, slice.placement, true);
    }
    if one.occupancy == Occupancy::Other && one.mig_mode.is_on() {
        // It has instances of its own and a process on none of them: slices are given, the whole is not.
        gpu.processes.push(GpuProcess {
            pid: 0,
            memory: None,
            gi: None,
            ci: None,
        });
    }
    gpu
}

fn note_usage(one: &GpuRecord, gpu: &Gpu, usage: &mut Usage) {
    if one.occupancy == Occupancy::Leased {
        usage.gpus.insert(gpu.pci, "another job".to_owned());
    }
    for slice in &one.slices {
        let id = SliceId {
            gpu: gpu.pci,
            placement: slice.placement,
            compute: None,
        };
        match slice.occupancy {
            Occupancy::Free => {}
            Occupancy::Leased => {
                let holder = Use::Leased("another job".to_owned());
                usage.slices.insert(id, holder);
            }
            Occupancy::Other => {
                usage.slices.insert(id, Use::Unknown);
            }
        }
    }
}

fn links(record: &HostRecord, reach: &NvlinkReach) -> Vec<NvLink> {
    let remotes: Vec<NvLinkRemote> = match reach {
        NvlinkReach::None => Vec::new(),
        NvlinkReach::Switched => vec![NvLinkRemote::Switch(Some(SWITCH))],
        NvlinkReach::Gpus(indexes) => record
            .gpus
            .iter()
            .filter(|other| indexes.contains(&other.index))
            .map(|other| NvLinkRemote::Gpu(other.pci))
            .collect(),
    };
    let link = |(link, remote)| NvLink {
        link,
        active: true,
        version: 0,
        remote,
    };
    (0..).zip(remotes).map(link).collect()
}

/// Stands for the switch of a host: the planner asks only whether there is one.
const SWITCH: PciAddress = PciAddress {
    domain: 0,
    bus: 0,
    device: 0,
    function: 0,
};

fn add_instance(gpu: &mut Gpu, profile: ProfileId, placement: Placement, complete: bool) {
    let used = |id: u32| gpu.instances.iter().any(|one| one.id == GiId(id));
    let id = (0..=u32::MAX).find(|id| !used(*id)).unwrap_or(u32::MAX);
    let full = gpu
        .profile(profile)
        .and_then(|one| one.full_compute_profile);
    let compute = full.filter(|_| complete).map(|profile| ComputeInstance {
        id: CiId(0),
        profile,
        placement: None,
        uuid: stand_in_slice(gpu.index, id),
        capability_minor: None,
    });
    gpu.instances.push(GpuInstance {
        id: GiId(id),
        profile,
        placement,
        capability_minor: None,
        compute: compute.into_iter().collect(),
    });
}

fn stand_in_gpu(index: u32) -> GpuUuid {
    match format!("GPU-{index}").parse() {
        Ok(uuid) => uuid,
        Err(error) => unreachable!("digits make a UUID: {error}"),
    }
}

fn stand_in_slice(gpu: u32, gi: u32) -> MigUuid {
    match format!("MIG-{gpu}-{gi}").parse() {
        Ok(uuid) => uuid,
        Err(error) => unreachable!("digits make a UUID: {error}"),
    }
}

fn emptied(gpu: &Gpu) -> Gpu {
    Gpu {
        instances: Vec::new(),
        processes: Vec::new(),
        ..gpu.clone()
    }
}
