//! Leases: the only thing that gives a container access to a device.
//!
//! ```text
//!   Reserved ──claim──► Active ──holder gone──► Releasing ──clean──► (removed)
//!      └──────expiry or release──────────────────────▲
//! ```
//! A slice is free, reserved, leased, draining or quarantined; which of these follows from the lease that
//! names it and from what the driver shows, and is never stored beside them.

use std::fmt;

use crate::device::LeasedDevice;
use crate::ids::{ContainerRef, Fence, GpuUuid, JobId, LeaseId, MigUuid, SliceId};
use crate::pci::PciAddress;
use crate::placement::Placement;
use crate::sharing::{DeviceId, Isolation, Share};
use crate::time::Timestamp;
use crate::{ParseError, ProfileName};

/// What a lease is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// One MIG slice, in one life.
    Slice {
        /// Its place.
        slice: SliceId,
        /// Its profile.
        profile: ProfileName,
        /// UUID of the parent GPU.
        parent: GpuUuid,
        /// UUID of the MIG device: the life that is leased.
        uuid: MigUuid,
        /// The place on it, where it is shared; `None` for the slice as a whole.
        share: Option<Share>,
    },
    /// A whole GPU.
    Gpu {
        /// Where it sits.
        gpu: PciAddress,
        /// Its UUID.
        uuid: GpuUuid,
        /// The place on it, where it is shared; `None` for the GPU as a whole.
        share: Option<Share>,
    },
}

impl Subject {
    /// The GPU that it lies on.
    pub fn gpu(&self) -> PciAddress {
        match self {
            Self::Slice { slice, .. } => slice.gpu,
            Self::Gpu { gpu, .. } => *gpu,
        }
    }

    /// The place on its GPU; `None` for a whole GPU.
    pub fn placement(&self) -> Option<Placement> {
        match self {
            Self::Slice { slice, .. } => Some(slice.placement),
            Self::Gpu { .. } => None,
        }
    }

    /// The slice; `None` for a whole GPU.
    pub fn slice(&self) -> Option<SliceId> {
        match self {
            Self::Slice { slice, .. } => Some(*slice),
            Self::Gpu { .. } => None,
        }
    }

    /// The device that it is, or a share of.
    pub fn device(&self) -> DeviceId {
        match self {
            Self::Slice { slice, .. } => DeviceId::Slice(*slice),
            Self::Gpu { gpu, .. } => DeviceId::Gpu(*gpu),
        }
    }

    /// The place on a shared device; `None` for the device as a whole.
    pub fn share(&self) -> Option<Share> {
        match self {
            Self::Slice { share, .. } | Self::Gpu { share, .. } => *share,
        }
    }

    /// What keeps it apart from its neighbours.
    pub fn isolation(&self) -> Isolation {
        match (self.share(), self.slice()) {
            (Some(share), _) => share.mode.isolation(),
            (None, None) => Isolation::Device,
            (None, Some(slice)) if slice.compute.is_some() => Isolation::Compute,
            (None, Some(_)) => Isolation::Hardware,
        }
    }

    /// Whether two leases on these are never alive together: both have hardware in common, and are not two
    /// places on one shared device.
    pub fn conflicts(&self, other: &Self) -> bool {
        if let (Some(own), Some(theirs)) = (self.share(), other.share())
            && self.device() == other.device()
        {
            return own.mode != theirs.mode || own.of != theirs.of || own.index == theirs.index;
        }
        match (self.slice(), other.slice()) {
            (Some(a), Some(b)) => a.overlaps(&b),
            _ => self.gpu() == other.gpu(),
        }
    }
}

/// For whom a lease was made. A lease is bound to its holder and is no bearer token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// This container alone.
    Container(ContainerRef),
    /// A job of ours; the container is named when it is made.
    Job(JobId),
    /// The first container that a local user names it for.
    User {
        /// uid of the peer that asked for the lease.
        uid: u32,
    },
    /// One container of a pod of Kubernetes; which one, the lease says once it is made.
    Pod {
        /// Id of the pod's sandbox, as the container engine names it.
        sandbox: String,
        /// The pod's uid, as Kubernetes gave it.
        uid: String,
    },
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Container(container) => write!(f, "container {container}"),
            Self::Job(job) => write!(f, "job {job}"),
            Self::User { uid } => write!(f, "user {uid}"),
            Self::Pod { uid, .. } => write!(f, "pod {uid}"),
        }
    }
}

/// Where a lease is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LeaseState {
    /// Promised, with an expiry; no container has it yet.
    Reserved,
    /// A container has it.
    Active,
    /// Its container is gone; the slice is being made clean.
    Releasing,
}

impl LeaseState {
    /// The word in documents and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Active => "active",
            Self::Releasing => "releasing",
        }
    }
}

impl std::str::FromStr for LeaseState {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        [Self::Reserved, Self::Active, Self::Releasing]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| ParseError::new("a lease state", text, "reserved, active or releasing"))
    }
}

/// The container process that keeps a lease alive. The start time tells a reused pid apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitProcess {
    /// Pid of the container's first process, in the host's namespace.
    pub pid: u32,
    /// Its start in clock ticks since boot (`/proc/PID/stat`, field 22).
    pub start_ticks: u64,
    /// `/proc/sys/kernel/random/boot_id` at that time.
    pub boot_id: String,
}

/// One grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Its id.
    pub id: LeaseId,
    /// Its fence: larger than that of every lease before it on this host.
    pub fence: Fence,
    /// What it is about of NVIDIA's; several for an ask like `gpu:2`, none for devices of other makers.
    pub subjects: Vec<Subject>,
    /// What it gives besides: devices of other makers, and what goes with them.
    pub devices: Vec<LeasedDevice>,
    /// For whom.
    pub holder: Holder,
    /// State.
    pub state: LeaseState,
    /// The container that has it; of a promise to a pod, the one that is to have it.
    pub container: Option<ContainerRef>,
    /// The process that keeps it alive.
    pub init: Option<InitProcess>,
    /// Whether its slices were cut for it and go with it.
    pub on_demand: bool,
    /// Whether it was put into a container that ran already.
    pub attached: bool,
    /// The IMEX channel that goes with it; no other lease has that one.
    pub imex: Option<u32>,
    /// Whether the kernel keeps who has it from every other accelerator: known of a bare process, and of a container that
    /// opens every device. `None` for other containers, whose engine's rules hold, and as long as nobody has it.
    pub isolated: Option<bool>,
    /// RDMA interfaces that were nearest to its accelerators when it was made, by name; given are those among its devices.
    pub nearest_nics: Vec<String>,
    /// NVMe controllers, the same.
    pub nearest_nvme: Vec<String>,
    /// When it was made.
    pub created: Timestamp,
    /// When a reservation ends by itself.
    pub expires: Option<Timestamp>,
}

/// State of a slice as an operator sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SliceState {
    /// Nobody has it.
    Free,
    /// Promised.
    Reserved,
    /// A container has it.
    Leased,
    /// Its lease ended, or it is to go; nobody gets it.
    Draining,
    /// It is not as it should be; nobody gets it until an operator looks.
    Quarantined,
}

impl SliceState {
    /// The word in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Reserved => "reserved",
            Self::Leased => "leased",
            Self::Draining => "draining",
            Self::Quarantined => "quarantined",
        }
    }
}
