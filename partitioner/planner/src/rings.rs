//! Which set of accelerators a job gets: exact, by tables over every set of a host's devices.
//!
//! A collective runs round a ring, and as fast as the slowest pair of it. So a set is worth its widest ring: the
//! Hamiltonian cycle whose narrowest pair is the widest. Among sets of equal rings the one that leaves the most for later
//! is taken, which is the sum over every size of the best ring among what remains; then the larger sum of pair scores, the
//! nearer network interfaces, the fewer NUMA nodes, the one that leaves the fuller NUMA nodes, and the lowest numbers.
//!
//! [`RingTable::new`] works everything out that does not depend on what is free, once for each change of the topology; a
//! choice then looks at every set of the wanted size. A device that is lost is one that is not free: it takes no other
//! with it.

mod bound;
mod gpus;
mod pick;
mod table;
mod weights;

use std::collections::BTreeSet;

use kerf_types::topology::LinkClass;

pub use bound::Bound;
pub use gpus::GpuRings;
pub use pick::{Chosen, Wish, WishError};
pub use table::RingTable;
pub use weights::{GBPS, Nearness, PairWeights, SCORES, Weights};

/// Most devices that are chosen among; every set of them has a row in the tables.
pub const MOST_DEVICES: usize = 16;

/// A set of devices, a bit for each by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct DeviceSet(u16);

impl DeviceSet {
    /// No device.
    pub const EMPTY: Self = Self(0);

    /// One device.
    pub fn one(device: usize) -> Self {
        [device].into_iter().collect()
    }

    /// The first `count` devices.
    pub fn first(count: usize) -> Self {
        (0..count).collect()
    }

    /// Whether a device is in it.
    pub fn contains(self, device: usize) -> bool {
        device < MOST_DEVICES && self.0 >> device & 1 == 1
    }

    /// Whether all of these are in it.
    pub fn has_all(self, of: Self) -> bool {
        of.0 & !self.0 == 0
    }

    /// How many devices it has.
    pub fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Whether it has none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Its devices in order.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        (0..MOST_DEVICES).filter(move |device| self.contains(*device))
    }

    /// Those that are in both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those that are in one or the other.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those that are not in the other.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

/// Devices beyond [`MOST_DEVICES`] are left out.
impl FromIterator<usize> for DeviceSet {
    fn from_iter<Devices: IntoIterator<Item = usize>>(devices: Devices) -> Self {
        let known = devices.into_iter().filter(|device| *device < MOST_DEVICES);
        Self(known.fold(0, |set, device| set | 1 << device))
    }
}

/// What joins two devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pair {
    /// Bandwidth in MB/s.
    pub mbps: u32,
    /// How near they are; more is nearer. What the numbers mean is the caller's.
    pub score: u32,
    /// Whether one PCIe switch, or several below one another, leads to both; functions of one card are.
    pub is_below_one_switch: bool,
}

/// A device among which is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RingDevice {
    /// Its NUMA node, where that is known.
    pub numa_node: Option<u32>,
    /// How near its nearest network interface is, in the same numbers as [`Pair::score`]; 0 for none.
    pub nic_score: u32,
    /// The level of the nearest network interface; `None` where there is none.
    pub nic: Option<LinkClass>,
}

/// The devices of a host and what joins them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RingHost {
    devices: Vec<RingDevice>,
    /// By the lower number and the higher one.
    pairs: Vec<Vec<Pair>>,
}

/// More devices than can be chosen among.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{count} accelerators, and a set is chosen exactly among at most {MOST_DEVICES}")]
pub struct TooMany {
    /// How many there are.
    pub count: usize,
}

impl TooMany {
    /// Whether so many are few enough.
    ///
    /// # Errors
    /// Where they are not.
    pub fn check(count: usize) -> Result<(), Self> {
        match count > MOST_DEVICES {
            true => Err(Self { count }),
            false => Ok(()),
        }
    }
}

impl RingHost {
    /// A host; `pair` tells what joins two of its devices, asked once for each two with the lower number first.
    ///
    /// # Errors
    /// Where there are more than [`MOST_DEVICES`].
    pub fn new(
        devices: Vec<RingDevice>,
        mut pair: impl FnMut(usize, usize) -> Pair,
    ) -> Result<Self, TooMany> {
        let count = devices.len();
        TooMany::check(count)?;
        let pairs = (0..count).map(|low| (low + 1..count).map(|high| pair(low, high)).collect());
        Ok(Self {
            pairs: pairs.collect(),
            devices,
        })
    }

    /// The devices, by number.
    pub fn devices(&self) -> &[RingDevice] {
        &self.devices
    }

    /// What joins two devices; a device is joined to itself by nothing.
    pub fn pair(&self, a: usize, b: usize) -> Pair {
        let (low, high) = (a.min(b), a.max(b));
        let row = self.pairs.get(low);
        let at = high.checked_sub(low + 1);
        row.zip(at)
            .and_then(|(row, at)| row.get(at))
            .copied()
            .unwrap_or_default()
    }

    /// The NUMA nodes of a set; an unknown one is none.
    pub fn numa_nodes(&self, set: DeviceSet) -> BTreeSet<u32> {
        let nodes = set.iter().filter_map(|device| self.devices.get(device));
        nodes.filter_map(|device| device.numa_node).collect()
    }
}
