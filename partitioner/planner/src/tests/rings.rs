//! The chosen set is the one that trying every order of every set finds.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use proptest::prelude::*;

use crate::rings::{
    DeviceSet, MOST_DEVICES, Pair, RingDevice, RingHost, RingTable, TooMany, Wish, WishError,
};

/// A host with these bandwidths in GB/s between each two of its devices, and scores ten times as high.
fn host(count: usize, gbps: impl Fn(usize, usize) -> u32) -> RingTable {
    let device = |at: usize| RingDevice {
        numa_node: Some(u32::from(at >= count / 2)),
        nic_score: 0,
        nic: None,
    };
    let devices = (0..count).map(device).collect();
    let pair = |a, b| Pair {
        mbps: gbps(a, b) * 1_000,
        score: gbps(a, b) * 10,
        ..Pair::default()
    };
    RingTable::new(RingHost::new(devices, pair).expect("few devices"))
}

fn wish(count: usize, free: &[usize]) -> Wish {
    Wish {
        count,
        free: free.iter().copied().collect(),
        ..Wish::default()
    }
}

fn picked(table: &RingTable, wish: &Wish) -> Result<Vec<usize>, WishError> {
    table.pick(wish).map(|chosen| chosen.set.iter().collect())
}

/// Every order of some devices.
fn orders(of: &[usize]) -> Vec<Vec<usize>> {
    let Some((last, rest)) = of.split_last() else {
        return vec![Vec::new()];
    };
    let mut all = Vec::new();
    for order in orders(rest) {
        for place in 0..of.len() {
            let mut with_last = order.clone();
            with_last.insert(place, *last);
            all.push(with_last);
        }
    }
    all
}

/// The widest ring by trying every order; of one or none 0.
pub(super) fn widest(host: &RingHost, devices: &[usize]) -> u32 {
    let narrowest = |order: Vec<usize>| {
        let next = order.iter().cycle().skip(1);
        let pairs = order.iter().zip(next);
        pairs.map(|(a, b)| host.pair(*a, *b).mbps).min()
    };
    orders(devices)
        .into_iter()
        .filter_map(narrowest)
        .max()
        .unwrap_or(0)
}

/// Every set of so many of these.
pub(super) fn sets(of: &[usize], size: usize) -> Vec<Vec<usize>> {
    match (size, of.split_first()) {
        (0, _) => vec![Vec::new()],
        (_, None) => Vec::new(),
        (_, Some((first, rest))) => {
            let with = sets(rest, size - 1).into_iter().map(|mut set| {
                set.insert(0, *first);
                set
            });
            with.chain(sets(rest, size)).collect()
        }
    }
}

/// The same choice from the definitions alone.
fn reference(host: &RingHost, wish: &Wish) -> Option<Vec<usize>> {
    let free: Vec<usize> = wish.free.iter().collect();
    let may = |set: &Vec<usize>| {
        let is_within = |group: &DeviceSet| set.iter().all(|one| group.contains(*one));
        wish.include.iter().all(|one| set.contains(&one))
            && !wish.avoid.iter().any(|one| set.contains(&one))
            && wish
                .within
                .as_ref()
                .is_none_or(|within| within.iter().any(is_within))
    };
    let worth = |set: &Vec<usize>| {
        let rest: Vec<usize> = free
            .iter()
            .copied()
            .filter(|one| !set.contains(one))
            .collect();
        let best = |size| sets(&rest, size).iter().map(|set| widest(host, set)).max();
        let later: u64 = (2..=rest.len()).filter_map(best).map(u64::from).sum();
        let pairs = sets(set, 2);
        let score: u32 = pairs
            .iter()
            .map(|two| host.pair(two[0], two[1]).score)
            .sum();
        let nics: u32 = set.iter().map(|one| host.devices()[*one].nic_score).sum();
        let nodes: BTreeSet<_> = set
            .iter()
            .filter_map(|one| host.devices()[*one].numa_node)
            .collect();
        let ring = if set.len() > 1 { widest(host, set) } else { 0 };
        let cost = set.iter().filter(|one| wish.rather_not.contains(**one));
        let node = |one: &usize| host.devices()[*one].numa_node;
        let on = |of: u32| rest.iter().filter(|one| node(one) == Some(of)).count();
        let together: usize = (0..3).map(|node| on(node).pow(2)).sum();
        let (cost, nodes) = (Reverse(cost.count()), Reverse(nodes.len()));
        (ring, cost, later, score, nics, nodes, together)
    };
    let sets = sets(&free, wish.count).into_iter().filter(may);
    let worths: Vec<_> = sets.map(|set| (worth(&set), set)).collect();
    let best = worths.iter().map(|(worth, _)| *worth).max()?;
    let equal = worths.into_iter().filter(|(worth, _)| *worth == best);
    equal.map(|(_, set)| set).min()
}

prop_compose! {
    /// A host of up to six devices, and what is asked of it.
    fn case()(count in 1usize..=6)(
        count in Just(count),
        pairs in prop::collection::vec((0u32..5, 0u32..4), 36),
        devices in prop::collection::vec((prop::option::of(0u32..3), 0u32..3), count),
        wanted in 1usize..=count,
        free in 0u16..64,
        include in prop_oneof![3 => Just(0u16), 1 => 0u16..64],
        avoid in prop_oneof![2 => Just(0u16), 1 => 0u16..64],
        rather_not in prop_oneof![2 => Just(0u16), 1 => 0u16..64],
        within in prop_oneof![2 => Just(None), 1 => prop::collection::vec(0u16..64, 0..3).prop_map(Some)],
    ) -> (RingHost, Wish) {
        let bits = |bits: u16| (0..count).filter(|at| bits >> at & 1 == 1).collect::<DeviceSet>();
        let device = |(numa_node, nic_score)| RingDevice { numa_node, nic_score, nic: None };
        let host = RingHost::new(devices.into_iter().map(device).collect(), |a, b| {
            let (mbps, score) = pairs[a * 6 + b];
            Pair { mbps, score, ..Pair::default() }
        });
        let wish = Wish {
            count: wanted,
            free: bits(free),
            include: bits(include),
            avoid: bits(avoid),
            rather_not: bits(rather_not),
            within: within.map(|within| within.into_iter().map(bits).collect()),
        };
        (host.expect("few devices"), wish)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn nothing_better_is_found_by_trying_everything((host, wish) in case()) {
        let table = RingTable::new(host.clone());
        let found = picked(&table, &wish).ok();
        let included = wish.include.without(wish.free).is_empty();
        let expected = reference(&host, &wish).filter(|_| included);
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn a_ring_is_as_wide_as_its_narrowest_pair() {
    // A square with one wide diagonal: round it goes 40, and no three have more than its side.
    let table = host(4, |a, b| match (a, b) {
        (0, 2) => 100,
        (1, 3) => 8,
        _ => 40,
    });
    let ring = |devices: &[usize]| table.ring(devices.iter().copied().collect());
    assert_eq!(ring(&[0, 1, 2, 3]), 40_000);
    assert_eq!(ring(&[0, 1, 2]), 40_000);
    assert_eq!(ring(&[0, 2]), 100_000);
    assert_eq!(ring(&[3]), 0);
    let two = table.pick(&wish(2, &[0, 1, 2, 3])).expect("two of four");
    assert_eq!(two.set, [0, 2].into_iter().collect());
    assert_eq!((two.ring_mbps, two.pair_score), (Some(100_000), 1_000));
    let one = table.pick(&wish(1, &[3])).expect("one");
    assert_eq!((one.ring_mbps, one.pair_score), (None, 0));
}

#[test]
fn of_equal_rings_the_one_that_leaves_the_wider_is_taken() {
    // Pairs 0-1 and 2-3 are wide, and so is 1-2: taking that would part the other two.
    let table = host(4, |a, b| if b == a + 1 { 40 } else { 8 });
    assert_eq!(picked(&table, &wish(2, &[0, 1, 2, 3])), Ok(vec![0, 1]));
    // What is avoided stays free: the pair that it makes is kept.
    let avoided = Wish {
        avoid: DeviceSet::one(1),
        ..wish(1, &[0, 1, 3])
    };
    assert_eq!(picked(&table, &avoided), Ok(vec![3]));
    let middle = Wish {
        include: DeviceSet::one(2),
        ..wish(2, &[0, 1, 2, 3])
    };
    assert_eq!(picked(&table, &middle), Ok(vec![2, 3]));
}

#[test]
fn a_device_that_is_lost_takes_no_other_with_it() {
    let table = host(8, |_, _| 20);
    let without_3: Vec<usize> = (0..8).filter(|at| *at != 3).collect();
    assert_eq!(picked(&table, &wish(4, &without_3)), Ok(vec![4, 5, 6, 7]));
    assert_eq!(picked(&table, &wish(7, &without_3)), Ok(without_3));
}

#[test]
fn what_cannot_be_had_is_said() {
    let table = host(4, |_, _| 20);
    let all = [0, 1, 2, 3];
    let refused = |wish: &Wish| {
        picked(&table, wish)
            .expect_err("it cannot be had")
            .to_string()
    };
    let few = refused(&wish(3, &[0, 2]));
    assert_eq!(few, "asked for 3, and 2 can be had");
    assert_eq!(refused(&wish(5, &all)), "asked for 5, and 4 can be had");
    assert_eq!(picked(&table, &wish(0, &all)), Err(WishError::None));
    let include = |devices: &[usize], wish: Wish| Wish {
        include: devices.iter().copied().collect(),
        ..wish
    };
    let taken = refused(&include(&[1], wish(1, &[0, 2])));
    assert_eq!(taken, "accelerator 1 must be among them and is not free");
    let many = refused(&include(&[0, 1], wish(1, &all)));
    assert_eq!(many, "asked for 1, and 2 must be among them");
    let halves = vec![[0, 1].into_iter().collect(), [2, 3].into_iter().collect()];
    let apart = Wish {
        within: Some(halves),
        ..include(&[2], wish(3, &all))
    };
    assert!(refused(&apart).contains("in one group, and 2 can be had"));
    let seventeen = RingHost::new(vec![RingDevice::default(); 17], |_, _| Pair::default());
    assert_eq!(seventeen.err(), Some(TooMany { count: 17 }));
    let sixteen = host(MOST_DEVICES, |_, _| 20);
    let every: Vec<usize> = (0..16).collect();
    assert_eq!(picked(&sixteen, &wish(16, &every)), Ok(every));
}
