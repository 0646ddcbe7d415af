//! The map of a host: processors, PCI functions, devices, accelerators of every vendor, and what is odd.

mod accelerator;
mod cpu;
mod device;
mod link;
mod pci;

use std::fmt;

use kerf_types::map::{
    Accelerator, ClassDevice, Cpus, DeviceClass, ImexChannels, Link, LinkKind, Nvme, Oddity,
    PciFunction, Vendor,
};
use kerf_types::{HostMap, PciAddress};

use super::{At, ConvertError, GPU_LIMIT, NAME_LIMIT, TEXT_LIMIT, distinct, each, text};
use crate::v1;

/// Most PCI functions of a host, and devices of its classes: a server with all virtual functions enabled has a few
/// thousand.
pub const FUNCTION_LIMIT: usize = 16_384;
/// Most accelerators: virtual functions and partitions count each.
pub const ACCELERATOR_LIMIT: usize = 4 * GPU_LIMIT;
/// Most links: a PCIe way is one for each pair.
const LINK_LIMIT: usize = 65_536;
/// Most oddities that a map lists.
pub const ODDITY_LIMIT: usize = 1_024;

impl From<&HostMap> for v1::HostMap {
    fn from(map: &HostMap) -> Self {
        Self {
            cpus: Some((&map.cpus).into()),
            pci: map.pci.iter().map(Into::into).collect(),
            devices: map.devices.iter().map(Into::into).collect(),
            nvme: map.nvme.iter().map(Into::into).collect(),
            accelerators: map.accelerators.iter().map(Into::into).collect(),
            links: map.links.iter().map(Into::into).collect(),
            imex: map.imex.as_ref().map(|imex| v1::ImexChannels {
                count: imex.count,
                nodes: imex.nodes.clone(),
            }),
            oddities: map.oddities.iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<v1::HostMap> for HostMap {
    type Error = ConvertError;

    fn try_from(mut map: v1::HostMap) -> Result<Self, ConvertError> {
        // A later release may know more kinds of things than this one; what it says of them is not understood.
        map.links
            .retain(|link| LinkKind::from_word(&link.kind).is_some());
        map.devices
            .retain(|device| DeviceClass::from_word(&device.class).is_some());
        let is_known = |vendor: &String| Vendor::from_word(vendor).is_some();
        map.accelerators
            .retain(|one| one.vendor.as_ref().is_none_or(is_known));
        let cpus = map.cpus.map(Cpus::try_from).transpose().at("cpus")?;
        let mut pci = each("pci", map.pci, FUNCTION_LIMIT, PciFunction::try_from)?;
        // Whoever looks for one relies on their order; of two at one address the first stays so.
        pci.sort_by_key(|function| function.address);
        distinct("pci", pci.iter().map(Place::of))?;
        let accelerators = each(
            "accelerators",
            map.accelerators,
            ACCELERATOR_LIMIT,
            Accelerator::try_from,
        )?;
        distinct("accelerators", accelerators.iter().map(|one| &one.id))?;
        let devices = each(
            "devices",
            map.devices,
            FUNCTION_LIMIT,
            ClassDevice::try_from,
        )?;
        Ok(Self {
            cpus: cpus.unwrap_or_default(),
            pci,
            devices,
            nvme: each("nvme", map.nvme, FUNCTION_LIMIT, Nvme::try_from)?,
            accelerators,
            links: each("links", map.links, LINK_LIMIT, Link::try_from)?,
            imex: map.imex.map(imex).transpose().at("imex")?,
            oddities: each("oddities", map.oddities, ODDITY_LIMIT, Oddity::try_from)?,
        })
    }
}

fn imex(imex: v1::ImexChannels) -> Result<ImexChannels, ConvertError> {
    let mut nodes = each("nodes", imex.nodes, FUNCTION_LIMIT, Ok::<u32, ConvertError>)?;
    nodes.sort_unstable();
    distinct("nodes", &nodes)?;
    Ok(ImexChannels {
        count: imex.count,
        nodes,
    })
}

/// Where a function is. Firmware has been seen to give one address to two, which lie at different paths then.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Place<'a>(PciAddress, &'a str);

impl<'a> Place<'a> {
    fn of(function: &'a PciFunction) -> Self {
        Self(function.address, &function.path)
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<&Oddity> for v1::Oddity {
    fn from(oddity: &Oddity) -> Self {
        Self {
            path: oddity.path.clone(),
            what: oddity.what.clone(),
        }
    }
}

impl TryFrom<v1::Oddity> for Oddity {
    type Error = ConvertError;

    fn try_from(oddity: v1::Oddity) -> Result<Self, ConvertError> {
        Ok(Self {
            path: text("path", oddity.path, TEXT_LIMIT)?,
            what: text("what", oddity.what, TEXT_LIMIT)?,
        })
    }
}

/// Texts of a list, each at most a name long.
fn names(field: &str, values: Vec<String>) -> Result<Vec<String>, ConvertError> {
    each(field, values, FUNCTION_LIMIT, |value| {
        text("", value, NAME_LIMIT)
    })
}
