//! Sharing one device between several leases without MIG: by MPS, which gives each client an address space of its
//! own and limits in software, or by time slices, which give neither.
//!
//! Owns the words and what each of them promises. Never says who may share: that is a layout's business.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use crate::ids::SliceId;
use crate::pci::PciAddress;
use crate::{Bytes, ParseError};

/// Most MPS clients of a whole GPU (NVIDIA's MPS documentation, "Volta MPS": 48 client contexts per device).
pub const MPS_CLIENT_LIMIT: u32 = 48;

/// Most time slices of one GPU. The driver has no limit; beyond this each waits longer for its turn than a
/// program can be expected to bear.
pub const REPLICA_LIMIT: u32 = 64;

/// How a device is shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sharing {
    /// Through an MPS control daemon.
    Mps(Mps),
    /// By the driver's own time slices.
    TimeSlice(TimeSlice),
}

/// Sharing through an MPS control daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mps {
    /// Leases at a time.
    pub clients: NonZeroU32,
    /// Active thread percentage of each client, 1 to 100.
    pub threads: Option<u32>,
    /// Pinned device memory of each client, in whole MiB.
    pub memory: Option<Bytes>,
}

/// Sharing by time slices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeSlice {
    /// Leases at a time.
    pub replicas: NonZeroU32,
    /// How long a slice is.
    pub interval: Interval,
}

/// How long a time slice is: the values of `nvidia-smi compute-policy --set-timeslice`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
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

/// The way a device is shared, without its numbers: what an ask names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SharingMode {
    /// MPS.
    Mps,
    /// Time slices.
    TimeSlice,
}

/// One place on a shared device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share {
    /// How the device is shared.
    pub mode: SharingMode,
    /// Which of the places, counted from 0.
    pub index: u32,
    /// How many there are.
    pub of: u32,
}

/// A device that can be shared: a whole GPU, or one slice of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeviceId {
    /// A whole GPU.
    Gpu(PciAddress),
    /// A slice.
    Slice(SliceId),
}

/// What keeps a lease apart from its neighbours, said as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Isolation {
    /// A whole GPU: nobody else is on it.
    Device,
    /// A MIG slice: own memory, own multiprocessors.
    Hardware,
    /// A vGPU: own memory, and turns on multiprocessors that others have too, unless its type lies in a GPU instance.
    Vgpu,
    /// A part of a GPU instance: own multiprocessors, and memory that it shares with the other parts.
    Compute,
    /// A share by MPS: an address space of its own, limits by software, and a fatal fault of one client ends all.
    Mps,
    /// A share by time slices: no limit of memory, and no isolation of faults.
    TimeSlice,
}

impl Sharing {
    /// The way, without numbers.
    pub fn mode(self) -> SharingMode {
        match self {
            Self::Mps(_) => SharingMode::Mps,
            Self::TimeSlice(_) => SharingMode::TimeSlice,
        }
    }

    /// Leases at a time on each device.
    pub fn places(self) -> u32 {
        match self {
            Self::Mps(mps) => mps.clients.get(),
            Self::TimeSlice(slice) => slice.replicas.get(),
        }
    }

    /// One of its places.
    pub fn share(self, index: u32) -> Share {
        Share {
            mode: self.mode(),
            index,
            of: self.places(),
        }
    }

    /// The memory that each lease on a device of `memory` can count on: the limit, as far as all of them can have
    /// it at once. Nothing is promised without one.
    pub fn promises(self, memory: Bytes) -> Option<Bytes> {
        match self {
            Self::Mps(mps) => {
                let share = Bytes(memory.0 / u64::from(mps.clients.get()));
                mps.memory.map(|limit| limit.min(share))
            }
            Self::TimeSlice(_) => None,
        }
    }
}

/// Most MPS clients of a slice with `slices` of a GPU's `whole` compute slices: the limit of the whole GPU in
/// proportion, and at least one (MPS documentation, "MPS on Multi-Instance GPUs").
pub fn mps_limit(slices: u32, whole: u32) -> u32 {
    let part = MPS_CLIENT_LIMIT.saturating_mul(slices).checked_div(whole);
    part.unwrap_or(MPS_CLIENT_LIMIT).clamp(1, MPS_CLIENT_LIMIT)
}

impl DeviceId {
    /// The GPU that it is or lies on.
    pub fn gpu(self) -> PciAddress {
        match self {
            Self::Gpu(gpu) => gpu,
            Self::Slice(slice) => slice.gpu,
        }
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gpu(gpu) => gpu.fmt(f),
            Self::Slice(slice) => slice.fmt(f),
        }
    }
}

impl SharingMode {
    const ALL: [Self; 2] = [Self::Mps, Self::TimeSlice];

    /// Its word in asks, layouts and documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mps => "mps",
            Self::TimeSlice => "time-slice",
        }
    }

    /// What a lease on such a device has.
    pub fn isolation(self) -> Isolation {
        match self {
            Self::Mps => Isolation::Mps,
            Self::TimeSlice => Isolation::TimeSlice,
        }
    }
}

impl FromStr for SharingMode {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let known = Self::ALL.into_iter().find(|mode| mode.as_str() == text);
        known.ok_or_else(|| ParseError::new("a way of sharing", text, "mps or time-slice"))
    }
}

impl fmt::Display for SharingMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Interval {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Default, Self::Short, Self::Medium, Self::Long];

    /// Its word in layouts.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Short => "short",
            Self::Medium => "medium",
            Self::Long => "long",
        }
    }
}

impl FromStr for Interval {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let mut all = Self::ALL.into_iter();
        let known = all.find(|interval| interval.as_str() == text);
        known.ok_or_else(|| ParseError::new("a time slice", text, "default, short, medium or long"))
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Sharing {
    /// For people: `mps for 4 clients, each 25 % of the threads and 18GiB`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let many = |count: NonZeroU32| if count.get() == 1 { "" } else { "s" };
        match self {
            Self::Mps(mps) => {
                write!(f, "mps for {} client{}", mps.clients, many(mps.clients))?;
                let threads = mps.threads.map(|part| format!("{part} % of the threads"));
                let memory = mps.memory.map(|memory| memory.to_string());
                let limits: Vec<String> = threads.into_iter().chain(memory).collect();
                match limits.is_empty() {
                    true => Ok(()),
                    false => write!(f, ", each {}", limits.join(" and ")),
                }
            }
            Self::TimeSlice(TimeSlice { replicas, interval }) => {
                let plural = many(*replicas);
                write!(f, "{replicas} time slice{plural}, interval {interval}")
            }
        }
    }
}

impl fmt::Display for Share {
    /// `mps 1/4`, counted from 1 as people do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}/{}",
            self.mode,
            self.index.saturating_add(1),
            self.of
        )
    }
}

impl Isolation {
    /// Its word in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Hardware => "hardware",
            Self::Vgpu => "vgpu",
            Self::Compute => "compute",
            Self::Mps => "mps",
            Self::TimeSlice => "time-slice",
        }
    }

    /// What it is worth, for people.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Device => "nobody else is on the GPU",
            Self::Hardware => "own memory, own multiprocessors",
            Self::Vgpu => {
                "own memory; multiprocessors by turns, unless its type lies in a GPU instance"
            }
            Self::Compute => {
                "own multiprocessors; memory is shared with the other parts of the instance"
            }
            Self::Mps => {
                "own address space, limits by software; a fatal fault of one client ends all of them"
            }
            Self::TimeSlice => "no limit of memory, no isolation of faults",
        }
    }
}

impl fmt::Display for Isolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
