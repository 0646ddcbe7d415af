//! Devices by the kernel's classes: disks, interfaces, render nodes, and the PCI function that each belongs to.
//!
//! Owns which entries of a class stand for hardware. A device that the kernel keeps under `/sys/devices/virtual` (a
//! bridge, a loop device, a software RAID) is none; the one exception are disks of NVMe controllers that the kernel
//! reaches by several paths.

use kerf_types::PciAddress;
use kerf_types::inventory::NumaNode;
use kerf_types::map::pci::find;
use kerf_types::map::{ClassDevice, DeviceClass, PciFunction};

use super::near::Nodes;
use super::{Folder, Reader, pci};

const VIRTUAL: &str = "/sys/devices/virtual/";
/// Disks of NVMe controllers with several ports, as the kernel keeps them (drivers/nvme/host/multipath.c).
const NVME_SUBSYSTEM: &str = "/sys/devices/virtual/nvme-subsystem/";

/// Every device that belongs to hardware, by class and name.
pub fn devices(
    reader: &Reader<'_>,
    functions: &[PciFunction],
    nodes: &[NumaNode],
) -> Vec<ClassDevice> {
    let place = Place::new(reader, functions, nodes);
    let mut found = Vec::new();
    for class in DeviceClass::ALL {
        for Entry { name, path } in entries(reader, class) {
            if !is_device(reader, class, &name, &path) {
                continue;
            }
            let pci = pci::nearest(&path).or_else(|| only_controller(reader, &path));
            found.push(ClassDevice {
                class,
                pci,
                numa_node: place.numa_node(pci, &path),
                name,
            });
        }
    }
    found
}

/// An entry of a class that stands for hardware.
#[derive(Debug)]
pub(super) struct Entry {
    /// Its name.
    pub name: String,
    /// Its canonical path.
    pub path: String,
}

/// Hardware of a class, by name.
pub(super) fn entries(reader: &Reader<'_>, class: DeviceClass) -> Vec<Entry> {
    let path = match class {
        // A bus, and no class since Linux 5.1.
        DeviceClass::Dax => "sys/bus/dax/devices".to_owned(),
        class => format!("sys/class/{}", class.as_str()),
    };
    let Some(folder) = Folder::open(reader, path) else {
        return Vec::new();
    };
    let names = reader.list(folder.path());
    let entry = |name: String| {
        let path = hardware(reader, &folder, &name)?;
        Some(Entry { name, path })
    };
    names.into_iter().filter_map(entry).collect()
}

/// The canonical path of an entry of a class's folder; `None` for what is virtual, or leads to no device.
pub(super) fn hardware(reader: &Reader<'_>, class: &Folder<'_, '_>, name: &str) -> Option<String> {
    // Hosts of containers have thousands of virtual interfaces: their link's text spares the walk to each.
    let target = class.target(name).unwrap_or_default();
    let is_virtual = |path: &str| path.contains(VIRTUAL.trim_start_matches("/sys"));
    if is_virtual(&target) && !target.contains(NVME_SUBSYSTEM.trim_start_matches("/sys")) {
        return None;
    }
    let entry = format!("{}/{name}", class.path());
    let device = |path: &str| {
        let path = reader.root().canonical(path)?;
        let is_kept = !path.starts_with(VIRTUAL) || path.starts_with(NVME_SUBSYSTEM);
        (path.starts_with("/sys/devices/") && is_kept).then_some(path)
    };
    // Old kernels have a folder in the class, and a link to its device therein.
    let found = device(&entry).or_else(|| device(&format!("{entry}/device")));
    // Without its link it went while the class was listed.
    let is_link = !target.is_empty();
    if found.is_none() && is_link && reader.root().canonical(&entry).is_none() {
        return reader.odd(
            &entry,
            format_args!("leads to {target:?}, which is not there"),
        );
    }
    found
}

/// Whether an entry is a device of its own, and not a part or another view of one.
fn is_device(reader: &Reader<'_>, class: DeviceClass, name: &str, path: &str) -> bool {
    let file = |file: &str| reader.text(&format!("{path}/{file}"));
    let numbered = |stem: &str| {
        let digits = name.strip_prefix(stem).unwrap_or_default();
        !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit())
    };
    match class {
        // One path of several to an NVMe disk is hidden, and cannot be opened.
        DeviceClass::Block => file("partition").is_none() && file("hidden").as_deref() != Some("1"),
        // Connectors of screens (`card0-DP-1`) are in the class too.
        DeviceClass::Drm => ["card", "renderD", "controlD"].into_iter().any(numbered),
        // What the kernel uses as ordinary memory is a NUMA node's.
        DeviceClass::Dax => {
            let folder = Folder::open(reader, path.to_owned());
            folder.and_then(|folder| folder.link("driver")).as_deref() != Some("kmem")
        }
        DeviceClass::Mic => numbered("mic"),
        _ => true,
    }
}

/// The function of a disk that hangs under an NVMe subsystem, where that has a single controller.
fn only_controller(reader: &Reader<'_>, path: &str) -> Option<PciAddress> {
    let (subsystem, _) = path.strip_prefix('/')?.rsplit_once('/')?;
    if !path.starts_with(NVME_SUBSYSTEM) {
        return None;
    }
    let controllers = reader.numbered(subsystem, "nvme");
    let [only] = controllers.as_slice() else {
        return None;
    };
    let place = reader
        .root()
        .canonical(&format!("{subsystem}/nvme{only}"))?;
    pci::nearest(&place)
}

/// Where devices are, by the function that they belong to.
#[derive(Debug)]
pub(super) struct Place<'r, 'a> {
    reader: &'r Reader<'a>,
    functions: &'r [PciFunction],
    nodes: Nodes,
}

impl<'r, 'a> Place<'r, 'a> {
    pub fn new(reader: &'r Reader<'a>, functions: &'r [PciFunction], nodes: &[NumaNode]) -> Self {
        Self {
            reader,
            functions,
            nodes: Nodes::new(nodes),
        }
    }

    /// The NUMA node of a device with that function and canonical path: the function's, else what its folder or the
    /// nearest one above says.
    pub fn numa_node(&self, pci: Option<PciAddress>, path: &str) -> Option<u32> {
        match pci.and_then(|address| find(self.functions, address)) {
            Some(function) => function.numa_node,
            None => {
                let own = self.nodes.of_path(self.reader, path);
                own.or_else(|| self.nodes.above(self.reader, path))
            }
        }
    }
}
