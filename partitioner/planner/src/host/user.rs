//! Who is in the way of a layout, as a fact and not as a text: what a person can do about it hangs on who it is.

use std::fmt;

use kerf_types::SliceId;

/// Somebody who uses a slice or a GPU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum User {
    /// The holder of a lease.
    Lease(String),
    /// vGPUs, in words. They end with their virtual machines and not as leases do.
    Vgpu(String),
    /// Processes without a lease, by their ids; never none.
    Processes(Vec<u32>),
    /// Somebody that kerf does not know.
    Unknown,
}

impl User {
    /// Whether it is a vGPU.
    pub fn is_vgpu(&self) -> bool {
        matches!(self, Self::Vgpu(_))
    }
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lease(holder) => write!(f, "leased by {holder}"),
            Self::Vgpu(vgpus) => write!(f, "carrying {vgpus}"),
            Self::Processes(pids) => {
                let all: Vec<String> = pids.iter().map(u32::to_string).collect();
                let noun = match all.as_slice() {
                    [_] => "process",
                    _ => "processes",
                };
                write!(f, "used by {noun} {}", all.join(", "))
            }
            Self::Unknown => f.write_str("used by somebody that kerf does not know"),
        }
    }
}

/// Slices and who uses each.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InUse(pub Vec<(SliceId, User)>);

impl InUse {
    /// Whether a vGPU is among them.
    pub fn has_vgpu(&self) -> bool {
        self.0.iter().any(|(_, user)| user.is_vgpu())
    }
}

impl fmt::Display for InUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (slice, user)) in self.0.iter().enumerate() {
            let between = if at == 0 { "" } else { "; " };
            write!(f, "{between}{slice} {user}")?;
        }
        Ok(())
    }
}
