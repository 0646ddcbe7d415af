//! Names of things. A `String` or a `u32` never names a GPU: each kind has a type of its own, checked
//! where it enters.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use crate::ParseError;
use crate::pci::PciAddress;
use crate::placement::{Placement, Spot};

/// Longest name that a driver or a client may hand us; NVML's own limit is 96 bytes with the NUL.
const NAME_LIMIT: usize = 96;

macro_rules! driver_uuid {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $what:literal, $hint:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The text as the driver wrote it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = ParseError;

            fn from_str(text: &str) -> Result<Self, ParseError> {
                let rest = text.strip_prefix($prefix).unwrap_or("");
                let clean = rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'/');
                if rest.is_empty() || !clean || text.len() > NAME_LIMIT {
                    return Err(ParseError::new($what, text, $hint));
                }
                Ok(Self(text.to_owned()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

driver_uuid!(
    /// UUID of a physical GPU as the driver gives it (`GPU-…`).
    GpuUuid, "GPU-", "a GPU UUID", "it starts with GPU-, see `kerf inventory`"
);
driver_uuid!(
    /// UUID of a MIG device (`MIG-…`). It names one life of an instance: the driver may give the same
    /// place another one after it is made again, and may give an old one again.
    MigUuid, "MIG-", "a MIG UUID", "it starts with MIG-, see `kerf slices`"
);

macro_rules! number {
    ($(#[$doc:meta])* $name:ident, $inner:ty) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number!(
    /// Id of a GPU instance on its GPU. The driver uses ids again: never an identity over time.
    GiId, u32
);
number!(
    /// Number of a vGPU type. Drivers number their types as they like: it holds for one driver.
    VgpuTypeId, u32
);
number!(
    /// Id of a compute instance in its GPU instance. The driver uses ids again.
    CiId, u32
);
number!(
    /// The driver's id of a MIG profile (19 is `1g.10gb` on an H100).
    ProfileId, u32
);
number!(
    /// Minor number of `/dev/nvidia<minor>`; it is not the NVML index.
    DeviceMinor, u32
);
number!(
    /// A fencing number. Larger is newer: the high 16 bits are the store epoch, the low 48 bits count
    /// grants, so that a rebuilt store never gives a fence that an older one gave.
    Fence, u64
);

impl Fence {
    /// Bits that count grants within one store epoch.
    pub const COUNTER_BITS: u32 = 48;

    /// The fence of grant number `counter` in `epoch`.
    pub fn new(epoch: u16, counter: u64) -> Self {
        Self((u64::from(epoch) << Self::COUNTER_BITS) | (counter & ((1 << Self::COUNTER_BITS) - 1)))
    }

    /// The number of its grant within its epoch.
    pub fn counter(self) -> u64 {
        self.0 & ((1 << Self::COUNTER_BITS) - 1)
    }
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// A new id (UUID version 7) from the time in milliseconds since 1970 and ten random bytes.
            pub fn new(unix_ms: u64, random: [u8; 10]) -> Self {
                Self(uuid::Builder::from_unix_timestamp_millis(unix_ms, &random).into_uuid())
            }

            /// All of it as a number.
            pub fn bits(&self) -> u128 {
                self.0.as_u128()
            }
        }

        impl FromStr for $name {
            type Err = ParseError;

            /// Reads the lower-case hyphenated form alone, so that one thing has one spelling.
            fn from_str(text: &str) -> Result<Self, ParseError> {
                let hint = "a UUID of 36 lower-case characters";
                let uuid = Uuid::parse_str(text).map_err(|_| ParseError::new($what, text, hint))?;
                if uuid.hyphenated().to_string() != text {
                    return Err(ParseError::new($what, text, hint));
                }
                Ok(Self(uuid))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }
    };
}

uuid_id!(
    /// Id of a lease.
    LeaseId, "a lease id"
);
uuid_id!(
    /// Id of a job, chosen by the client that submits it, so that a repeated submit is the same job.
    JobId, "a job id"
);

uuid_id!(
    /// UUID of a vGPU that is a mediated device, chosen by whoever makes it.
    VgpuUuid, "the UUID of a vGPU"
);

/// A container as its engine names it: the containerd namespace and the id in it.
///
/// A container that no engine manages (plain runc) has an empty namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerRef {
    /// The containerd namespace, or empty.
    pub namespace: String,
    /// The container id.
    pub id: String,
}

impl ContainerRef {
    /// Checks both names: at most 76 characters (containerd's limit), letters, digits and `_.-`, no
    /// leading separator. The namespace may be empty, the id may not.
    pub fn try_new(namespace: &str, id: &str) -> Result<Self, ParseError> {
        let hint = "letters, digits and _.- , at most 76 characters";
        if !namespace.is_empty() && !is_container_name(namespace) {
            return Err(ParseError::new("a containerd namespace", namespace, hint));
        }
        if !is_container_name(id) {
            return Err(ParseError::new("a container id", id, hint));
        }
        Ok(Self {
            namespace: namespace.to_owned(),
            id: id.to_owned(),
        })
    }
}

fn is_container_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.len() <= 76
        && bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

impl fmt::Display for ContainerRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            return f.write_str(&self.id);
        }
        write!(f, "{}/{}", self.namespace, self.id)
    }
}

/// The name of a place for a slice: a GPU's PCI address, a placement on it and, for a part of a GPU
/// instance, the place in that instance.
///
/// This is the intent side of a slice's identity and stays the same over reboots and re-creation;
/// the live side is the MIG UUID together with a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SliceId {
    /// Where the GPU sits.
    pub gpu: PciAddress,
    /// The place of the GPU instance on it.
    pub placement: Placement,
    /// The place of the compute instance in the GPU instance, in compute slices; `None` for a slice that is
    /// the whole GPU instance.
    pub compute: Option<Placement>,
}

impl SliceId {
    /// The GPU instance as a whole.
    #[must_use]
    pub fn whole(self) -> Self {
        Self {
            compute: None,
            ..self
        }
    }

    /// The place, whichever GPU it is on.
    pub fn spot(&self) -> Spot {
        Spot {
            placement: self.placement,
            compute: self.compute,
        }
    }

    /// Whether both share hardware. Two parts of one GPU instance share its memory, which is what an operator
    /// divides it for; they share no slice.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.gpu == other.gpu && self.spot().overlaps(other.spot())
    }
}

impl fmt::Display for SliceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}-{}-{}",
            self.gpu, self.placement.start, self.placement.size
        )?;
        match self.compute {
            None => Ok(()),
            Some(part) => write!(f, "-c{}-{}", part.start, part.size),
        }
    }
}

impl FromStr for SliceId {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        parse_slice(text).ok_or_else(|| {
            let hint = "<pci>-<start>-<size>, and -c<start>-<size> for a part, see `kerf slices`";
            ParseError::new("the name of a slice", text, hint)
        })
    }
}

fn parse_slice(text: &str) -> Option<SliceId> {
    let (whole, compute) = match text.split_once("-c") {
        Some((whole, part)) => (whole, Some(parse_place(part)?)),
        None => (text, None),
    };
    let (gpu, place) = whole.split_once('-')?;
    let id = SliceId {
        gpu: gpu.parse().ok()?,
        placement: parse_place(place)?,
        compute,
    };
    // One thing has one spelling.
    (id.to_string() == text).then_some(id)
}

fn parse_place(text: &str) -> Option<Placement> {
    let (start, size) = text.split_once('-')?;
    Placement::try_new(start.parse().ok()?, size.parse().ok()?).ok()
}
