//! What every set of devices is worth.

use std::collections::BTreeSet;

use super::{DeviceSet, MOST_DEVICES, RingHost};

/// The widest way through a set that ends at each device.
type Ends = [u32; MOST_DEVICES];

/// What is known of every set of a host's devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RingTable {
    host: RingHost,
    /// By the number that a set is.
    rows: Vec<Row>,
    /// The sets of none, one, two and more devices.
    by_size: Vec<Vec<DeviceSet>>,
}

/// One set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Row {
    /// Bandwidth of the widest ring in MB/s; for two devices, of their pair; for one or none, 0.
    pub ring: u32,
    /// Sum of its pairs' scores.
    pub pair_score: u32,
    /// Sum of its devices' scores of their nearest network interface.
    pub nic_score: u32,
    /// Its NUMA nodes, a bit for each in the order of their ids.
    pub nodes: u16,
    /// How many two of its devices share a NUMA node, each order and a device with itself counted: the sum of the squares
    /// of how many are on each. The fuller the nodes, the more.
    pub together: u16,
    /// Sum over every size, from two on, of the widest ring of so many of its devices in MB/s.
    pub prospect: u64,
}

impl RingTable {
    /// Works out every set: 65,536 for sixteen devices.
    pub fn new(host: RingHost) -> Self {
        let count = host.devices().len();
        let mut rows = with_sums(&host);
        add_rings(&host, &mut rows);
        add_prospects(count, &mut rows);
        let of_size = |size| sets(count).filter(|set| set.len() == size).collect();
        Self {
            by_size: (0..=count).map(of_size).collect(),
            host,
            rows,
        }
    }

    /// The host that it is of.
    pub fn host(&self) -> &RingHost {
        &self.host
    }

    /// Bandwidth of the widest ring of a set in MB/s: the narrowest pair of the Hamiltonian cycle whose narrowest pair is
    /// the widest. Of two devices that of their pair; one device makes no ring, which is 0.
    pub fn ring(&self, set: DeviceSet) -> u32 {
        self.row(set).ring
    }

    pub(super) fn row(&self, set: DeviceSet) -> Row {
        get(&self.rows, set)
    }

    /// The sets of so many devices.
    pub(super) fn of_size(&self, size: usize) -> &[DeviceSet] {
        self.by_size.get(size).map_or(&[], Vec::as_slice)
    }
}

fn get<Value: Copy + Default>(rows: &[Value], set: DeviceSet) -> Value {
    rows.get(usize::from(set.0)).copied().unwrap_or_default()
}

/// Every set of so many devices, each after all that it holds.
fn sets(count: usize) -> impl Iterator<Item = DeviceSet> {
    (0..=DeviceSet::first(count).0).map(DeviceSet)
}

/// What adds up: a set has what it has without its first device, and what that brings.
fn with_sums(host: &RingHost) -> Vec<Row> {
    let count = host.devices().len();
    let nodes = host.numa_nodes(DeviceSet::first(count));
    let mut rows: Vec<Row> = Vec::new();
    for set in sets(count) {
        let row = set.iter().next().map_or(Row::default(), |first| {
            let rest = set.without(DeviceSet::one(first));
            let mut row = get(&rows, rest);
            for other in rest.iter() {
                let score = host.pair(first, other).score;
                row.pair_score = row.pair_score.saturating_add(score);
            }
            let device = host.devices().get(first).copied().unwrap_or_default();
            row.nic_score = row.nic_score.saturating_add(device.nic_score);
            row.nodes |= bit_of(device.numa_node, &nodes);
            if device.numa_node.is_some() {
                let others = rest.iter().filter_map(|other| host.devices().get(other));
                let same = others.filter(|other| other.numa_node == device.numa_node);
                row.together += 1 + same.map(|_| 2).sum::<u16>();
            }
            row
        });
        rows.push(row);
    }
    rows
}

/// There are as many nodes as devices at most.
fn bit_of(node: Option<u32>, nodes: &BTreeSet<u32>) -> u16 {
    let place = nodes.iter().position(|known| Some(*known) == node);
    place.map_or(0, |place| 1 << place)
}

/// By dynamic programming over ways that begin at a set's first device: a way to an end through a set is as wide as the
/// way to the device before it and the pair of the two, whichever is narrower.
fn add_rings(host: &RingHost, rows: &mut [Row]) {
    let widths: Vec<Ends> = (0..host.devices().len())
        .map(|a| std::array::from_fn(|b| host.pair(a, b).mbps))
        .collect();
    let mut ways: Vec<Ends> = Vec::with_capacity(rows.len());
    for (set, row) in sets(host.devices().len()).zip(rows) {
        let (ends, ring) = ways_through(set, &ways, &widths);
        ways.push(ends);
        row.ring = ring;
    }
}

/// The ways through a set, from those through all lesser ones, and the widest of them that closes to a ring.
fn ways_through(set: DeviceSet, ways: &[Ends], widths: &[Ends]) -> (Ends, u32) {
    let mut ends = [0; MOST_DEVICES];
    let Some(first) = set.iter().next() else {
        return (ends, 0);
    };
    let mut ring = 0;
    for (end, through) in ends.iter_mut().enumerate() {
        if set == DeviceSet::one(end) {
            *through = u32::MAX;
        } else if end != first && set.contains(end) {
            let before = set.without(DeviceSet::one(end));
            let there = get(ways, before);
            let last = widths.get(end).copied().unwrap_or_default();
            // Where the set has no such device, its way there is 0 wide.
            let way = there.iter().zip(&last).map(|(way, pair)| *way.min(pair));
            *through = way.max().unwrap_or(0);
            let back = last.get(first).copied().unwrap_or(0);
            ring = ring.max(back.min(*through));
        }
    }
    (ends, ring)
}

/// Size by size: the widest ring of so many devices of a set is its own, or that of the set without one of its devices.
fn add_prospects(count: usize, rows: &mut [Row]) {
    for size in 2..=count {
        let mut widest: Vec<u32> = Vec::with_capacity(rows.len());
        for (set, row) in sets(count).zip(rows.iter_mut()) {
            let best = match set.len().cmp(&size) {
                std::cmp::Ordering::Less => 0,
                std::cmp::Ordering::Equal => row.ring,
                std::cmp::Ordering::Greater => {
                    let less = set.iter().map(|one| set.without(DeviceSet::one(one)));
                    less.map(|less| get(&widest, less)).max().unwrap_or(0)
                }
            };
            widest.push(best);
            row.prospect += u64::from(best);
        }
    }
}
