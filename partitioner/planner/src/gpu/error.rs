//! Why a GPU cannot hold what is wanted of it.

use kerf_types::{CiId, GiId, Placement, ProfileId, ProfileName};

/// Why a multiset of slices cannot be had on a GPU.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FitError {
    /// The grid has no such profile.
    #[error("the GPU has no profile with id {profile}")]
    UnknownProfile {
        /// The id.
        profile: ProfileId,
    },
    /// More than the GPU can hold, whatever else is there.
    #[error("{profile} x{asked}: at most {most} fit")]
    TooMany {
        /// The profile.
        profile: ProfileName,
        /// How many are wanted.
        asked: u32,
        /// How many fit.
        most: u32,
    },
    /// Fewer media engines than the slices own together.
    #[error("the wanted slices own {asked} {engine} engines together, the GPU has {most}")]
    Engines {
        /// The kind of engine.
        engine: &'static str,
        /// Engines that are needed.
        asked: u64,
        /// Engines that there are.
        most: u64,
    },
    /// Each profile fits, all together do not.
    #[error("{profile} x{asked}: at most {most} fit beside {beside}")]
    TooManyTogether {
        /// The profile that has no room.
        profile: ProfileName,
        /// How many are wanted.
        asked: u32,
        /// How many fit.
        most: u32,
        /// What else is wanted.
        beside: String,
    },
    /// It would fit, were the pinned instances elsewhere.
    #[error("{profile} x{asked}: at most {most} fit while {beside} must stay")]
    PinsInTheWay {
        /// The profile that has no room.
        profile: ProfileName,
        /// How many are wanted.
        asked: u32,
        /// How many fit.
        most: u32,
        /// The pinned instances, with their places.
        beside: String,
        /// The same as data.
        pins: Vec<Placement>,
    },
    /// A pinned instance is not among the wanted.
    #[error("GPU instance {gi} ({profile} at {placement}) must stay and is not wanted")]
    PinNotWanted {
        /// The instance.
        gi: GiId,
        /// Its profile, or the id of one that the grid does not have.
        profile: String,
        /// Its place.
        placement: Placement,
    },
    /// A part that must stay is not among the wanted.
    #[error("compute instance {gi}/{ci} ({profile}) must stay and is not wanted")]
    PartNotWanted {
        /// Its GPU instance.
        gi: GiId,
        /// The compute instance.
        ci: CiId,
        /// The part's name.
        profile: String,
    },
    /// The wanted parts cannot be in the GPU instances that can be made.
    #[error("{parts} do not go into {most} of {profile}")]
    Parts {
        /// The GPU instance profile.
        profile: ProfileName,
        /// What is wanted of its parts.
        parts: String,
        /// Most GPU instances of it.
        most: u32,
    },
    /// The driver names no such part.
    #[error("{profile} has no part of {slices} compute slices")]
    NoPart {
        /// The GPU instance profile.
        profile: ProfileName,
        /// The slices.
        slices: u8,
    },
    /// The driver names no compute instance profile that fills it.
    #[error("no compute instance profile fills {profile}")]
    NoComputeProfile {
        /// The profile.
        profile: ProfileName,
    },
    /// The search ended before it found a plan or showed that there is none.
    #[error("no plan found within {nodes} nodes, and none is ruled out")]
    Undecided {
        /// Nodes that it had.
        nodes: u64,
    },
}
