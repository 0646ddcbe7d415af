//! How probes end: each is counted once, by who answered it.

use std::collections::BTreeMap;

use super::world::World;
use crate::{ProbeEnd, State, Timing};

const HOSTS: u16 = 5;

/// How the probes of a host ended in these milliseconds.
fn ends(world: &mut World, number: u16, ms: u64) -> BTreeMap<ProbeEnd, u64> {
    let before = world.cores[&number].stats().probes.clone();
    world.run_for(ms);
    let mut ends = world.cores[&number].stats().probes.clone();
    for (end, count) in &mut ends {
        *count -= before.get(end).copied().unwrap_or(0);
    }
    ends.retain(|_, count| *count > 0);
    ends
}

#[test]
fn probes_of_those_who_live_are_answered_one_a_period() {
    let mut world = World::new(HOSTS);
    let period = Timing::default().probe_period_ms;
    let ends = ends(&mut world, 1, 100 * period);
    let answered = ends[&ProbeEnd::Answered];
    assert_eq!(ends.len(), 1, "{ends:?}");
    assert!((99..=101).contains(&answered), "{ends:?}");
}

#[test]
fn a_probe_whose_answer_is_lost_is_helped_and_one_of_the_dead_is_not() {
    let mut world = World::new(HOSTS);
    world.cut.insert((2, 1));
    let helped = ends(&mut world, 1, 60_000);
    let kinds: Vec<ProbeEnd> = helped.keys().copied().collect();
    assert_eq!(kinds, [ProbeEnd::Answered, ProbeEnd::Helped], "{helped:?}");
    // One in four is of the host that is not heard.
    let (answered, helped) = (helped[&ProbeEnd::Answered], helped[&ProbeEnd::Helped]);
    assert!(answered.abs_diff(3 * helped) <= 6, "{answered} {helped}");
    let others = ends(&mut world, 3, 10_000);
    assert!(others.keys().eq([&ProbeEnd::Answered]), "{others:?}");
    world.cores.remove(&2);
    let lost = ends(&mut world, 3, 10_000);
    assert!(lost[&ProbeEnd::Unanswered] >= 1, "{lost:?}");
    assert!(!lost.contains_key(&ProbeEnd::Helped), "{lost:?}");
    assert_eq!(world.state(3, 2), Some(State::Down));
}
