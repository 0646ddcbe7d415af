//! What serves an ask best, by the planner, from what is known now.

use std::collections::BTreeSet;
use std::sync::Weak;

use kerf_planner::check::{check_ask, check_choice};
use kerf_planner::choose::Refusal;
use kerf_planner::host::profiles_of;
use kerf_planner::{Choice, GpuView, Grid, NoRoom, Pick, Usage, choose};
use kerf_types::inventory::Health;
use kerf_types::lease::SliceState;
use kerf_types::{Ask, Inventory, PciAddress, SliceId};

use super::{Host, HostError, SharedView, view};
use crate::others::Maker;

impl Host {
    /// What an ask gets, vetted by the checker.
    pub(super) fn choose(&self, ask: &Ask) -> Result<Choice, HostError> {
        self.choose_among(&self.inventory, &self.usage(), ask)
    }

    /// Whether an ask could be served here if every lease ended and all were well. Slices that were cut for a lease go
    /// with it, and others stay.
    pub(super) fn could_ever(&self, ask: &Ask) -> Result<(), HostError> {
        if let Ask::Devices { .. } = ask {
            return self.could_ever_have(ask);
        }
        let cuts = self.leases.values().flat_map(|row| &row.cut);
        let go = cuts.copied().chain(self.half_made());
        let go: BTreeSet<SliceId> = go.map(|slice| slice.whole()).collect();
        let mut bare = self.inventory.clone();
        for gpu in &mut bare.gpus {
            let pci = gpu.pci;
            let goes = |placement| {
                go.iter()
                    .any(|slice| slice.gpu == pci && slice.placement == placement)
            };
            gpu.processes.clear();
            gpu.health = Health::Ok;
            gpu.instances.retain(|one| !goes(one.placement));
        }
        let mut usage = Usage::default();
        SharedView::note(&self.shared_view(), std::iter::empty(), &mut usage);
        self.choose_among(&bare, &usage, ask).map(drop)
    }

    fn choose_among(
        &self,
        inventory: &Inventory,
        usage: &Usage,
        ask: &Ask,
    ) -> Result<Choice, HostError> {
        let no_room = |why: String| HostError::NoRoom {
            ask: ask.to_string(),
            why,
        };
        let grids: Vec<Option<Grid>> = inventory
            .gpus
            .iter()
            .map(|gpu| {
                let profiles = profiles_of(gpu, inventory);
                Grid::from_profiles(profiles)
                    .ok()
                    .filter(|grid| grid.units() > 0)
            })
            .collect();
        let policy = self.config.partition;
        let off = self.why_no_cut_on_demand();
        let change_mode = off.is_none() && policy.mode_change_when_idle;
        let views: Vec<GpuView<'_>> = inventory
            .gpus
            .iter()
            .zip(&grids)
            .map(|(gpu, grid)| GpuView {
                gpu,
                grid: grid.as_ref(),
                may_enable_mig: change_mode,
                may_disable_mig: change_mode,
                closed: self.is_held(gpu.pci),
            })
            .collect();
        let choice = choose(&views, usage, self.rings.known(), ask)
            .map_err(|refusal| refused(ask, &refusal, off.as_deref()))?;
        let violations = check_choice(&views, usage, &choice);
        let unasked = check_ask(&views, self.rings.known(), ask, &choice);
        if !violations.is_empty() || !unasked.is_empty() {
            let faults = violations
                .iter()
                .map(|(index, fault)| format!("GPU {index}: {fault}"));
            let words: Vec<String> = faults
                .chain(unasked.iter().map(ToString::to_string))
                .collect();
            return Err(HostError::Unsafe {
                violations: words.join("; "),
            });
        }
        let cuts = choice
            .picks
            .iter()
            .any(|pick| matches!(pick, Pick::Cut { .. } | Pick::Part { .. }));
        match off.filter(|_| cuts) {
            Some(off) => Err(no_room(format!("no such slice is free, and {off}"))),
            None => Ok(choice),
        }
    }

    /// Why no slice is cut for an ask.
    fn why_no_cut_on_demand(&self) -> Option<String> {
        if !self.config.partition.on_demand {
            return Some("cutting on demand is off (partition.on_demand)".to_owned());
        }
        let why = self.why_not_cut(Maker::Nvidia)?;
        Some(format!("kerf does not cut: {why}"))
    }

    /// Slices with their states, from what is known now.
    pub(super) fn slices(&self) -> Vec<view::SliceView> {
        let leases = self.leases.values().map(|row| &row.lease);
        let vgpus = self.vgpu_uses();
        let mut slices = view::slices(&self.inventory, &self.lives, leases, &vgpus);
        let half_made = self.half_made();
        for slice in &mut slices {
            if slice.lease.is_none() && half_made.contains(&slice.id) {
                slice.state = SliceState::Quarantined;
                slice.is_idle = false;
                slice.reason =
                    Some("it was cut for a container that never had it, and goes".to_owned());
            }
        }
        slices
    }

    /// Places where a cut failed and could not yet be undone.
    pub(super) fn half_made(&self) -> BTreeSet<SliceId> {
        self.open_work
            .iter()
            .filter_map(|row| row.work.slice().ok().flatten())
            .collect()
    }

    /// Who uses what, in the planner's words.
    pub(super) fn usage(&self) -> Usage {
        let leases = self.leases.values().map(|row| &row.lease);
        let slices = self.slices();
        let shared = self.shared_view();
        let vgpus = self.vgpu_uses();
        let mut usage = view::usage(&self.inventory, &slices, &shared, leases, &vgpus);
        // An instance in which a part was cut on demand takes more of them; what a layout or an operator
        // divided stays as it was declared.
        let cuts = self.leases.values().flat_map(|row| &row.cut);
        let parts = cuts.filter(|cut| cut.compute.is_some());
        usage.divisible = parts.map(|cut| cut.whole()).collect();
        usage
    }
}

/// GPUs on which no new lease is given for as long as somebody waits for them.
#[derive(Debug)]
pub(super) struct Hold {
    /// Which.
    pub gpus: BTreeSet<PciAddress>,
    /// Gone when nobody waits any more.
    pub waits: Weak<()>,
    /// For what.
    pub why: HoldFor,
}

/// For what a GPU gives no new leases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldFor {
    /// A layout waits for it.
    Layout,
    /// Maintenance does.
    Maintenance,
}

impl HoldFor {
    fn words(self) -> &'static str {
        match self {
            Self::Layout => "it is being drained for a layout",
            Self::Maintenance => "it is being drained for maintenance",
        }
    }
}

impl Host {
    /// For what somebody waits until the GPU is free.
    pub(super) fn is_held(&self, gpu: PciAddress) -> Option<&'static str> {
        let mut holds = self.holds.iter();
        let held = holds.find(|hold| hold.gpus.contains(&gpu) && hold.waits.strong_count() > 0);
        held.map(|hold| hold.why.words())
    }

    /// The GPUs that are drained for maintenance.
    pub(super) fn held_for_maintenance(&self) -> BTreeSet<PciAddress> {
        let is_it = |hold: &&Hold| hold.why == HoldFor::Maintenance;
        let living = |hold: &&Hold| is_it(hold) && hold.waits.strong_count() > 0;
        let holds = self.holds.iter().filter(living);
        holds.flat_map(|hold| hold.gpus.iter().copied()).collect()
    }

    pub(super) fn refuse_if_held(&self, gpu: PciAddress) -> Result<(), HostError> {
        match self.is_held(gpu) {
            Some(why) => Err(HostError::Busy {
                what: format!("GPU {gpu}"),
                state: "not free".to_owned(),
                by: Some(why.to_owned()),
            }),
            None => Ok(()),
        }
    }

    /// Forgets those that nobody waits for any more; asks that were refused for them may try again.
    pub(super) fn note_holds(&mut self) {
        let before = self.holds.len();
        self.holds.retain(|hold| hold.waits.strong_count() > 0);
        if self.holds.len() < before {
            self.capacity += 1;
        }
    }
}

/// The planner's refusal with GPUs of one reason named together.
fn refused(ask: &Ask, refusal: &NoRoom, off: Option<&str>) -> HostError {
    let mut groups: Vec<(String, Vec<u32>)> = Vec::new();
    for (gpu, reason) in &refusal.reasons {
        let reason = reason.to_string();
        match groups.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, gpus)) => gpus.push(gpu.index),
            None => groups.push((reason, vec![gpu.index])),
        }
    }
    let words: Vec<String> = groups
        .into_iter()
        .map(|(reason, gpus)| {
            let numbers: Vec<String> = gpus.iter().map(ToString::to_string).collect();
            format!("GPU {}: {reason}", numbers.join(", "))
        })
        .collect();
    let ask = ask.to_string();
    let nobody = refusal
        .reasons
        .iter()
        .all(|(_, reason)| matches!(reason, Refusal::Name(_)));
    if nobody && !refusal.reasons.is_empty() {
        return HostError::Unknown {
            ask,
            why: words.join("; "),
        };
    }
    let unmet = refusal.unmet.iter().map(ToString::to_string);
    let words: Vec<String> = unmet.chain(words).collect();
    let why = if words.is_empty() {
        "this host has no GPU".to_owned()
    } else {
        words.join("; ")
    };
    let why = match off {
        Some(off) => format!("{why}; {off}"),
        None => why,
    };
    HostError::NoRoom { ask, why }
}
