//! What a container or a job asks for: `1g.10gb`, `gpu:2`, `memory>=20GiB,fp8,nvlink:4`, `gpu,mps`.
//!
//! An ask is a value and gives no right: the host's policy says who may ask for what.

use std::fmt;
use std::str::FromStr;

use crate::bytes::Bytes;
use crate::profile::ProfileName;
use crate::sharing::SharingMode;
use crate::{Gpu, ParseError};

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
    /// Whole GPUs (`gpu`, `gpu:2`).
    Gpus {
        /// How many, at least 1.
        count: u32,
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
        let error = || {
            ParseError::new(
                "an accelerator ask",
                text,
                "write 1g.10gb, 1g.10gb:2, gpu:2, memory>=20GiB,fp8,nvlink:4, gpu,mps and gpu,time-slice for a share, \
                 or gpu:4,imex for whole GPUs with an IMEX channel",
            )
        };
        if let Some(rest) = split_imex(text) {
            let whole = rest.parse().ok().filter(Self::is_of_whole_gpus);
            let hint =
                "an IMEX channel goes with whole GPUs: write gpu,imex, gpu:4,imex or nvlink:4,imex";
            let error = || ParseError::new("an ask for whole GPUs beside imex", text, hint);
            return whole.map(|of| Self::Imex(Box::new(of))).ok_or_else(error);
        }
        if let Some((mode, rest)) = split_share(text) {
            let of = parse_shareable(&rest).ok_or_else(error)?;
            return Ok(Self::Share { mode, of });
        }
        if text == "gpu" {
            return Ok(Self::Gpus { count: 1 });
        }
        if let Some(count) = text.strip_prefix("gpu:") {
            return Ok(Self::Gpus {
                count: parse_count(count).ok_or_else(error)?,
            });
        }
        if text.starts_with(|first: char| first.is_ascii_digit()) {
            let (name, count) = text.split_once(':').unwrap_or((text, "1"));
            let count = parse_count(count).ok_or_else(error)?;
            return Ok(Self::Slice {
                profile: name.parse().map_err(|_| error())?,
                count,
            });
        }
        parse_requirement(text)
            .map(Self::Capability)
            .ok_or_else(error)
    }
}

impl Ask {
    /// Whether only whole GPUs of one's own can serve it.
    fn is_of_whole_gpus(&self) -> bool {
        match self {
            Self::Gpus { .. } => true,
            Self::Capability(requirement) => requirement.nvlink.is_some(),
            Self::Slice { .. } | Self::Share { .. } | Self::Imex(_) => false,
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

/// What stands beside the word for an IMEX channel. A second one stays in the rest, where it is refused.
fn split_imex(text: &str) -> Option<String> {
    let terms: Vec<&str> = text.split(',').collect();
    let at = terms.iter().position(|term| *term == IMEX)?;
    let rest = terms.iter().enumerate().filter(|(other, _)| *other != at);
    let rest: Vec<&str> = rest.map(|(_, term)| *term).collect();
    Some(rest.join(","))
}

/// The word that asks for a share, and the rest. A second one stays in the rest, which nothing reads.
fn split_share(text: &str) -> Option<(SharingMode, String)> {
    let terms: Vec<&str> = text.split(',').collect();
    let mode = |term: &&str| term.parse::<SharingMode>().ok();
    let at = terms.iter().position(|term| mode(term).is_some())?;
    let found = terms.get(at).and_then(mode)?;
    let rest = terms.iter().enumerate().filter(|(other, _)| *other != at);
    let rest: Vec<&str> = rest.map(|(_, term)| *term).collect();
    Some((found, rest.join(",")))
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
            Self::Gpus { count } => write!(f, "gpu:{count}"),
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
        let terms: Vec<String> = memory.into_iter().chain(features).chain(nvlink).collect();
        f.write_str(&terms.join(","))
    }
}
