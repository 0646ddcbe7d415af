//! The vocabulary of kerf: the ids, facts and requests that every part names in the same way.
//!
//! Pure: no IO, no clock, no serde. Wire and disk formats are structs of their own (`kerf-api`) that
//! convert to and from these types, so that a format can change without touching the meaning.

#![forbid(unsafe_code)]

pub mod amd;
pub mod ask;
pub mod bytes;
pub mod compute;
pub mod device;
pub mod fabric;
pub mod gang;
pub mod host;
pub mod host_record;
pub mod ids;
pub mod inventory;
pub mod job;
pub mod layout;
pub mod lease;
pub mod map;
pub mod mig;
pub mod pattern;
pub mod pci;
pub mod peer;
pub mod placement;
pub mod profile;
pub mod sample;
pub mod sharing;
pub mod step;
pub mod time;
pub mod topology;
pub mod turn;
pub mod vgpu;

pub use amd::{AmdGpu, AmdWish, ComputePartition, MemoryPartition};
pub use ask::Ask;
pub use bytes::Bytes;
pub use compute::ComputeProfile;
pub use device::{DeviceKind, DeviceName, LeasedDevice};
pub use gang::{Gang, GangHost, PortRange};
pub use host::{HostId, HostName};
pub use host_record::HostRecord;
pub use ids::{
    CiId, ContainerRef, DeviceMinor, Fence, GiId, GpuUuid, JobId, LeaseId, MigUuid, ProfileId,
    SliceId, VgpuTypeId, VgpuUuid,
};
pub use inventory::{Gpu, Health, Inventory};
pub use map::HostMap;
pub use mig::{ComputeInstance, GpuInstance, MigMode};
pub use pci::PciAddress;
pub use placement::{Placement, Spot, UnitMask};
pub use profile::{Engines, Profile, ProfileName};
pub use sharing::{DeviceId, Isolation, Share, Sharing, SharingMode};
pub use step::Step;
pub use time::{Moment, Timestamp};
pub use turn::{Place, Turn};
pub use vgpu::{Sriov, Vgpu, VgpuFramework, VgpuFunction, VgpuGpu, VgpuType};

/// The vendor part of every name that kerf gives in public: CDI kinds, annotations, labels.
pub const VENDOR: &str = "kerf.dev";

/// A value that could not be read: what it should have been, and what it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} expected, found {found:?}: {hint}")]
pub struct ParseError {
    /// The kind of value that was expected, with its article: `a PCI address`.
    pub what: &'static str,
    /// The text that was found, cut to 120 characters.
    pub found: String,
    /// What a right value looks like.
    pub hint: &'static str,
}

impl ParseError {
    /// Makes an error about `found`, which may be of any length and come from anywhere.
    pub fn new(what: &'static str, found: &str, hint: &'static str) -> Self {
        Self {
            what,
            found: found.chars().take(120).collect(),
            hint,
        }
    }
}

#[cfg(test)]
mod tests;
