//! Sharing a device between containers without MIG: by MPS, which gives each client an address space of its own
//! and limits in software, or by time slices, which give neither.

use std::num::NonZeroU32;

use crate::Bytes;

/// How a device is shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// Through an MPS control daemon.
    Mps(Mps),
    /// By the driver's own time slices.
    TimeSlice(TimeSlice),
}

/// Sharing through an MPS control daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mps {
    /// Leases at a time.
    pub clients: NonZeroU32,
    /// Active thread percentage of each client, 1 to 100.
    pub threads: Option<u32>,
    /// Pinned device memory of each client.
    pub memory: Option<Bytes>,
}

/// Sharing by time slices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeSlice {
    /// Leases at a time.
    pub replicas: NonZeroU32,
    /// How long a slice is.
    pub interval: Interval,
}

/// How long a time slice is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Interval {
    /// The driver's own choice.
    #[default]
    Default,
    /// Short.
    Short,
    /// Medium.
    Medium,
    /// Long.
    Long,
}
