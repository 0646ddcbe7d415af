//! Minor numbers of the MIG capability nodes, from `/proc/driver/nvidia-caps/mig-minors`.
//!
//! The table decides which device node opens which slice. One malformed line therefore voids it whole:
//! a wrong minor would open somebody else's slice.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use kerf_types::{CiId, DeviceMinor, GiId};

use super::{Root, SysfsError};

const TABLE: &str = "proc/driver/nvidia-caps/mig-minors";

/// What `/dev/nvidia-caps/nvidia-cap<minor>` opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Capability {
    /// Changing MIG instances, on every GPU.
    Config,
    /// Watching MIG instances, on every GPU.
    Monitor,
    /// A GPU instance.
    Gi(DeviceMinor, GiId),
    /// A compute instance.
    Ci(DeviceMinor, GiId, CiId),
}

/// The driver's table of capability minors.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CapabilityTable {
    minors: BTreeMap<Capability, DeviceMinor>,
}

impl CapabilityTable {
    /// Reads it; empty where the driver has none.
    pub fn read(root: &Root) -> Result<Self, SysfsError> {
        root.read(TABLE)?
            .map_or_else(|| Ok(Self::default()), |text| Self::parse(&text))
    }

    /// Reads the text of the table.
    pub fn parse(text: &str) -> Result<Self, SysfsError> {
        let mut minors = BTreeMap::new();
        let mut seen = BTreeSet::new();
        for (index, line) in text.lines().enumerate() {
            let malformed = |expected| SysfsError::Malformed {
                path: format!("/{TABLE}"),
                line: index + 1,
                found: line.chars().take(80).collect(),
                expected,
            };
            let (capability, minor) =
                entry(line).ok_or_else(|| malformed("a line like `gpu0/gi1/ci0/access 13`"))?;
            if !seen.insert(minor) || minors.insert(capability, minor).is_some() {
                return Err(malformed("named once"));
            }
        }
        Ok(Self { minors })
    }

    /// The minor of a capability.
    pub fn minor(&self, capability: Capability) -> Option<DeviceMinor> {
        self.minors.get(&capability).copied()
    }

    /// The capability of a minor.
    pub fn capability(&self, minor: DeviceMinor) -> Option<Capability> {
        self.minors
            .iter()
            .find(|(_, known)| **known == minor)
            .map(|(capability, _)| *capability)
    }
}

/// The table as it was read last. Its 4,000 lines are read anew each time, for the driver may have been
/// loaded anew, and parsed only when they differ: parsing costs ten times what the rest of observing a
/// GPU does.
#[derive(Debug, Default)]
pub struct CapabilityCache {
    last: RefCell<Option<(String, Rc<CapabilityTable>)>>,
}

impl CapabilityCache {
    /// As [`CapabilityTable::read`].
    pub fn read(&self, root: &Root) -> Result<Rc<CapabilityTable>, SysfsError> {
        let text = root.read(TABLE)?.unwrap_or_default();
        let mut last = self.last.borrow_mut();
        if let Some((known, table)) = last.as_ref()
            && *known == text
        {
            return Ok(Rc::clone(table));
        }
        let table = Rc::new(CapabilityTable::parse(&text)?);
        *last = Some((text, Rc::clone(&table)));
        Ok(table)
    }
}

fn entry(line: &str) -> Option<(Capability, DeviceMinor)> {
    let (name, minor) = line.split_once(' ')?;
    let mut parts = name.split('/');
    let capability = match (
        parts.next()?,
        parts.next(),
        parts.next(),
        parts.next(),
        parts.next(),
    ) {
        ("config", None, ..) => Capability::Config,
        ("monitor", None, ..) => Capability::Monitor,
        (gpu, Some(gi), Some("access"), None, None) => {
            Capability::Gi(DeviceMinor(id(gpu, "gpu")?), GiId(id(gi, "gi")?))
        }
        (gpu, Some(gi), Some(ci), Some("access"), None) => {
            let gpu = DeviceMinor(id(gpu, "gpu")?);
            Capability::Ci(gpu, GiId(id(gi, "gi")?), CiId(id(ci, "ci")?))
        }
        _ => return None,
    };
    Some((capability, DeviceMinor(id(minor, "")?)))
}

/// A plain decimal number after `prefix`, without sign, blanks or leading zeros.
fn id(text: &str, prefix: &str) -> Option<u32> {
    let digits = text.strip_prefix(prefix)?;
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !plain || (digits.len() > 1 && digits.starts_with('0')) {
        return None;
    }
    digits.parse().ok()
}
