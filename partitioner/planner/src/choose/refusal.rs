//! Why an ask finds nothing: a reason for each GPU, in words.

use std::fmt;

use kerf_types::ask::{GpuRef, NicWithin, Same};
use kerf_types::{ProfileName, SharingMode};

use crate::grid::NameError;
use crate::host::GpuName;

/// Why an ask finds nothing, GPU by GPU.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct NoRoom {
    /// What was asked for.
    pub ask: String,
    /// How many of it could be had.
    pub available: u32,
    /// What was asked of the set that nobody can meet.
    pub unmet: Option<Unmet>,
    /// Every GPU, and why it does not help (further).
    pub reasons: Vec<(GpuName, Refusal)>,
}

impl fmt::Display for NoRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no room for {}", self.ask)?;
        if self.available > 0 {
            write!(f, ", only {} can be had", self.available)?;
        }
        if let Some(unmet) = &self.unmet {
            write!(f, ": {unmet}")?;
        }
        let first = if self.unmet.is_some() { "; " } else { ": " };
        if self.reasons.is_empty() && self.unmet.is_some() {
            return Ok(());
        }
        if self.reasons.is_empty() {
            return f.write_str(": this host has no GPU");
        }
        for (at, (refusal, gpus)) in self.by_refusal().iter().enumerate() {
            f.write_str(if at == 0 { first } else { "; " })?;
            match gpus.as_slice() {
                [only] => write!(f, "{only}: {refusal}")?,
                all => {
                    let all: Vec<String> = all.iter().map(|gpu| gpu.index.to_string()).collect();
                    write!(f, "GPUs {}: {refusal}", all.join(", "))?;
                }
            }
        }
        Ok(())
    }
}

impl NoRoom {
    /// Each reason once, with its GPUs: a host with eight of one kind has one reason and not eight.
    fn by_refusal(&self) -> Vec<(&Refusal, Vec<&GpuName>)> {
        let mut groups: Vec<(&Refusal, Vec<&GpuName>)> = Vec::new();
        for (gpu, refusal) in &self.reasons {
            match groups.iter_mut().find(|(known, _)| *known == refusal) {
                Some((_, gpus)) => gpus.push(gpu),
                None => groups.push((refusal, vec![gpu])),
            }
        }
        groups
    }
}

/// Why one GPU does not help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is sick.
    #[error("not well: {0}")]
    Unhealthy(String),
    /// It takes nothing new.
    #[error("{0}")]
    Closed(String),
    /// It is leased as a whole.
    #[error("leased by {0}")]
    Leased(String),
    /// Processes use it.
    #[error("{0}")]
    Busy(String),
    /// It is shared, and the ask is for something of one's own.
    #[error("it is shared by {0}, which an ask gets by that word alone")]
    Shared(SharingMode),
    /// It is not shared in the way that was asked for.
    #[error("it is not shared by {0}")]
    NotShared(SharingMode),
    /// All places on it are given.
    #[error("all of its {0} places are taken")]
    SharesTaken(u32),
    /// Its sharing does not work now.
    #[error("{0}")]
    Resting(String),
    /// It promises no memory, and memory was asked for.
    #[error("{0}")]
    NothingPromised(&'static str),
    /// It has no slice of the profile.
    #[error("it has no slice {0} to share")]
    NoSlice(ProfileName),
    /// It cannot be cut.
    #[error("it has no MIG")]
    NoMig,
    /// It may be cut, but how is not known.
    #[error("its profiles are not known while its MIG mode is off")]
    ProfilesUnknown,
    /// MIG is off and stays off.
    #[error("its MIG mode is off")]
    MigOff,
    /// MIG is on and stays on.
    #[error("its MIG mode is on")]
    MigOn,
    /// Its mode waits for a reset.
    #[error("its MIG mode changes at the next reset")]
    ModePending,
    /// It does not have the profile.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The driver names no compute instance profile for it.
    #[error("no compute instance profile fills {0}")]
    NoComputeProfile(ProfileName),
    /// All of its instances of the profile are there.
    #[error("it holds all {most} of {profile} that it can")]
    AllMade {
        /// The profile.
        profile: ProfileName,
        /// Its maximum count.
        most: u32,
    },
    /// Its media engines are given away.
    #[error("too few media engines are left for {0}")]
    Engines(ProfileName),
    /// No place is free.
    #[error("no legal place for {profile} is free ({free} of {units} units are)")]
    NoPlace {
        /// The profile.
        profile: ProfileName,
        /// Free units.
        free: u32,
        /// All units.
        units: u32,
    },
    /// It serves the ask, but there are too few like it.
    #[error("it serves {0}")]
    TooFew(u32),
    /// It is cut.
    #[error("it is cut into {0} instances")]
    Cut(usize),
    /// It lacks what was asked for.
    #[error("it lacks {0}")]
    Lacks(String),
    /// NVLink does not join it with enough others that are free.
    #[error("nvlink does not join it with enough free GPUs")]
    NotJoined,
    /// Its NVLinks are not known: the driver answers nothing about them while MIG is on.
    #[error("its nvlinks are not known while MIG is on: turn MIG off with a layout first")]
    LinksUnknown,
    /// The ask avoids it.
    #[error("the ask avoids it")]
    Avoided,
    /// No network interface is so near to it.
    #[error("it has no network interface within {0}")]
    NoNic(NicWithin),
    /// Too few that are free have this in common with it.
    #[error("too few that may be had are {} with it", together(*.0))]
    Apart(Same),
    /// How near it is to switches and interfaces is not known.
    #[error("how near switches and network interfaces are to it is not known")]
    NearUnknown,
}

fn together(same: Same) -> &'static str {
    match same {
        Same::Numa => "on one NUMA node",
        Same::Switch => "below one PCIe switch",
    }
}

/// What an ask says of the whole set, and that no choice meets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unmet {
    /// A GPU that must be among them is not there.
    #[error("there is no GPU {0}, which must be among them")]
    NoSuch(GpuRef),
    /// It is to be avoided, by another name.
    #[error("GPU {0} must be among them and is to be avoided")]
    Avoided(GpuRef),
    /// More must be among them than are asked for.
    #[error("{included} GPUs must be among {count}")]
    TooMany {
        /// How many must be.
        included: u32,
        /// How many are asked for.
        count: u32,
    },
    /// It is there, and cannot be had.
    #[error("GPU {0} must be among them and cannot be had")]
    NotFree(GpuRef),
}

/// [`NoRoom`] before it is known what exactly was asked.
pub(super) struct Shortage {
    pub available: u32,
    pub unmet: Option<Unmet>,
    pub reasons: Vec<(GpuName, Refusal)>,
}

impl Shortage {
    /// Of what the ask says of the whole set; it speaks against no GPU.
    pub fn unmet(unmet: Unmet) -> Self {
        Self {
            available: 0,
            unmet: Some(unmet),
            reasons: Vec::new(),
        }
    }

    /// Of the GPUs one by one.
    pub fn new(available: u32, reasons: Vec<(GpuName, Refusal)>) -> Self {
        Self {
            available,
            unmet: None,
            reasons,
        }
    }
}
