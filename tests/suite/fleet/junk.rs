//! A host under a flood of junk is still heard, and takes no more memory for it. The whole rate is measured by
//! `cargo xtask bench junk`; this one is what a build that is not optimised bears beside other tests.

use std::time::Duration;

use kerf_tests::junk::{self, Plan};
use kerf_tests::world::Ring;

use super::world::{all_see, config, empty, measured};

const PLAN: Plan = Plan {
    per_second: 2_000,
    time: Duration::from_secs(15),
    before: Duration::from_secs(1),
};

/// What memory may grow by.
const GROWTH_BYTES: u64 = 32 << 20;

#[test]
fn a_flood_of_junk_silences_nobody_and_fills_no_memory() {
    let Some(mut fleet) = empty() else { return };
    let ring = Ring::new().expect("kerf makes one");
    for number in 1..=3 {
        let more = config(&fleet);
        let settings = fleet.settings(&format!("node-{number}"), "h100x1", &more);
        let settings = settings.expect("settings");
        ring.give(&settings).expect("the folder is ours");
        fleet.start(settings).expect("a host comes up");
    }
    all_see(&fleet, 3);
    let outcome = junk::measure(&fleet, 1, PLAN).expect("it is measured");
    measured(&outcome.document().to_string());
    // Nobody doubts a host for a lost answer; one that nobody else hears either is a lost host.
    assert_eq!(outcome.unanswered, 0, "{outcome:?}");
    assert!(outcome.rss_growth_bytes < GROWTH_BYTES, "{outcome:?}");
    let dropped = |reason: &str| outcome.drops.iter().any(|(known, _)| known == reason);
    for reason in ["replayed", "forged", "not_gossip"] {
        assert!(dropped(reason), "{reason}: {outcome:?}");
    }
    all_see(&fleet, 3);
    fleet.stop().expect("nothing is left");
}
