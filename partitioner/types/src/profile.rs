//! MIG profiles: how a slice is called and what it holds.

use std::fmt;
use std::str::FromStr;

use crate::bytes::Bytes;
use crate::compute::ComputeProfile;
use crate::ids::ProfileId;
use crate::placement::Placement;
use crate::{ParseError, VENDOR};

/// The name of a MIG profile: `1g.10gb`, `1g.10gb+me`, `1c.3g.40gb`, `2g.48gb-me`, `1g.24gb+me.all`.
///
/// The shape (slices) and the attributes are what counts; the memory figure in the name depends on
/// driver and board, so two spellings can mean one profile of a given GPU. The grid of the GPU decides.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProfileName {
    /// Compute slices of the compute instance, where it is not the whole GPU instance (`1c.`).
    pub compute_slices: Option<u8>,
    /// Compute slices of the GPU instance (the number before `g`).
    pub slices: u8,
    /// Memory as the name says it, in the vendor's rounded gigabytes.
    pub memory_gb: u32,
    /// What stands after: empty, `+me`, `+gfx`, `+me.all`, `-me`.
    pub attribute: String,
}

const ATTRIBUTES: [&str; 5] = ["", "+me", "+gfx", "+me.all", "-me"];

impl FromStr for ProfileName {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let text = text.strip_prefix("MIG ").unwrap_or(text);
        parse(text).ok_or_else(|| {
            ParseError::new(
                "a MIG profile",
                text,
                "names look like 1g.10gb or 1g.10gb+me",
            )
        })
    }
}

fn parse(text: &str) -> Option<ProfileName> {
    let end = text.find(['+', '-']).unwrap_or(text.len());
    let (shape, attribute) = text.split_at(end);
    if !ATTRIBUTES.contains(&attribute) {
        return None;
    }
    let mut parts = shape.split('.');
    let mut part = parts.next()?;
    let compute_slices = match part.strip_suffix('c') {
        Some(digits) => {
            part = parts.next()?;
            Some(small(digits)?)
        }
        None => None,
    };
    let slices = small(part.strip_suffix('g')?)?;
    let memory = parts.next()?.strip_suffix("gb")?;
    let plain = memory.bytes().all(|byte| byte.is_ascii_digit());
    if parts.next().is_some() || !plain || memory.len() > 5 {
        return None;
    }
    let memory_gb = memory.parse().ok()?;
    Some(ProfileName {
        compute_slices,
        slices,
        memory_gb,
        attribute: attribute.to_owned(),
    })
}

fn small(digits: &str) -> Option<u8> {
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !plain || digits.len() > 2 {
        return None;
    }
    digits.parse().ok()
}

impl fmt::Display for ProfileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(compute) = self.compute_slices {
            write!(f, "{compute}c.")?;
        }
        write!(f, "{}g.{}gb{}", self.slices, self.memory_gb, self.attribute)
    }
}

/// Fixed-function engines of a slice: how many units of each it owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Engines {
    /// Copy engines.
    pub copy: u32,
    /// Video decoders (NVDEC).
    pub decoder: u32,
    /// Video encoders (NVENC).
    pub encoder: u32,
    /// JPEG decoders.
    pub jpeg: u32,
    /// Optical flow units.
    pub ofa: u32,
}

/// One GPU instance profile of one GPU, as its driver describes it. Never a table of our own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// The driver's id (as `nvidia-smi mig -lgip` prints it).
    pub id: ProfileId,
    /// The name.
    pub name: ProfileName,
    /// Compute slices.
    pub slices: u32,
    /// Memory of an instance.
    pub memory: Bytes,
    /// Streaming multiprocessors.
    pub sm_count: u32,
    /// Engines that an instance owns.
    pub engines: Engines,
    /// Most instances of this profile at one time.
    pub max_count: u32,
    /// Every legal place, sorted.
    pub placements: Vec<Placement>,
    /// The compute instance profile that fills such an instance.
    pub full_compute_profile: Option<ProfileId>,
    /// Every compute instance profile, as a live instance of this profile told; empty while none lives, since
    /// no driver tells before. See [`Profile::parts`].
    pub compute: Vec<ComputeProfile>,
}

impl Profile {
    /// Grid units that one instance takes; 0 where no place is legal.
    pub fn units(&self) -> u8 {
        self.placements
            .first()
            .map_or(0, |placement| placement.size)
    }
}

/// The qualified CDI name of a device of ours, e.g. `kerf.dev/lease=<id>`.
pub fn cdi_name(class: &str, name: &str) -> String {
    format!("{VENDOR}/{class}={name}")
}
