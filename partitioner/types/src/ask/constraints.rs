//! What an ask for whole GPUs or devices says of which ones: `include=0`, `avoid=GPU-…`, `same=numa`, `nic=pix`,
//! `type=L40S-4Q`.
//!
//! Owns the words. Which GPUs they leave is for the planner to say.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::topology::LinkClass;
use crate::vgpu::is_called;
use crate::{GpuUuid, ParseError, PciAddress, VgpuTypeId};

/// Most GPUs that are named in one ask: more than any host has.
const NAMES_LIMIT: usize = 112;

/// What must hold of the GPUs that an ask gets. The default binds nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Constraints {
    /// GPUs that must be among them.
    pub include: BTreeSet<GpuRef>,
    /// GPUs that must not be.
    pub avoid: BTreeSet<GpuRef>,
    /// What they must have in common.
    pub same: Option<Same>,
    /// How near each must have a network interface.
    pub nic: Option<NicWithin>,
    /// Of which type they must be; said of vGPUs alone.
    pub vgpu_type: Option<VgpuKind>,
}

/// A type of vGPUs as an ask, which has no spaces, names it: by its number or the last word of its name (`1155`, `L40S-4Q`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VgpuKind(String);

/// A GPU as people name it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GpuRef {
    /// By its number on its host, which another may have after one has dropped out.
    Index(u32),
    /// By where it sits.
    Pci(PciAddress),
    /// By the driver's name for it.
    Uuid(GpuUuid),
}

/// What GPUs may have to have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Same {
    /// The NUMA node; one whose node is not known is on none.
    Numa,
    /// A PCIe switch, or several of them below one another.
    Switch,
}

/// How near a network interface must be, in the words of `nvidia-smi topo -m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NicWithin {
    /// At most one PCIe switch.
    Pix,
    /// Several PCIe switches.
    Pxb,
    /// The same host bridge.
    Phb,
    /// The same NUMA node.
    Node,
}

/// Beginnings of the terms.
const INCLUDE: &str = "include=";
const AVOID: &str = "avoid=";
const SAME: &str = "same=";
const NIC: &str = "nic=";
const TYPE: &str = "type=";

impl Constraints {
    /// Whether nothing is bound.
    pub fn is_empty(&self) -> bool {
        self.terms().next().is_none()
    }

    /// Its terms in an ask, in the one order in which they are written.
    pub fn terms(&self) -> impl Iterator<Item = String> {
        let include = self.include.iter().map(|gpu| format!("{INCLUDE}{gpu}"));
        let avoid = self.avoid.iter().map(|gpu| format!("{AVOID}{gpu}"));
        let same = self.same.map(|same| format!("{SAME}{same}"));
        let nic = self.nic.map(|nic| format!("{NIC}{nic}"));
        let kind = self.vgpu_type.iter().map(|kind| format!("{TYPE}{kind}"));
        include.chain(avoid).chain(same).chain(nic).chain(kind)
    }

    /// Takes these terms out of an ask; `None` where one is wrong or is there twice.
    pub(super) fn split(text: &str) -> Option<(Self, String)> {
        let mut only = Self::default();
        let mut rest: Vec<&str> = Vec::new();
        for term in text.split(',') {
            let fresh = if let Some(gpu) = term.strip_prefix(INCLUDE) {
                only.include.insert(gpu.parse().ok()?)
            } else if let Some(gpu) = term.strip_prefix(AVOID) {
                only.avoid.insert(gpu.parse().ok()?)
            } else if let Some(word) = term.strip_prefix(SAME) {
                only.same.replace(word.parse().ok()?).is_none()
            } else if let Some(word) = term.strip_prefix(NIC) {
                only.nic.replace(word.parse().ok()?).is_none()
            } else if let Some(word) = term.strip_prefix(TYPE) {
                only.vgpu_type.replace(word.parse().ok()?).is_none()
            } else {
                rest.push(term);
                true
            };
            if !fresh {
                return None;
            }
        }
        let named = only.include.len().saturating_add(only.avoid.len());
        (named <= NAMES_LIMIT && only.include.is_disjoint(&only.avoid))
            .then(|| (only, rest.join(",")))
    }
}

impl FromStr for GpuRef {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let index = plain.then(|| text.parse().ok()).flatten().map(Self::Index);
        index
            .or_else(|| text.parse().ok().map(Self::Pci))
            .or_else(|| text.parse().ok().map(Self::Uuid))
            .ok_or_else(|| {
                let hint = "name it by index, by PCI address (0000:1b:00.0) or by UUID (GPU-...)";
                ParseError::new("a GPU", text, hint)
            })
    }
}

impl fmt::Display for GpuRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(index) => index.fmt(f),
            Self::Pci(pci) => pci.fmt(f),
            Self::Uuid(uuid) => uuid.fmt(f),
        }
    }
}

impl VgpuKind {
    /// Longest name in bytes: more than twice the longest that a driver names.
    const LIMIT: usize = 64;

    /// Whether a type of this number and name is meant.
    pub fn is_of(&self, id: VgpuTypeId, name: &str) -> bool {
        is_called(id, name, &self.0)
    }
}

impl FromStr for VgpuKind {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let is_name = (1..=Self::LIMIT).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b));
        if !is_name {
            let hint = "write its number or the last word of its name, as `kerf vgpu types` lists them: L40S-4Q";
            return Err(ParseError::new("a type of vGPUs", text, hint));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for VgpuKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Same {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text {
            "numa" => Ok(Self::Numa),
            "switch" => Ok(Self::Switch),
            _ => Err(ParseError::new(
                "what GPUs have in common",
                text,
                "write numa or switch",
            )),
        }
    }
}

impl fmt::Display for Same {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Numa => "numa",
            Self::Switch => "switch",
        })
    }
}

impl NicWithin {
    const ALL: [(&str, Self, LinkClass); 4] = [
        ("pix", Self::Pix, LinkClass::Pix),
        ("pxb", Self::Pxb, LinkClass::Pxb),
        ("phb", Self::Phb, LinkClass::Phb),
        ("node", Self::Node, LinkClass::Node),
    ];

    /// Whether a network interface that is so near will do.
    pub fn has(self, level: LinkClass) -> bool {
        let own = Self::ALL.iter().find(|(_, within, _)| *within == self);
        own.is_some_and(|(_, _, most)| level <= *most)
    }
}

impl FromStr for NicWithin {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let known = Self::ALL.iter().find(|(word, _, _)| *word == text);
        let error = || ParseError::new("a level", text, "write pix, pxb, phb or node");
        known.map(|(_, within, _)| *within).ok_or_else(error)
    }
}

impl fmt::Display for NicWithin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = Self::ALL.iter().find(|(_, within, _)| within == self);
        f.write_str(known.map_or("", |(word, _, _)| word))
    }
}
