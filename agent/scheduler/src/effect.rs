//! What an ask would do to one host: the owner's own choice, and what it costs.

use std::sync::Arc;

use kerf_planner::options::Occupied;
use kerf_planner::{Choice, NoRoom, Options, Pick};
use kerf_types::{Ask, SliceId};

use crate::filter::Refusal;
use crate::model::{As, HostModel};

/// What an ask does to a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    /// What the owner's planner chooses.
    pub picks: Vec<Pick>,
    /// GPUs whose MIG mode changes for it.
    pub mode_changes: u32,
    /// Slices that are cut for it.
    pub cuts: u32,
    /// Options that are lost, as the planner counts them.
    pub lost: Options,
    /// GPUs on which nothing is, after it.
    pub whole_gpus_left: u32,
    /// NUMA nodes that its devices are next to.
    pub numa_nodes: u32,
}

/// An effect, or what speaks against it; shared, since every decision looks at many of them.
pub type Outcome = Result<Arc<Effect>, Arc<Refusal>>;

/// Asks the owner's planner, and says which constraint it is that fails.
pub(crate) fn effect(model: &HostModel, ask: &Ask) -> Outcome {
    let outcome = match model.choose(ask, As::Now) {
        Ok(choice) => cost(model, ask, choice),
        Err(none) => Err(classify(model, ask, none)),
    };
    outcome.map(Arc::new).map_err(Arc::new)
}

/// The first constraint in order that fails: impossible here at all, impossible with the GPUs that are sick,
/// impossible now.
fn classify(model: &HostModel, ask: &Ask, none: NoRoom) -> Refusal {
    if let Err(never) = model.choose(ask, As::Empty) {
        return Refusal::Impossible(Box::new(never));
    }
    if model.sick().next().is_some() && model.choose(ask, As::Healthy).is_ok() {
        let word = |(index, why): (u32, &str)| format!("GPU {index}: {why}");
        return Refusal::Health {
            ask: ask.to_string(),
            gpus: model.sick().map(word).collect(),
        };
    }
    Refusal::NoRoom(Box::new(none))
}

fn cost(model: &HostModel, ask: &Ask, choice: Choice) -> Result<Effect, Refusal> {
    let mut effect = Effect {
        mode_changes: 0,
        cuts: 0,
        lost: Options::default(),
        whole_gpus_left: 0,
        numa_nodes: 0,
        picks: choice.picks,
    };
    let mut nodes = Vec::new();
    let mut touched = Vec::new();
    for pick in &effect.picks {
        match pick {
            Pick::Cut { enable_mig, .. } | Pick::Part { enable_mig, .. } => {
                effect.cuts += 1;
                effect.mode_changes += u32::from(*enable_mig);
            }
            Pick::Gpu { disable_mig, .. } => effect.mode_changes += u32::from(*disable_mig),
            Pick::Existing { .. } | Pick::Share(_) => {}
        }
        if !touched.contains(&pick.gpu()) {
            touched.push(pick.gpu());
        }
    }
    let policy = model.record().policy;
    if effect.cuts > 0 && !policy.on_demand {
        return Err(Refusal::CuttingOff {
            ask: ask.to_string(),
        });
    }
    let mut idle_taken = 0;
    for pci in touched {
        let Some((gpu, _)) = model.grid_of(pci) else {
            continue;
        };
        if !nodes.contains(&gpu.numa_node) {
            nodes.push(gpu.numa_node);
        }
        idle_taken += u32::from(gpu.instances.is_empty());
        effect.lost = effect.lost.plus(lost(model, pci, &effect.picks));
    }
    effect.numa_nodes = u32::try_from(nodes.len()).unwrap_or(u32::MAX);
    effect.whole_gpus_left = model.whole_gpus().saturating_sub(idle_taken);
    Ok(effect)
}

/// Options that one GPU loses. A free slice that is taken is measured against what is in use, since an operator
/// may cut a free one anew; a cut is measured against all that is there.
fn lost(model: &HostModel, pci: kerf_types::PciAddress, picks: &[Pick]) -> Options {
    let Some((gpu, Some(grid))) = model.grid_of(pci) else {
        return Options::default();
    };
    let is_used = |one: &&kerf_types::GpuInstance| {
        let id: SliceId = gpu.slice_id(one);
        model.usage().slices.contains_key(&id)
    };
    let place = |one: &kerf_types::GpuInstance| (one.profile, one.placement);
    let all = || gpu.instances.iter();
    let mut in_use = Occupied::by(grid, all().filter(is_used).map(place));
    let mut occupied = Occupied::by(grid, all().map(place));
    let (used_before, all_before) = (in_use.options(grid), occupied.options(grid));
    let (mut existing, mut cut) = (false, false);
    for pick in picks.iter().filter(|pick| pick.gpu() == pci) {
        match pick {
            Pick::Existing {
                profile, placement, ..
            } => {
                existing = true;
                in_use.add(grid, *profile, *placement);
            }
            Pick::Cut { creation, .. } => {
                cut = true;
                occupied.add(grid, creation.profile, creation.placement);
            }
            Pick::Part { cut: new, .. } if new.new_instance => {
                cut = true;
                occupied.add(grid, new.profile, new.placement);
            }
            Pick::Part { .. } | Pick::Share(_) => {}
            Pick::Gpu { .. } => return all_before,
        }
    }
    let mut lost = Options::default();
    if existing {
        lost = lost.plus(used_before.minus(in_use.options(grid)));
    }
    if cut {
        lost = lost.plus(all_before.minus(occupied.options(grid)));
    }
    lost
}
