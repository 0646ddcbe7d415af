//! How good a host is for one member: compared field by field in the order in which they stand, less is better.
//!
//! An ordered struct and no weighted sum: a weight says that so many of one thing are worth one of another,
//! and nobody has measured that. Each field says why it stands where it does.

use std::fmt;

use kerf_planner::Options;
use kerf_types::HostId;

use crate::effect::Effect;

/// What one member would cost on one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Score {
    /// Members that would not be on this host, by how the job communicates; 0 where its members do not.
    /// It stands first: a collective over the network is slower by more than any fragment is worth.
    pub apart: u32,
    /// GPUs whose MIG mode would change: that takes a whole GPU from those who ask for one.
    pub mode_changes: u32,
    /// Slices that would be cut: a free one is there at once and costs no driver call.
    pub cuts: u32,
    /// Options that the host would lose, as the planner counts them: fragmentation.
    pub lost: Options,
    /// GPUs on which nothing would be left: fuller hosts first, so that whole ones stay whole.
    pub whole_gpus_left: u32,
    /// NUMA nodes that its devices are next to.
    pub numa_nodes: u32,
    /// Load of the host in tenths: finer steps are noise.
    pub load_tenths: u16,
    /// Price of the host; one that names none comes last.
    pub price_milli_per_hour: u64,
    /// Whether it is another host than the one that was asked: among equals the nearest.
    pub remote: bool,
    /// Among equals, any order that all hosts share.
    pub host: HostId,
}

impl Score {
    pub(crate) fn new(apart: u32, effect: &Effect, facts: Facts) -> Self {
        Self {
            apart,
            mode_changes: effect.mode_changes,
            cuts: effect.cuts,
            lost: effect.lost,
            whole_gpus_left: effect.whole_gpus_left,
            numa_nodes: effect.numa_nodes,
            load_tenths: facts.load_per_mille / 100,
            price_milli_per_hour: facts.price_milli_per_hour.unwrap_or(u64::MAX),
            remote: facts.remote,
            host: facts.host,
        }
    }
}

/// What a score needs beside the effect.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts {
    pub load_per_mille: u16,
    pub price_milli_per_hour: Option<u64>,
    pub remote: bool,
    pub host: HostId,
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.apart > 0 {
            write!(f, "{} members apart, ", self.apart)?;
        }
        if self.mode_changes > 0 {
            write!(f, "{} MIG mode changes, ", self.mode_changes)?;
        }
        match (self.cuts, self.lost) {
            (0, lost) => write!(f, "nothing to cut, {} options lost", lost.more)?,
            (cuts, lost) => write!(f, "{cuts} to cut, {} options lost", lost.more)?,
        }
        write!(f, ", {} whole GPUs left", self.whole_gpus_left)?;
        if self.numa_nodes > 1 {
            write!(f, ", over {} NUMA nodes", self.numa_nodes)?;
        }
        write!(f, ", load {}/10", self.load_tenths)
    }
}
