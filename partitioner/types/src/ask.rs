//! What a container or a job asks for: `1g.10gb`, `gpu:2`, `memory>=20GiB,fp8,nvlink:4`, `gpu,mps`,
//! `gpu:4,same=numa,nic=pix,avoid=0`.
//!
//! An ask is a value and gives no right: the host's policy says who may ask for what.

use std::fmt;
use std::str::FromStr;

use crate::bytes::Bytes;
use crate::device::DeviceKind;
use crate::profile::ProfileName;
use crate::sharing::SharingMode;
use crate::{Gpu, ParseError};

mod constraints;
mod fault;

pub use constraints::{Constraints, GpuRef, NicWithin, Same, VgpuKind};

/// A request for accelerators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// `count` slices of a MIG profile (`1g.10gb`, `1g.10gb:2`).
    Slice {
        /// The profile.
        profile: ProfileName,
        /// How many, at least 1.
        count: u32,
    },
    /// Whole GPUs (`gpu`, `gpu:2`, `gpu:2,same=numa`).
    Gpus {
        /// How many, at least 1.
        count: u32,
        /// Which they may be.
        only: Box<Constraints>,
    },
    /// The smallest thing that has all of this.
    Capability(Requirement),
    /// One place on a shared device (`gpu,mps`, `3g.40gb,mps`, `memory>=10GiB,mps`, `gpu,time-slice`). There is
    /// no more than one in an ask: a client reaches one MPS daemon, and its device through that one.
    Share {
        /// How the device is shared.
        mode: SharingMode,
        /// Which device.
        of: Shareable,
    },
    /// Devices of other makers than NVIDIA (`amd-gpu`, `amd-gpu:2,same=numa`, `amd-partition:4`), and NVIDIA's vGPUs
    /// (`vgpu,type=L40S-4Q`). The kind stands for the maker, since no program runs on the devices of two.
    Devices {
        /// What they are.
        kind: DeviceKind,
        /// How many, at least 1.
        count: u32,
        /// Which they may be.
        only: Box<Constraints>,
    },
    /// Whole GPUs with an IMEX channel of their own (`gpu,imex`, `gpu:4,imex`, `nvlink:4,imex`). What is in it is
    /// [`Ask::Gpus`], or an [`Ask::Capability`] with `nvlink`: memory of a slice is nobody's to reach from another host.
    Imex(Box<Ask>),
}

/// The device of which a share is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shareable {
    /// A whole GPU.
    Gpu,
    /// A slice of this profile.
    Slice(ProfileName),
    /// The smallest device of which a share has all of this; never with `nvlink`.
    Capability(Requirement),
}

/// A request by capability rather than by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Requirement {
    /// At least this much memory on one slice or GPU.
    pub memory: Option<Bytes>,
    /// Number formats or features that the device must have.
    pub features: Vec<Feature>,
    /// That many whole GPUs, joined by NVLink.
    pub nvlink: Option<u32>,
    /// Which whole GPUs they may be; never without `nvlink`, for a slice is chosen by what it leaves for others.
    pub only: Box<Constraints>,
}

/// A feature of an accelerator that follows from its compute capability.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Feature {
    /// bfloat16 arithmetic (compute capability 8.0).
    Bf16,
    /// FP8 tensor cores (compute capability 8.9).
    Fp8,
    /// FP4 tensor cores (compute capability 10.0).
    Fp4,
}

impl Feature {
    const ALL: [(&str, Self, (u32, u32)); 3] = [
        ("bf16", Self::Bf16, (8, 0)),
        ("fp8", Self::Fp8, (8, 9)),
        ("fp4", Self::Fp4, (10, 0)),
    ];

    /// Whether a GPU has it (source: NVIDIA's CUDA programming guide, compute capabilities).
    pub fn is_on(self, gpu: &Gpu) -> bool {
        Self::ALL
            .iter()
            .any(|(_, feature, least)| *feature == self && gpu.compute_capability >= *least)
    }

    /// Its word in an ask.
    pub fn as_str(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(_, feature, _)| *feature == self)
            .map_or("", |(word, _, _)| word)
    }
}

/// Most devices that one ask may name: more than any host has GPUs and slices.
const COUNT_LIMIT: u32 = 112;

/// The word that asks for an IMEX channel.
const IMEX: &str = "imex";

impl FromStr for Ask {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let text = text.trim();
        let unknown = || {
            ParseError::new(
                "an accelerator ask",
                text,
                "write 1g.10gb, 1g.10gb:2, gpu:2, memory>=20GiB,fp8,nvlink:4, gpu:4,same=numa,nic=pix,avoid=0, \
                 gpu,mps and gpu,time-slice for a share, gpu:4,imex for whole GPUs with an IMEX channel, or \
                 amd-gpu:2, amd-partition, intel-gpu, gaudi, neuron and tpu for devices of other makers, or \
                 vgpu,type=L40S-4Q for a vGPU that is handed to a virtual machine",
            )
        };
        let error = || fault::of(text).unwrap_or_else(unknown);
        let (only, text) = Constraints::split(text).ok_or_else(error)?;
        let imex = split_term(&text, |term| (term == IMEX).then_some(()));
        let devices = imex.as_ref().map_or(text.as_str(), |(_, rest)| rest);
        let ask = Self::parse_plain(devices).and_then(|ask| ask.constrained(only));
        if imex.is_none() {
            return ask.ok_or_else(error);
        }
        let whole = ask.filter(Self::is_of_whole_gpus);
        let hint =
            "an IMEX channel goes with whole GPUs: write gpu,imex, gpu:4,imex or nvlink:4,imex";
        let error = || ParseError::new("an ask for whole GPUs beside imex", &text, hint);
        whole.map(|of| Self::Imex(Box::new(of))).ok_or_else(error)
    }
}

impl Ask {
    fn parse_plain(text: &str) -> Option<Self> {
        if let Some((mode, rest)) = split_term(text, |term| term.parse().ok()) {
            let of = parse_shareable(&rest)?;
            return Some(Self::Share { mode, of });
        }
        let gpus = |count| Self::Gpus {
            count,
            only: Box::default(),
        };
        if text == "gpu" {
            return Some(gpus(1));
        }
        if let Some(count) = text.strip_prefix("gpu:") {
            return parse_count(count).map(gpus);
        }
        let (word, count) = text.split_once(':').unwrap_or((text, "1"));
        if let Some(kind) = DeviceKind::from_ask(word) {
            return Some(Self::Devices {
                kind,
                count: parse_count(count)?,
                only: Box::default(),
            });
        }
        if text.starts_with(|first: char| first.is_ascii_digit()) {
            let (name, count) = text.split_once(':').unwrap_or((text, "1"));
            return Some(Self::Slice {
                profile: name.parse().ok()?,
                count: parse_count(count)?,
            });
        }
        parse_requirement(text).map(Self::Capability)
    }

    /// The same ask, bound; `None` where something is bound and whole GPUs are not what it asks for.
    fn constrained(mut self, bound: Constraints) -> Option<Self> {
        match &mut self {
            Self::Devices { kind, only, .. } => {
                if bound.vgpu_type.is_some() && *kind != DeviceKind::Vgpu {
                    return None;
                }
                **only = bound;
            }
            Self::Gpus { only, .. }
            | Self::Capability(Requirement {
                nvlink: Some(_),
                only,
                ..
            }) => {
                if bound.vgpu_type.is_some() {
                    return None;
                }
                **only = bound;
            }
            Self::Imex(of) => {
                **of = of.clone().constrained(bound)?;
            }
            Self::Slice { .. } | Self::Capability(_) | Self::Share { .. } => {
                return bound.is_empty().then_some(self);
            }
        }
        Some(self)
    }

    /// Which GPUs it may get; `None` where it is not for whole GPUs by their number.
    pub fn constraints(&self) -> Option<&Constraints> {
        match self {
            Self::Gpus { only, .. }
            | Self::Devices { only, .. }
            | Self::Capability(Requirement {
                nvlink: Some(_),
                only,
                ..
            }) => Some(only),
            Self::Imex(of) => of.constraints(),
            Self::Slice { .. } | Self::Capability(_) | Self::Share { .. } => None,
        }
    }

    /// The same ask with these constraints in place of its own; as it is where it can have none.
    #[must_use]
    pub fn with_constraints(self, only: Constraints) -> Self {
        match self.clone().constrained(only) {
            Some(bound) => bound,
            None => self,
        }
    }
}

impl Ask {
    /// Whether only whole GPUs of one's own can serve it.
    fn is_of_whole_gpus(&self) -> bool {
        match self {
            Self::Gpus { .. } => true,
            Self::Capability(requirement) => requirement.nvlink.is_some(),
            Self::Slice { .. } | Self::Share { .. } | Self::Imex(_) | Self::Devices { .. } => false,
        }
    }

    /// The devices that it is about, without what goes with them.
    pub fn devices(&self) -> &Self {
        match self {
            Self::Imex(of) => of,
            other => other,
        }
    }
}

/// The first term that `read` knows, and what stands beside it. A second one stays in the rest, which nothing reads.
fn split_term<T>(text: &str, read: impl Fn(&str) -> Option<T>) -> Option<(T, String)> {
    let mut terms: Vec<&str> = text.split(',').collect();
    let known = terms.iter().enumerate();
    let (at, found) = known
        .filter_map(|(at, term)| Some((at, read(term)?)))
        .next()?;
    terms.remove(at);
    Some((found, terms.join(",")))
}

fn parse_shareable(text: &str) -> Option<Shareable> {
    if text == "gpu" {
        return Some(Shareable::Gpu);
    }
    if text.starts_with(|first: char| first.is_ascii_digit()) {
        return text.parse().ok().map(Shareable::Slice);
    }
    let requirement = parse_requirement(text)?;
    requirement
        .nvlink
        .is_none()
        .then_some(Shareable::Capability(requirement))
}

fn parse_count(text: &str) -> Option<u32> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let count: u32 = if plain {
        text.parse().ok()?
    } else {
        return None;
    };
    (1..=COUNT_LIMIT).contains(&count).then_some(count)
}

fn parse_requirement(text: &str) -> Option<Requirement> {
    let mut requirement = Requirement::default();
    for term in text.split(',') {
        if let Some(amount) = term.strip_prefix("memory>=") {
            if requirement.memory.replace(amount.parse().ok()?).is_some() {
                return None;
            }
        } else if let Some(count) = term.strip_prefix("nvlink:") {
            if requirement.nvlink.replace(parse_count(count)?).is_some() {
                return None;
            }
        } else {
            let (_, feature, _) = Feature::ALL.iter().find(|(word, _, _)| *word == term)?;
            if requirement.features.contains(feature) {
                return None;
            }
            requirement.features.push(*feature);
        }
    }
    Some(requirement)
}

impl fmt::Display for Ask {
    /// Reads back as the same ask: it travels between processes in this form.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slice { profile, count: 1 } => profile.fmt(f),
            Self::Slice { profile, count } => write!(f, "{profile}:{count}"),
            Self::Gpus { count, only } => {
                write!(f, "gpu:{count}")?;
                only.terms().try_for_each(|term| write!(f, ",{term}"))
            }
            Self::Devices { kind, count, only } => {
                write!(f, "{kind}:{count}")?;
                only.terms().try_for_each(|term| write!(f, ",{term}"))
            }
            Self::Capability(requirement) => requirement.fmt(f),
            Self::Share { mode, of } => write!(f, "{of},{mode}"),
            Self::Imex(of) => write!(f, "{of},{IMEX}"),
        }
    }
}

impl fmt::Display for Shareable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gpu => f.write_str("gpu"),
            Self::Slice(profile) => profile.fmt(f),
            Self::Capability(requirement) => requirement.fmt(f),
        }
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let memory = self
            .memory
            .map(|memory| format!("memory>={}", memory.exact()));
        let features = self
            .features
            .iter()
            .map(|feature| feature.as_str().to_owned());
        let nvlink = self.nvlink.map(|count| format!("nvlink:{count}"));
        let terms = memory.into_iter().chain(features).chain(nvlink);
        let terms: Vec<String> = terms.chain(self.only.terms()).collect();
        f.write_str(&terms.join(","))
    }
}
