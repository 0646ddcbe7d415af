//! A layout with the places of its plan: whoever was interrupted in it goes on to the same end. Planned anew from what is
//! there by then, it could be had cheaper in other places, and that would be a third state.

use std::collections::BTreeMap;

use kerf_types::layout::{Layout, LayoutRule};
use kerf_types::{Inventory, ProfileName, Spot};

use super::{Change, GpuChange, HostPlan, rules_by_gpu};

/// The layout with a rule for each GPU that says what lies where at the end of the plan. `None` where nobody knows that
/// yet, since a second plan follows the change of a mode, or where the driver has a profile that has no name.
pub fn placed(layout: &Layout, plan: &HostPlan, inventory: &Inventory) -> Option<Layout> {
    let rules = rules_by_gpu(inventory, layout).ok()?;
    let rules = rules.into_iter().map(|(pci, rule)| {
        match plan.gpus.iter().find(|change| change.pci == pci) {
            Some(change) => rule_of(change, &rule),
            None => Some(rule),
        }
    });
    let rules: Option<Vec<LayoutRule>> = rules.collect();
    rules.map(|rules| Layout { rules })
}

fn rule_of(change: &GpuChange, rule: &LayoutRule) -> Option<LayoutRule> {
    if !change.later.is_empty() {
        return None;
    }
    let there = change.diff.iter();
    let there = there.filter(|line| line.change != Change::Destroy);
    let places = there.map(|line| {
        let spot = Spot {
            placement: line.placement,
            compute: line.compute,
        };
        let profile: ProfileName = line.profile.parse().ok()?;
        Some((spot, profile))
    });
    let places: Option<BTreeMap<Spot, ProfileName>> = places.collect();
    Some(LayoutRule {
        gpus: rule.gpus.clone(),
        mig_enabled: change.to.is_on(),
        places: change.to.is_on().then_some(places?),
        sharing: rule.sharing,
        ..LayoutRule::default()
    })
}
