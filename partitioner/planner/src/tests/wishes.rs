//! Rules about GPU 0, what it holds when they are read, and what they come to in words: for the tests of what rules
//! mean.

use kerf_types::layout::{GpuSelector, LayoutRule};
use kerf_types::{ProfileName, SliceId};

use super::host::{World, rule};
use super::parts::{Slices, holding};
use super::{id, place, profiles};
use crate::host::{HostPlan, Use};

pub fn name(text: &str) -> ProfileName {
    text.parse().expect("a profile")
}

/// GPU 0, empty.
pub fn first() -> LayoutRule {
    rule(&[GpuSelector::Index(0)], true, &[])
}

/// GPU 0 with at least these, and what fills.
pub fn at_least(least: &[(&str, u32)], fill: &[&str]) -> LayoutRule {
    let least = least.iter().map(|(text, count)| (name(text), *count));
    LayoutRule {
        at_least: least.collect(),
        fill: fill.iter().map(|text| name(text)).collect(),
        ..first()
    }
}

/// GPU 0 with these in these places.
pub fn places(places: &[(&str, &str)]) -> LayoutRule {
    let spot = |text: &str| text.parse().expect("a place");
    let places = places.iter().map(|(at, text)| (spot(at), name(text)));
    LayoutRule {
        places: Some(places.collect()),
        ..first()
    }
}

/// A world in which GPU 0 holds these: profile, place, and the place in it of a part.
pub fn holds(rule: LayoutRule, state: &[(u32, &str)]) -> World {
    let mut world = World::new(vec![rule]);
    let slice = |(profile, at): &(u32, &str)| match at.split_once('/') {
        None => (place(at), id(*profile), None),
        Some((at, part)) => (place(at), id(*profile), Some(place(part))),
    };
    let slices: Slices = state.iter().map(slice).collect();
    *world.gpu(0) = holding(&profiles("h100-80gb"), &slices);
    world
}

/// Leases a slice of GPU 0, or a part of one like `4-4-c0-1`, to job 7.
pub fn lease(world: &mut World, name: &str) {
    let slice: SliceId = format!("0000:10:00.0-{name}").parse().expect("a slice");
    let by = Use::Leased("job 7".to_owned());
    world.usage.slices.insert(slice, by);
}

/// What a plan comes to: what stays, what goes, what comes.
pub fn shown(plan: &HostPlan) -> String {
    let signs = ['=', '-', '~', '+'];
    let lines = plan.gpus.iter().flat_map(|gpu| &gpu.diff);
    let lines = lines.map(|line| {
        let (sign, at) = (signs[line.change as usize], line.placement);
        let part = line
            .compute
            .map_or(String::new(), |part| format!("/{part}"));
        format!("{sign}{at}{part} {}", line.profile)
    });
    lines.collect::<Vec<String>>().join(", ")
}

#[track_caller]
pub fn check(world: &World, expected: &str) {
    assert_eq!(shown(&world.plan().expect("a plan")), expected);
}

#[track_caller]
pub fn refused(world: &World, expected: &str) {
    assert_eq!(world.plan().expect_err("no plan"), expected);
}
