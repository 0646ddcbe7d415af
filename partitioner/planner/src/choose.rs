//! Which slice or GPU an ask gets, so that what is left over stays as useful as it can be.
//!
//! For a part of a GPU instance: a free one, then one more in an instance that kerf divides on demand, then
//! one in a new instance. For a slice: a free one of exactly that profile before a new one; a new one where it costs the host the
//! fewest options; a GPU without MIG is cut only when no other has room. Nothing that exists is ever moved
//! or destroyed for an ask. For whole GPUs: the set with the widest ring that leaves the most for later, without
//! changing a mode if that can be; where nothing is known of what joins them, on one NUMA node if that can
//! be. What is shared goes to those alone who ask for a share. Never decides who may ask.

use kerf_types::ask::Constraints;
use kerf_types::{
    Ask, GiId, Gpu, GpuUuid, MigUuid, PciAddress, Placement, ProfileId, ProfileName, Step,
};

use crate::gpu::Creation;
use crate::grid::Grid;
use crate::host::{GpuName, Usage};
use crate::rings::GpuRings;

mod bounds;
mod capability;
mod part;
mod refusal;
mod share;
mod slice;
mod whole;

use refusal::Shortage;
pub use refusal::{NoRoom, Refusal, Unmet};
pub use share::SharePick;

/// A GPU that may serve an ask.
#[derive(Debug, Clone, Copy)]
pub struct GpuView<'a> {
    /// What it is and holds.
    pub gpu: &'a Gpu,
    /// How it can be cut; `None` where it has no MIG or nobody knows its profiles.
    pub grid: Option<&'a Grid>,
    /// Whether an idle one may be put into MIG mode. Taken up only where the mode changes without a reset.
    pub may_enable_mig: bool,
    /// Whether an empty one may be taken out of MIG mode. Likewise.
    pub may_disable_mig: bool,
    /// Why nothing new may go there (cordoned, in maintenance).
    pub closed: Option<&'a str>,
}

impl GpuView<'_> {
    fn name(&self) -> GpuName {
        self.gpu.into()
    }
}

/// What an ask gets, in the order in which it is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// One entry for each thing that was asked for.
    pub picks: Vec<Pick>,
}

/// One thing that an ask gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pick {
    /// A slice that exists and is free.
    Existing {
        /// Its GPU.
        gpu: PciAddress,
        /// Its GPU instance.
        gi: GiId,
        /// Its profile.
        profile: ProfileId,
        /// The profile's name on that GPU.
        name: ProfileName,
        /// Its place.
        placement: Placement,
        /// Its place in the GPU instance, for a part of one.
        compute: Option<Placement>,
        /// The life that is meant.
        uuid: MigUuid,
    },
    /// A part of a GPU instance to make.
    Part {
        /// Its GPU.
        gpu: PciAddress,
        /// The part's name on that GPU.
        name: ProfileName,
        /// What to make.
        cut: PartCut,
        /// Whether MIG is to be turned on before.
        enable_mig: bool,
    },
    /// A slice to make.
    Cut {
        /// Its GPU.
        gpu: PciAddress,
        /// The profile's name on that GPU.
        name: ProfileName,
        /// What to make.
        creation: Creation,
        /// Whether MIG is to be turned on before.
        enable_mig: bool,
    },
    /// A whole GPU.
    Gpu {
        /// The GPU.
        gpu: PciAddress,
        /// Its UUID.
        uuid: GpuUuid,
        /// Whether MIG is to be turned off before.
        disable_mig: bool,
    },
    /// A place on a shared device.
    Share(SharePick),
}

/// A part to make, perhaps with its GPU instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartCut {
    /// Place of the GPU instance.
    pub placement: Placement,
    /// Profile of the GPU instance.
    pub profile: ProfileId,
    /// Whether the GPU instance is made first; it is there, or an earlier pick makes it, otherwise.
    pub new_instance: bool,
    /// The place in it.
    pub part: Placement,
    /// The compute instance profile.
    pub compute_profile: ProfileId,
}

impl PartCut {
    fn steps(self, gpu: PciAddress) -> impl Iterator<Item = Step> {
        let (placement, profile) = (self.placement, self.profile);
        let instance = self.new_instance.then_some(Step::CreateGpuInstance {
            gpu,
            profile,
            placement,
        });
        let part = Step::CreateComputeInstance {
            gpu,
            placement,
            profile: self.compute_profile,
            compute: Some(self.part),
        };
        instance.into_iter().chain([part])
    }
}

impl Pick {
    /// The GPU that it is or lies on.
    pub fn gpu(&self) -> PciAddress {
        match self {
            Self::Existing { gpu, .. }
            | Self::Cut { gpu, .. }
            | Self::Part { gpu, .. }
            | Self::Gpu { gpu, .. } => *gpu,
            Self::Share(pick) => pick.device.gpu(),
        }
    }

    /// What must be done before it can be given; empty where it is there already.
    pub fn steps(&self) -> Vec<Step> {
        let mode = |gpu: &PciAddress, enabled: bool| {
            // Never a reset for the sake of one ask: only modes that change at once are chosen.
            Step::SetMigMode {
                gpu: *gpu,
                enabled,
                allow_reset: false,
            }
        };
        match self {
            Self::Existing { .. }
            | Self::Share(_)
            | Self::Gpu {
                disable_mig: false, ..
            } => Vec::new(),
            Self::Gpu {
                gpu,
                disable_mig: true,
                ..
            } => vec![mode(gpu, false)],
            Self::Part {
                gpu,
                cut,
                enable_mig,
                ..
            } => {
                let first = enable_mig.then(|| mode(gpu, true));
                first.into_iter().chain(cut.steps(*gpu)).collect()
            }
            Self::Cut {
                gpu,
                creation,
                enable_mig,
                ..
            } => {
                let first = enable_mig.then(|| mode(gpu, true));
                first.into_iter().chain(creation.steps(*gpu)).collect()
            }
        }
    }
}

/// What serves `ask` best.
///
/// `usage` says who uses what, over all of `views`; `rings` what joins them, where that is known, by which a set of whole
/// GPUs is chosen exactly. Whether an ask can be served does not depend on it. The choice is a function of its arguments
/// alone.
pub fn choose(
    views: &[GpuView<'_>],
    usage: &Usage,
    rings: Option<&GpuRings>,
    ask: &Ask,
) -> Result<Choice, NoRoom> {
    let picks = match ask.devices() {
        Ask::Slice { profile, count }
            if profile.part(profile.compute_slices) != profile.part(None) =>
        {
            part::choose(views, usage, profile, *count)
        }
        Ask::Slice { profile, count } => slice::choose(views, usage, profile, *count),
        Ask::Gpus { count, only } => bounds(views, only, *count).and_then(|bounds| {
            let wanted = whole::Wanted::new(*count, &bounds);
            whole::choose(views, usage, rings, &wanted)
        }),
        Ask::Capability(requirement) => capability::choose(views, usage, rings, requirement),
        Ask::Share { mode, of } => share::choose(views, usage, *mode, of),
        // One in another reads from no text; devices of other makers are chosen by whoever knows them.
        Ask::Imex(_) | Ask::Devices { .. } => Err(Shortage {
            available: 0,
            unmet: None,
            reasons: Vec::new(),
        }),
    };
    match picks {
        Ok(picks) => Ok(Choice { picks }),
        Err(Shortage {
            available,
            unmet,
            reasons,
        }) => Err(NoRoom {
            ask: ask.to_string(),
            available,
            unmet,
            reasons,
        }),
    }
}

/// Which GPUs an ask may get, or what of that nobody can meet.
fn bounds<'a>(
    views: &[GpuView<'_>],
    only: &'a Constraints,
    count: u32,
) -> Result<bounds::Bounds<'a>, Shortage> {
    bounds::Bounds::of(views, only, count).map_err(Shortage::unmet)
}

/// What speaks against a GPU whatever is asked of it.
fn open(view: &GpuView<'_>) -> Result<(), Refusal> {
    if !view.gpu.health.is_ok() {
        return Err(Refusal::Unhealthy(crate::host::health_text(
            &view.gpu.health,
        )));
    }
    match view.closed {
        Some(why) => Err(Refusal::Closed(why.to_owned())),
        None => Ok(()),
    }
}

/// What speaks against a GPU where something of one's own is asked of it.
fn common(view: &GpuView<'_>, usage: &Usage) -> Result<(), Refusal> {
    open(view)?;
    if let Some(shared) = usage.shared.get(&view.gpu.pci) {
        return Err(Refusal::Shared(shared.sharing.mode()));
    }
    if usage.vgpus.contains_key(&view.gpu.pci) {
        return Err(Refusal::Closed("it carries vGPUs".to_owned()));
    }
    match usage.gpus.get(&view.gpu.pci) {
        Some(holder) => Err(Refusal::Leased(holder.clone())),
        None => Ok(()),
    }
}
