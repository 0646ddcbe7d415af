//! Why a layout cannot be had.

use kerf_types::{MigUuid, ProfileName, SliceId, Spot};

use super::{GpuName, InUse, User};
use crate::amd::AmdPlanError;
use crate::gpu::FitError;
use crate::grid::{GridError, NameError};
use crate::split::SplitError;

/// Why a layout cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// A rule names a GPU that is not here.
    #[error("rule {rule} names {selector}, which is not on this host: it has {known}")]
    NoGpu {
        /// The rule, counted from 1.
        rule: usize,
        /// What it names.
        selector: String,
        /// What is here.
        known: String,
    },
    /// Two rules name one GPU.
    #[error("rules {first} and {second} both name {gpu}")]
    TwoRules {
        /// The GPU.
        gpu: GpuName,
        /// A rule, counted from 1.
        first: usize,
        /// Another one.
        second: usize,
    },
    /// An instance that may go by force is not here.
    #[error("no slice of this host has the MIG device {uuid}, which was named to be destroyed")]
    NoSuchDevice {
        /// The MIG device.
        uuid: MigUuid,
    },
    /// A slice is wanted in a place where its profile may not lie.
    #[error("{profile} cannot lie at {place} on {gpu}")]
    Place {
        /// The GPU.
        gpu: GpuName,
        /// The profile.
        profile: ProfileName,
        /// The place.
        place: Spot,
    },
    /// Two slices are wanted on the same units, or two parts that no one GPU instance has.
    #[error("the places {first} and {second} on {gpu} share units")]
    SharedPlace {
        /// The GPU.
        gpu: GpuName,
        /// A place.
        first: Spot,
        /// Another one.
        second: Spot,
    },
    /// MIG off, yet slices.
    #[error("rule {rule} wants slices with MIG off")]
    SlicesWithoutMig {
        /// The rule, counted from 1.
        rule: usize,
    },
    /// A sick GPU is named.
    #[error("{gpu} is not well: {health}")]
    Unhealthy {
        /// The GPU.
        gpu: GpuName,
        /// What it has.
        health: String,
    },
    /// MIG is wanted on a GPU that has none.
    #[error("{gpu} has no MIG")]
    NoMig {
        /// The GPU.
        gpu: GpuName,
    },
    /// Nothing says how the GPU can be cut.
    #[error("the driver tells of no profile of {gpu}, although its MIG mode is on")]
    ProfilesUnknown {
        /// The GPU.
        gpu: GpuName,
    },
    /// What the driver says about profiles makes no sense.
    #[error("the profiles of {gpu} are unusable")]
    Grid {
        /// The GPU.
        gpu: GpuName,
        /// Why.
        #[source]
        source: GridError,
    },
    /// A profile of the rule is not one of the GPU's.
    #[error("rule {rule} cannot be read for {gpu}")]
    Profile {
        /// The rule, counted from 1.
        rule: usize,
        /// The GPU.
        gpu: GpuName,
        /// Why.
        #[source]
        source: NameError,
    },
    /// The wanted slices cannot be together on the GPU.
    #[error("the layout does not fit on {gpu}")]
    Fit {
        /// The GPU.
        gpu: GpuName,
        /// Why.
        #[source]
        source: FitError,
    },
    /// They could, were other slices not in use.
    #[error("the layout does not fit on {gpu} beside what is in use: {in_use}")]
    Blocked {
        /// The GPU.
        gpu: GpuName,
        /// The slices that are in use, and by whom.
        in_use: InUse,
        /// What finds no room.
        #[source]
        source: FitError,
    },
    /// The layout would destroy a slice that is in use.
    #[error("the layout would destroy slice {slice} ({profile}), which is {used_by}{}", besides(.others))]
    SliceInUse {
        /// The slice.
        slice: SliceId,
        /// Its profile.
        profile: String,
        /// By whom.
        used_by: User,
        /// The other slices of the GPU that are in use.
        others: InUse,
    },
    /// The layout would change a GPU that is in use as a whole.
    #[error("the layout would change {gpu}, which is {used_by}")]
    GpuInUse {
        /// The GPU.
        gpu: GpuName,
        /// By whom.
        used_by: User,
    },
    /// The layout would change how a slice is shared that is in use.
    #[error(
        "the layout would change how slice {slice} ({profile}) is shared, which is {used_by}{}",
        besides(.others)
    )]
    ShareInUse {
        /// The slice.
        slice: SliceId,
        /// Its profile.
        profile: String,
        /// By whom.
        used_by: User,
        /// The other slices of the GPU that are in use.
        others: InUse,
    },
    /// Time slices are wanted on a GPU with MIG.
    #[error(
        "{gpu} cannot have time slices with MIG on: the driver sets their interval for whole GPUs alone"
    )]
    TimeSlicesWithMig {
        /// The GPU.
        gpu: GpuName,
    },
    /// More MPS clients than a slice serves.
    #[error(
        "{wanted} mps clients are wanted on each {profile} of {gpu}, which serves at most {most}"
    )]
    TooManyClients {
        /// The GPU.
        gpu: GpuName,
        /// The profile.
        profile: ProfileName,
        /// Wanted.
        wanted: u32,
        /// Possible.
        most: u32,
    },
    /// The mode changes only by a reset, which was not allowed.
    #[error("turning MIG {} on {gpu} needs a GPU reset, which was not allowed", if *.on { "on" } else { "off" })]
    NeedsReset {
        /// The GPU.
        gpu: GpuName,
        /// The wanted mode.
        on: bool,
    },
    /// The slices of a rule cannot be split over its GPUs.
    #[error("the slices of rule {rule} cannot be had on {gpus} together")]
    Together {
        /// The rule, counted from 1.
        rule: usize,
        /// Its GPUs.
        gpus: String,
        /// Why; GPUs have their indices.
        #[source]
        source: Box<SplitError>,
    },
    /// They could, were other slices not in use.
    #[error(
        "the slices of rule {rule} cannot be had on {gpus} together beside what is in use: {in_use}"
    )]
    TogetherBlocked {
        /// The rule, counted from 1.
        rule: usize,
        /// Its GPUs.
        gpus: String,
        /// The slices that are in use, and by whom.
        in_use: InUse,
        /// Why not.
        #[source]
        source: Box<SplitError>,
    },
    /// Nobody knows how a GPU of such a rule can be cut.
    #[error(
        "rule {rule} splits slices over GPUs, and the driver tells of no profile of {gpu} while its MIG mode is \
         off: turn MIG on there first"
    )]
    TogetherUnknown {
        /// The rule, counted from 1.
        rule: usize,
        /// The GPU.
        gpu: GpuName,
    },
    /// A rule names an AMD GPU that is not here.
    #[error(
        "rule {rule} names {selector} among AMD GPUs, which is not on this host: it has {known}"
    )]
    NoAmdGpu {
        /// The rule, counted from 1.
        rule: usize,
        /// What it names.
        selector: String,
        /// What is here.
        known: String,
    },
    /// Two rules name one AMD GPU.
    #[error("rules {first} and {second} both name AMD {gpu}")]
    TwoAmdRules {
        /// The GPU.
        gpu: GpuName,
        /// A rule, counted from 1.
        first: usize,
        /// Another one.
        second: usize,
    },
    /// AMD GPUs cannot have the wanted modes.
    #[error(transparent)]
    Amd(AmdPlanError),
}

impl PlanError {
    /// Whether vGPUs are in the way, which end otherwise than leases do.
    pub fn is_about_vgpu(&self) -> bool {
        match self {
            Self::GpuInUse { used_by, .. } => used_by.is_vgpu(),
            Self::SliceInUse {
                used_by, others, ..
            }
            | Self::ShareInUse {
                used_by, others, ..
            } => used_by.is_vgpu() || others.has_vgpu(),
            Self::Blocked { in_use, .. } | Self::TogetherBlocked { in_use, .. } => {
                in_use.has_vgpu()
            }
            _ => false,
        }
    }
}

/// The words for those who are there besides the one in the way.
fn besides(others: &InUse) -> String {
    match others.0.is_empty() {
        true => String::new(),
        false => format!("; in use there besides: {others}"),
    }
}
