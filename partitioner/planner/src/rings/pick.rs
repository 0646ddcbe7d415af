//! The best set of the wanted size among what is free.

use std::cmp::Reverse;

use super::{DeviceSet, RingTable};

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wish {
    /// How many devices.
    pub count: usize,
    /// Those that are free and well; what is not taken of them is left for later.
    pub free: DeviceSet,
    /// Those that must be among them.
    pub include: DeviceSet,
    /// Those that must not be, free or not.
    pub avoid: DeviceSet,
    /// Those that cost something to have: of equal rings one with fewer of them is taken, whatever is left for later.
    pub rather_not: DeviceSet,
    /// Groups of which one must hold all, such as the devices of a NUMA node or below a switch; `None` binds nothing.
    pub within: Option<Vec<DeviceSet>>,
}

/// The set that is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chosen {
    /// Its devices.
    pub set: DeviceSet,
    /// Bandwidth of its widest ring in MB/s; `None` for one device, which makes no ring.
    pub ring_mbps: Option<u32>,
    /// Sum of its pairs' scores.
    pub pair_score: u32,
}

/// Why no set can be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WishError {
    /// A set of none is no answer to anything.
    #[error("no accelerator is asked for; ask for one at least")]
    None,
    /// A device is to be among them and not to be.
    #[error("accelerator {device} must be among them and is left out")]
    IncludedAvoided {
        /// Its number.
        device: usize,
    },
    /// A device that must be among them cannot be had.
    #[error("accelerator {device} must be among them and is not free")]
    IncludedNotFree {
        /// Its number.
        device: usize,
    },
    /// More must be among them than are asked for.
    #[error("asked for {count}, and {included} must be among them")]
    IncludedTooMany {
        /// How many must be.
        included: usize,
        /// How many are asked for.
        count: usize,
    },
    /// Too few can be had.
    #[error("asked for {count}, and {available} can be had")]
    TooFew {
        /// How many are asked for.
        count: usize,
        /// How many can be had.
        available: usize,
    },
    /// Enough can be had, but no group has so many.
    #[error(
        "asked for {count} in one group, and {largest} can be had in the largest one that has all that must be among them"
    )]
    NoGroup {
        /// How many are asked for.
        count: usize,
        /// How many the fullest group has.
        largest: usize,
    },
}

impl WishError {
    /// The same in the numbers by which somebody else knows the devices.
    #[must_use]
    pub fn numbered(self, number: impl Fn(usize) -> usize) -> Self {
        match self {
            Self::IncludedAvoided { device } => Self::IncludedAvoided {
                device: number(device),
            },
            Self::IncludedNotFree { device } => Self::IncludedNotFree {
                device: number(device),
            },
            Self::None
            | Self::IncludedTooMany { .. }
            | Self::TooFew { .. }
            | Self::NoGroup { .. } => self,
        }
    }
}

impl RingTable {
    /// The best set.
    ///
    /// # Errors
    /// Where there is none, with what is in the way.
    pub fn pick(&self, wish: &Wish) -> Result<Chosen, WishError> {
        let all = DeviceSet::first(self.host().devices().len());
        let free = wish.free.and(all);
        let groups = groups(wish, free.without(wish.avoid))?;
        let fits = |set: &DeviceSet| {
            set.has_all(wish.include) && groups.iter().any(|group| group.has_all(*set))
        };
        let sets = self.of_size(wish.count).iter().copied().filter(fits);
        let set = sets.max_by_key(|set| self.worth(*set, free, wish.rather_not));
        // A group with room for so many holds a set of so many.
        let set = set.unwrap_or_default();
        let row = self.row(set);
        Ok(Chosen {
            set,
            ring_mbps: (set.len() > 1).then_some(row.ring),
            pair_score: row.pair_score,
        })
    }

    /// By what sets are compared, the most important first. Among equals the one with the lowest numbers is the greatest.
    fn worth(&self, set: DeviceSet, free: DeviceSet, cost: DeviceSet) -> impl Ord + use<> {
        let (row, rest) = (self.row(set), self.row(free.without(set)));
        (
            row.ring,
            Reverse(set.and(cost).len()),
            rest.prospect,
            row.pair_score,
            row.nic_score,
            Reverse(row.nodes.count_ones()),
            rest.together,
            // The lowest number in which they differ counts the most.
            set.0.reverse_bits(),
        )
    }
}

/// The groups that have room among what can be had, or what is in the way.
fn groups(wish: &Wish, may: DeviceSet) -> Result<Vec<DeviceSet>, WishError> {
    let (count, included) = (wish.count, wish.include.len());
    if count == 0 {
        return Err(WishError::None);
    }
    if let Some(device) = wish.include.and(wish.avoid).iter().next() {
        return Err(WishError::IncludedAvoided { device });
    }
    if let Some(device) = wish.include.without(may).iter().next() {
        return Err(WishError::IncludedNotFree { device });
    }
    if included > count {
        return Err(WishError::IncludedTooMany { included, count });
    }
    let available = may.len();
    if available < count {
        return Err(WishError::TooFew { count, available });
    }
    let Some(within) = &wish.within else {
        return Ok(vec![may]);
    };
    let groups = within.iter().map(|group| group.and(may));
    let groups: Vec<DeviceSet> = groups.filter(|group| group.has_all(wish.include)).collect();
    let largest = groups.iter().map(|group| group.len()).max().unwrap_or(0);
    match largest < count {
        true => Err(WishError::NoGroup { count, largest }),
        false => Ok(groups),
    }
}
