//! Why a multiset of slices cannot be had on several GPUs.

use kerf_types::Placement;

use crate::gpu::FitError;

/// Why wanted slices cannot be had on the GPUs of a request. GPUs are counted from 0 in its order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// More GPUs than a plan may have.
    #[error("{given} GPUs are given, a plan is for at most {most}")]
    TooManyGpus {
        /// How many are given.
        given: usize,
        /// How many may be.
        most: usize,
    },
    /// Part of a GPU instance is wanted.
    #[error("{name} names a part of a GPU instance, only whole ones are split over GPUs")]
    Partial {
        /// What is wanted.
        name: String,
    },
    /// A wanted profile exists on none of the GPUs.
    #[error("no GPU given has a profile {name}")]
    Nowhere {
        /// The profile.
        name: String,
    },
    /// A name could mean several profiles of a GPU.
    #[error("{name} could mean {candidates} of GPU {gpu}")]
    Ambiguous {
        /// The profile.
        name: String,
        /// The GPU.
        gpu: usize,
        /// What it could mean.
        candidates: String,
    },
    /// Two wanted names mean one profile of a GPU, and not everywhere.
    #[error("{first} and {second} name one profile of GPU {gpu}")]
    SameProfile {
        /// A name.
        first: String,
        /// Another.
        second: String,
        /// The GPU.
        gpu: usize,
    },
    /// More than all GPUs can hold.
    #[error("{name} x{asked}: at most {most} fit on the GPUs given")]
    TooMany {
        /// The profile.
        name: String,
        /// How many are wanted.
        asked: u32,
        /// How many fit, whatever else is there.
        most: u32,
    },
    /// A pinned instance is not among the wanted.
    #[error("{profile} at {placement} on GPU {gpu} must stay and is not wanted")]
    PinNotWanted {
        /// The GPU.
        gpu: usize,
        /// The profile.
        profile: String,
        /// Its place.
        placement: Placement,
    },
    /// Each profile fits, all together do not.
    #[error("the wanted slices do not fit together on the GPUs given{}", if *.pins { ", beside what must stay" } else { "" })]
    NoSplit {
        /// Whether instances are pinned.
        pins: bool,
    },
    /// One GPU cannot hold them: the only one, or one that has a part which must stay.
    #[error("the wanted slices do not fit on GPU {gpu}")]
    Fit {
        /// The GPU.
        gpu: usize,
        /// Why.
        #[source]
        source: FitError,
    },
    /// The search ended before it found a plan or showed that there is none.
    #[error("no plan found within {nodes} nodes, and none is ruled out")]
    Undecided {
        /// Nodes that it had.
        nodes: u64,
    },
}
