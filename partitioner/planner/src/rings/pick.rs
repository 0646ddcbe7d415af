//! The best set of the wanted size among what is free.

use std::cmp::Reverse;

use super::{DeviceSet, RingTable};

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// How many devices.
    pub count: usize,
    /// Those that can be had: free, well and allowed.
    pub free: DeviceSet,
    /// Those that must be among them.
    pub include: DeviceSet,
    /// Groups of which one must hold all, such as the devices of a NUMA node or below a switch; none binds nothing.
    pub within: Vec<DeviceSet>,
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
    /// A device that must be among them cannot be had.
    #[error("accelerator {device} must be among them and is not free")]
    IncludedNotFree {
        /// Its number.
        device: usize,
    },
    /// More must be among them than are asked for.
    #[error("{included} accelerators must be among {count}")]
    IncludedTooMany {
        /// How many must be.
        included: usize,
        /// How many are asked for.
        count: usize,
    },
    /// Too few are free.
    #[error("{count} accelerators are asked for and {free} are free")]
    TooFew {
        /// How many are asked for.
        count: usize,
        /// How many can be had.
        free: usize,
    },
    /// Enough are free, but no group has so many.
    #[error(
        "{count} accelerators are asked for in one group, and {largest} are free in the one that has the most of them \
         and those that must be among them"
    )]
    NoGroup {
        /// How many are asked for.
        count: usize,
        /// How many the fullest group has.
        largest: usize,
    },
}

impl RingTable {
    /// The best set.
    ///
    /// # Errors
    /// Where there is none, with what is in the way.
    pub fn pick(&self, wish: &Wish) -> Result<Chosen, WishError> {
        let free = wish.free.and(DeviceSet::first(self.host().devices().len()));
        let groups = groups(wish, free)?;
        let fits = |set: &DeviceSet| {
            set.has_all(wish.include) && groups.iter().any(|group| group.has_all(*set))
        };
        let sets = self.of_size(wish.count).iter().copied().filter(fits);
        let set = sets.max_by_key(|set| self.worth(*set, free));
        let set = set.ok_or(WishError::TooFew {
            count: wish.count,
            free: free.len(),
        })?;
        let row = self.row(set);
        Ok(Chosen {
            set,
            ring_mbps: (set.len() > 1).then_some(row.ring),
            pair_score: row.pair_score,
        })
    }

    /// By what sets are compared, the most important first. Among equals the one with the lowest numbers is the greatest.
    fn worth(&self, set: DeviceSet, free: DeviceSet) -> impl Ord + use<> {
        let (row, rest) = (self.row(set), free.without(set));
        (
            row.ring,
            self.prospect(rest),
            row.pair_score,
            row.nic_score,
            Reverse(row.nodes.count_ones()),
            // The lowest number in which they differ counts the most.
            set.0.reverse_bits(),
        )
    }
}

/// The groups that have room, or what is in the way.
fn groups(wish: &Wish, free: DeviceSet) -> Result<Vec<DeviceSet>, WishError> {
    let (count, included) = (wish.count, wish.include.len());
    if count == 0 {
        return Err(WishError::None);
    }
    if let Some(device) = wish.include.without(free).iter().next() {
        return Err(WishError::IncludedNotFree { device });
    }
    if included > count {
        return Err(WishError::IncludedTooMany { included, count });
    }
    if free.len() < count {
        let free = free.len();
        return Err(WishError::TooFew { count, free });
    }
    if wish.within.is_empty() {
        return Ok(vec![free]);
    }
    let has_all = |group: &DeviceSet| group.has_all(wish.include);
    let groups: Vec<DeviceSet> = wish.within.iter().map(|group| group.and(free)).collect();
    let groups: Vec<DeviceSet> = groups.into_iter().filter(has_all).collect();
    let largest = groups.iter().map(|group| group.len()).max().unwrap_or(0);
    match largest < count {
        true => Err(WishError::NoGroup { count, largest }),
        false => Ok(groups),
    }
}
