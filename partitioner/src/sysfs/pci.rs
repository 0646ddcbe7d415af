//! PCI functions: what they are, where they hang in the tree, and which NUMA node is next to them.
//!
//! Owns the reading of `/sys/bus/pci/devices` (Documentation/ABI/testing/sysfs-bus-pci). Some trees have folders where
//! a kernel has links: such a function is listed with what its folder says, and hangs where `/sys/devices` shows it.
//! Never opens a device.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use kerf_types::PciAddress;
use kerf_types::inventory::NumaNode;
use kerf_types::map::pci::find;
use kerf_types::map::{PciFunction, SriovFunctions};

use super::identity::Identity;
use super::near::{Nodes, folders_above};
use super::reader::spelled;
use super::{Device, Folder, Reader, Root, acs, links};

const DEVICES: &str = "sys/bus/pci/devices";
/// Folders that a search for functions lists at most: a large host has a few thousand functions.
const SEARCHED: usize = 16_384;

/// Every PCI function, by address.
pub fn functions(reader: &Reader<'_>, nodes: &[NumaNode]) -> Vec<PciFunction> {
    let site = Site {
        reader,
        nodes: Nodes::new(nodes),
        places: OnceCell::new(),
    };
    let names = reader.list(DEVICES);
    let mut functions: Vec<PciFunction> = names
        .iter()
        .filter_map(|name| site.function(name))
        .collect();
    functions.sort_by_key(|function| function.address);
    let hidden = site.hidden(&functions);
    functions.extend(hidden);
    // Stable: the one that the bus lists comes first.
    functions.sort_by_key(|function| function.address);
    for function in functions.iter_mut().filter(|one| one.numa_node.is_none()) {
        function.numa_node = site.nodes.above(reader, &function.path);
    }
    functions
}

/// The NUMA node next to one function: what the kernel says, else the only node that has its local CPUs, else what
/// the nearest bridge above it says.
pub fn numa_node(root: &Root, address: PciAddress, nodes: &[NumaNode]) -> Option<u32> {
    let (reader, nodes) = (Reader::new(root), Nodes::new(nodes));
    let folder = Folder::open(&reader, format!("{DEVICES}/{address}"))?;
    nodes
        .of_folder(&folder)
        .or_else(|| nodes.above(&reader, &folder.canonical()?))
}

/// What one function is; nothing is known of one that is not there.
pub(crate) fn identity(root: &Root, address: PciAddress) -> Identity {
    let reader = Reader::new(root);
    let folder = Folder::open(&reader, format!("{DEVICES}/{address}"));
    folder.map_or_else(Identity::default, |folder| {
        Identity::read(&folder, &address.to_string())
    })
}

/// The nearest PCI function at or above a path.
pub fn nearest(path: &str) -> Option<PciAddress> {
    path.rsplit('/').find_map(spelled)
}

/// Whether a folder is a host bridge's, `pci0000:15`; domains have four digits or more.
pub fn is_host_bridge(name: &str) -> bool {
    let hex = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let bus = name.strip_prefix("pci").and_then(|bus| bus.split_once(':'));
    bus.is_some_and(|(domain, bus)| domain.len() >= 4 && hex(domain) && bus.len() == 2 && hex(bus))
}

/// What reading one function needs of the others.
struct Site<'r, 'a> {
    reader: &'r Reader<'a>,
    nodes: Nodes,
    /// Where functions hang in `/sys/devices`; looked up only where the bus has no links.
    places: OnceCell<BTreeMap<PciAddress, String>>,
}

impl Site<'_, '_> {
    fn function(&self, name: &str) -> Option<PciFunction> {
        let path = format!("{DEVICES}/{name}");
        let Some(address) = spelled(name) else {
            return self.reader.odd(&path, "is no PCI address");
        };
        let Some(folder) = Folder::open(self.reader, path.clone()) else {
            return self.reader.odd(&path, "leads to no folder");
        };
        let path = self.place(&folder, address);
        Some(self.read(address, &folder, path))
    }

    /// Bridges above others that have the address of a function somewhere else, of which the bus lists one alone.
    fn hidden(&self, listed: &[PciFunction]) -> Vec<PciFunction> {
        let above = listed.iter().flat_map(|one| folders_above(&one.path));
        let elsewhere = above.filter_map(|folder| {
            let address = address_at_end(folder)?;
            let other = find(listed, address)?;
            (other.path != folder && !other.path.is_empty()).then_some((folder, address))
        });
        let elsewhere: BTreeMap<&str, PciAddress> = elsewhere.collect();
        let found = elsewhere.into_iter().filter_map(|(path, address)| {
            let folder = Folder::open(self.reader, path.to_owned())?;
            let told = format_args!("has the address of a function somewhere else");
            self.reader.odd::<()>(folder.path(), told);
            Some(self.read(address, &folder, path.to_owned()))
        });
        found.collect()
    }

    /// A function by its own folder and its canonical path.
    fn read(&self, address: PciAddress, folder: &Folder<'_, '_>, path: String) -> PciFunction {
        let identity = Identity::read(folder, &address.to_string());
        let parent = folders_above(&path).find_map(address_at_end);
        let is_awake = is_awake(folder);
        PciFunction {
            address,
            class: identity.class,
            vendor: identity.vendor,
            device: identity.device,
            subsystem: identity.subsystem,
            numa_node: self.nodes.of_device(folder, &path),
            parent,
            host_bridge: host_bridge(&path).unwrap_or_default(),
            path,
            link: is_awake.then(|| links::of_function(folder)).flatten(),
            driver: identity.driver,
            iommu_group: iommu_group(folder),
            physical_function: physical_function(folder),
            sriov: sriov(self.reader, folder),
            acs: is_awake.then(|| acs::of_function(folder)).flatten(),
        }
    }

    /// Where a function hangs; empty where the tree does not say.
    fn place(&self, folder: &Folder<'_, '_>, address: PciAddress) -> String {
        let path = folder.canonical().unwrap_or_default();
        if path.starts_with("/sys/devices/") {
            if address_at_end(&path) == Some(address) {
                return path;
            }
            let at = folder.path();
            self.reader.odd::<()>(at, format_args!("leads to {path}"));
        }
        let places = self.places.get_or_init(|| search(self.reader));
        places.get(&address).cloned().unwrap_or_default()
    }
}

/// Whether a function is on. What the kernel answers from its configuration space, in newer kernels the state of its
/// link as well, wakes one that sleeps, with its driver, at every look. One that no driver serves is "unknown", and on.
pub fn is_awake(function: &Folder<'_, '_>) -> bool {
    let state = function.text("power_state");
    state.is_none_or(|state| matches!(state.as_str(), "D0" | "unknown"))
}

fn address_at_end(path: &str) -> Option<PciAddress> {
    spelled(path.rsplit('/').next()?)
}

/// The innermost: below a VMD controller a host bridge hangs under a function of another.
fn host_bridge(path: &str) -> Option<String> {
    let name = path.rsplit('/').find(|name| is_host_bridge(name))?;
    Some(name.to_owned())
}

fn iommu_group(folder: &Folder<'_, '_>) -> Option<u32> {
    const LINK: &str = "iommu_group";
    let name = folder.link(LINK)?;
    let group = name.parse().ok();
    group.or_else(|| folder.unlike(LINK, &name, "a group's number"))
}

fn physical_function(folder: &Folder<'_, '_>) -> Option<PciAddress> {
    const LINK: &str = "physfn";
    let name = folder.link(LINK)?;
    spelled(&name).or_else(|| folder.unlike(LINK, &name, "a PCI address"))
}

fn sriov(reader: &Reader<'_>, folder: &Folder<'_, '_>) -> Option<SriovFunctions> {
    let total = folder.number("sriov_totalvfs")?;
    // Kernels before Linux 6.9 take the device's lock for it (`sriov_numvfs_show`, drivers/pci/iov.c), which a driver
    // that hangs in its probe or removal holds.
    const ENABLED: &str = "sriov_numvfs";
    let enabled = match folder.is_answered() {
        true => Device::new(reader, folder.path().to_owned()).number(ENABLED)?,
        false => folder.number(ENABLED)?,
    };
    Some(SriovFunctions { total, enabled })
}

/// Finds functions in `/sys/devices`, below host bridges and bridges. Folders are what they are called: a link is
/// not followed, so nothing is found twice.
fn search(reader: &Reader<'_>) -> BTreeMap<PciAddress, String> {
    let mut found = BTreeMap::new();
    let mut pending = vec!["/sys/devices".to_owned()];
    for _ in 0..SEARCHED {
        let Some(path) = pending.pop() else {
            return found;
        };
        for name in reader.list(&path) {
            let inside = format!("{path}/{name}");
            let at: Option<PciAddress> = spelled(&name);
            if at.is_none() && !is_host_bridge(&name) {
                continue;
            }
            if reader.root().canonical(&inside).as_ref() == Some(&inside) {
                found.extend(at.map(|at| (at, inside.clone())));
                pending.push(inside);
            }
        }
    }
    reader.odd::<()>(
        "sys/devices",
        format_args!("has more than {SEARCHED} folders of functions"),
    );
    found
}
