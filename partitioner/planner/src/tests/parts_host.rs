//! Layouts that divide GPU instances: what a person is told, and what is in the way.

use std::collections::BTreeMap;

use kerf_types::layout::{GpuSelector, Layout, LayoutRule};
use kerf_types::{Inventory, Placement, SliceId};

use super::parts::holding;
use super::{id, place, profiles};
use crate::check::check_host;
use crate::host::{HostRequest, PlanError, Usage, Use, plan_host};

const LEASED: &str = "0000:10:00.0-4-4-c1-1";

/// One GPU with three parts in the instance at 4:4, of which the middle one is leased.
fn inventory() -> Inventory {
    let part = |at: &str| (place("4:4"), id(9), Some(place(at)));
    let parts = ["0:1", "1:1", "2:1"].map(part).into_iter().collect();
    Inventory {
        host: "h".to_owned(),
        driver: None,
        amd: Vec::new(),
        gpus: vec![holding(&profiles("h100-80gb"), &parts)],
        numa_nodes: Vec::new(),
        nics: Vec::new(),
        problems: Vec::new(),
        map: Default::default(),
    }
}

/// The diff and the number of steps, or the refusal; every plan is checked.
fn plan(slices: &[(&str, u32)]) -> Result<(Vec<String>, usize), PlanError> {
    let inventory = inventory();
    let slices = slices
        .iter()
        .map(|(name, count)| (name.parse().expect("a name"), *count));
    let rule = LayoutRule {
        gpus: vec![GpuSelector::All],
        mig_enabled: true,
        slices: slices.collect(),
        ..LayoutRule::default()
    };
    let layout = Layout { rules: vec![rule] };
    let leased: SliceId = LEASED.parse().expect("a slice");
    let usage = Usage {
        slices: BTreeMap::from([(leased, Use::Leased("web".to_owned()))]),
        ..Usage::default()
    };
    let request = HostRequest {
        inventory: &inventory,
        layout: &layout,
        usage: &usage,
        allow_reset: false,
    };
    let plan = plan_host(&request)?;
    assert_eq!(check_host(&request, &plan), []);
    let word = |part: Option<Placement>| part.map_or(String::new(), |part| format!("/{part}"));
    let line = |line: &crate::host::DiffLine| {
        let by = line.used_by.as_deref().unwrap_or("-");
        let (at, part) = (line.placement, word(line.compute));
        format!("{:?} {} {at}{part} {by}", line.change, line.profile)
    };
    let lines = plan.gpus[0].diff.iter().map(line).collect();
    Ok((lines, plan.steps().count()))
}

#[test]
fn what_stays_goes_and_comes_is_told_part_by_part() {
    let leased = "Keep 1c.3g.40gb 4:4/1:1 leased by web";
    let (lines, steps) = plan(&[("1c.3g.40gb", 3)]).expect("a plan");
    assert_eq!((lines.len(), steps), (3, 0));
    let (lines, steps) = plan(&[("1c.3g.40gb", 2), ("3g.40gb", 1)]).expect("a plan");
    assert_eq!(
        lines,
        [
            "Create 3g.40gb 0:4 -",
            "Keep 1c.3g.40gb 4:4/0:1 -",
            leased,
            "Destroy 1c.3g.40gb 4:4/2:1 -",
        ]
    );
    assert_eq!(steps, 3);
    // The leased part lies where a part of two would have to.
    let (lines, _) = plan(&[("1c.3g.40gb", 1), ("2c.3g.40gb", 1)]).expect("a plan");
    assert_eq!(
        lines,
        [
            "Create 2c.3g.40gb 0:4/0:2 -",
            leased,
            "Destroy 1c.3g.40gb 4:4/0:1 -",
            "Destroy 1c.3g.40gb 4:4/2:1 -",
        ]
    );
}

#[test]
fn a_leased_part_is_in_the_way_by_its_own_name() {
    let refused = |slices: &[(&str, u32)]| plan(slices).expect_err("refused").to_string();
    let in_use =
        format!("the layout would destroy slice {LEASED} (1c.3g.40gb), which is leased by web");
    assert_eq!(refused(&[("3g.40gb", 2)]), in_use);
    assert_eq!(refused(&[]), in_use);
    assert_eq!(refused(&[("2c.3g.40gb", 1)]), in_use);
    let error = plan(&[("4c.3g.40gb", 1)]).expect_err("no such part");
    assert!(matches!(error, PlanError::Profile { .. }), "{error:?}");
}
