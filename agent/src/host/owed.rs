//! What GPUs had when maintenance began, until they have it again.
//!
//! Leaving maintenance destroys nothing: what is missing is made again beside what is there by then, and where that
//! cannot be now, it is owed, written down, and tried again with each look at the hardware, like a kept layout. What was
//! half made, or cut for one container, is nobody's to come back to.

use std::collections::{BTreeMap, BTreeSet};

use kerf_types::layout::{GpuSelector, Layout, LayoutRule};
use kerf_types::{Gpu, PciAddress, ProfileName, SliceId, Spot};

use super::partition;
use super::{Host, HostError};
use crate::store::Work;

impl Host {
    /// What each GPU has now, as exact places, without those that do not have their kept layout yet, and those of which
    /// it cannot be said.
    pub(super) fn had(&self) -> Layout {
        let passing = self.passing();
        let undone: BTreeSet<String> = self.changing_modes();
        let lasting = |gpu: &&Gpu| {
            !self.kept.is_due(gpu.pci)
                && !undone.contains(&gpu.pci.to_string())
                && gpu.health.is_ok()
        };
        let nvidia = self.inventory.gpus.iter().filter(lasting);
        let nvidia = nvidia.filter_map(|gpu| {
            let mut rule = self.rule_now(gpu)?;
            if let Some(places) = &mut rule.places {
                places.retain(|spot, _| !passing.contains(&slice_at(gpu.pci, *spot)));
            }
            Some(rule)
        });
        let amd = self.inventory.amd.iter();
        let amd = amd.filter(|gpu| !self.kept.is_due(gpu.pci) && gpu.health.is_ok());
        Layout {
            rules: nvidia.chain(amd.filter_map(partition::rule_of)).collect(),
        }
    }

    /// Slices that go with a lease, or with the work that they are half made by.
    fn passing(&self) -> BTreeSet<SliceId> {
        let cut = self.leases.values().flat_map(|row| row.cut.iter().copied());
        self.half_made().into_iter().chain(cut).collect()
    }

    /// GPUs whose mode was changed for an ask that came to nothing: it is taken back.
    fn changing_modes(&self) -> BTreeSet<String> {
        let modes = self.open_work.iter().filter_map(|row| match &row.work {
            Work::Mode { gpu, .. } => Some(gpu.clone()),
            _ => None,
        });
        modes.collect()
    }

    /// Writes down what the GPUs are to have again. A GPU that is not as its kept layout says is owed that one instead.
    pub(super) fn owe(&mut self, before: &Layout, unread: Option<&str>) -> Result<(), HostError> {
        for rule in &before.rules {
            if let [GpuSelector::Pci(pci)] = rule.gpus.as_slice() {
                self.kept.owe(*pci, rule.clone());
            }
        }
        let damage = unread.and_then(|text| self.kept.owe_unread(text));
        if let Some((part, why)) = damage {
            self.say_unread(part, &why);
        }
        self.kept.ask_again();
        self.kept.boot_id = self.machine_boot();
        self.save_kept()
    }

    /// What a GPU is to have, where something is owed to it: all that is there, and what is missing.
    pub(super) fn beside(&self, gpu: &Gpu, owed: &LayoutRule) -> Option<LayoutRule> {
        let mut rule = self.rule_now(gpu)?;
        match (&owed.places, &mut rule.places) {
            (Some(missing), Some(there)) => add(there, missing),
            // With MIG on meanwhile and slices there, it stays on.
            (None, Some(there)) if !there.is_empty() => {}
            _ => {
                rule.mig_enabled = owed.mig_enabled;
                rule.places.clone_from(&owed.places);
            }
        }
        // How it is shared stands in a record of its own, and is set again by it.
        let is_empty = rule.places.as_ref().is_some_and(BTreeMap::is_empty);
        rule.sharing = self.shared.of(gpu.pci).filter(|_| !is_empty);
        Some(rule)
    }
}

fn slice_at(gpu: PciAddress, spot: Spot) -> SliceId {
    SliceId {
        gpu,
        placement: spot.placement,
        compute: spot.compute,
    }
}

/// Adds the instances that are missing where nothing else lies by now.
fn add(there: &mut BTreeMap<Spot, ProfileName>, missing: &BTreeMap<Spot, ProfileName>) {
    let taken: Vec<Spot> = there.keys().copied().collect();
    let is_taken = |spot: &Spot| {
        let mask = spot.placement.mask();
        let mut masks = taken.iter().map(|other| other.placement.mask());
        masks.any(|other| other.overlaps(mask))
    };
    let free = missing.iter().filter(|(spot, _)| !is_taken(spot));
    there.extend(free.map(|(spot, profile)| (*spot, profile.clone())));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(of: &[(&str, &str)]) -> BTreeMap<Spot, ProfileName> {
        let place = |(at, profile): &(&str, &str)| {
            let placement = at.parse().expect("a place");
            let compute = None;
            let spot = Spot { placement, compute };
            (spot, profile.parse().expect("a profile"))
        };
        of.iter().map(place).collect()
    }

    #[test]
    fn what_is_missing_is_added_where_nothing_lies_by_now() {
        let mut there = places(&[("0:1", "1g.10gb"), ("4:4", "3g.40gb")]);
        let missing = [("0:1", "1g.10gb"), ("1:1", "1g.10gb"), ("4:2", "2g.20gb")];
        add(&mut there, &places(&missing));
        let all = [("0:1", "1g.10gb"), ("1:1", "1g.10gb"), ("4:4", "3g.40gb")];
        assert_eq!(there, places(&all));
    }
}
