//! A host under a flood of junk answers none of it, counts it by reason, takes no more memory for it, and stays in the fleet
//! as all others do. The whole rate, and how many probes are lost, is measured by `cargo xtask bench junk`; this is what a
//! build that is not optimised bears beside other tests.

use std::collections::BTreeMap;
use std::time::Duration;

use kerf_tests::junk::{self, Plan};
use kerf_tests::world::Fleet;
use serde_json::Value;

use super::world::{all_see, measured, nodes, of};

const PLAN: Plan = Plan {
    per_second: 2_000,
    time: Duration::from_secs(10),
    before: Duration::from_secs(1),
};

/// What memory may grow by.
const GROWTH_BYTES: u64 = 32 << 20;

/// The host that is flooded: not the one that the others have joined.
const TARGET: usize = 2;

/// What junk of each kind is counted as. Which of them a stranger's limit has cut off is `flood`.
const REASONS: [&str; 7] = [
    "flood",
    "forged",
    "not_gossip",
    "oversized",
    "replayed",
    "too_short",
    "unknown_key",
];

#[test]
fn a_flood_of_junk_is_answered_by_nobody_and_takes_nobody_down() {
    let Some(fleet) = of(&["h100x1"; 3]) else {
        return;
    };
    let before = ids(&fleet);
    let outcome = junk::measure(&fleet, TARGET, PLAN).expect("it is measured");
    measured(&outcome.document().to_string());
    assert_eq!(outcome.answers, 0, "{outcome:?}");
    assert!(outcome.rss_growth_bytes < GROWTH_BYTES, "{outcome:?}");
    let counted: BTreeMap<&str, u64> = outcome
        .drops
        .iter()
        .map(|(reason, count)| (reason.as_str(), *count))
        .collect();
    for reason in REASONS {
        assert!(counted.contains_key(reason), "{reason}: {outcome:?}");
    }
    // Each is counted, here or by the kernel that had no room; a kernel that is very busy loses some before.
    let known = counted.values().sum::<u64>() + outcome.unread;
    assert!(known * 10 > outcome.sent * 9, "{known} of {outcome:?}");
    all_see(&fleet, 3);
    assert_eq!(ids(&fleet), before, "nobody was invented");
    fleet.stop().expect("nothing is left");
}

/// Who is known to whom.
fn ids(fleet: &Fleet) -> Vec<Vec<Value>> {
    let of = |number| {
        let mut ids: Vec<Value> = nodes(fleet, number)
            .into_iter()
            .map(|node| node["id"].clone())
            .collect();
        ids.sort_by_key(Value::to_string);
        ids
    };
    (1..=fleet.hosts().len()).map(of).collect()
}
