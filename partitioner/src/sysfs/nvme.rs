//! NVMe controllers and their disks, from `/sys/class/nvme` (drivers/nvme/host/sysfs.c).
//!
//! Owns which disks are a controller's. Asks no controller: every file here is what the kernel remembers.

use kerf_types::inventory::NumaNode;
use kerf_types::map::{Namespace, Nvme, PciFunction};

use super::devices::Place;
use super::reader::spelled;
use super::{Folder, Reader, pci};

const CLASS: &str = "sys/class/nvme";
/// Bytes of the unit that the kernel counts disks in, whatever their own blocks are.
const SECTOR: u64 = 512;

/// Every NVMe controller, by number.
pub fn controllers(
    reader: &Reader<'_>,
    functions: &[PciFunction],
    nodes: &[NumaNode],
) -> Vec<Nvme> {
    let place = Place::new(reader, functions, nodes);
    let numbers = reader.numbered(CLASS, "nvme");
    let names = numbers.into_iter().map(|number| format!("nvme{number}"));
    names
        .filter_map(|name| controller(reader, &place, name))
        .collect()
}

fn controller(reader: &Reader<'_>, place: &Place<'_, '_>, name: String) -> Option<Nvme> {
    let Some(folder) = Folder::open(reader, format!("{CLASS}/{name}")) else {
        return reader.odd(format!("{CLASS}/{name}"), "leads to no folder");
    };
    let path = folder.canonical().unwrap_or_default();
    let pci = pci::nearest(&path);
    Some(Nvme {
        pci,
        numa_node: place.numa_node(pci, &path),
        transport: folder.text("transport"),
        model: folder.text("model"),
        serial: folder.text("serial"),
        firmware: folder.text("firmware_rev"),
        state: folder.text("state"),
        namespaces: namespaces(reader, &folder),
        name,
    })
}

fn namespaces(reader: &Reader<'_>, controller: &Folder<'_, '_>) -> Vec<Namespace> {
    let names = reader.list(controller.path());
    let mut found: Vec<(NamespaceName, Namespace)> = names
        .iter()
        .filter_map(|entry| {
            let name = NamespaceName::parse(entry)?;
            let sectors: Option<u64> =
                reader.number(&format!("{}/{entry}/size", controller.path()));
            let namespace = Namespace {
                name: format!("nvme{}n{}", name.device, name.number),
                bytes: sectors.and_then(|sectors| sectors.checked_mul(SECTOR)),
            };
            Some((name, namespace))
        })
        .collect();
    found.sort_by_key(|(name, _)| *name);
    // A path and the disk itself are one.
    found.dedup_by_key(|(name, _)| *name);
    found.into_iter().map(|(_, namespace)| namespace).collect()
}

/// Name of a disk in a controller's folder: `nvme0n1`, or `nvme0c1n1` for the path by controller 1 to `nvme0n1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct NamespaceName {
    device: u32,
    number: u32,
}

impl NamespaceName {
    fn parse(name: &str) -> Option<Self> {
        let (device, number) = name.strip_prefix("nvme")?.split_once('n')?;
        let device = match device.split_once('c') {
            Some((device, controller)) => {
                spelled::<u32>(controller)?;
                device
            }
            None => device,
        };
        Some(Self {
            device: spelled(device)?,
            number: spelled(number)?,
        })
    }
}
