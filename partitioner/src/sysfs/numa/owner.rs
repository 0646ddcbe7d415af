//! Nodes whose memory is a GPU's: on POWER9 and Grace the kernel sees it as memory without CPUs.
//!
//! Owns `/proc/driver/nvidia/gpus/<address>/numa_status`, a file that NVIDIA's driver makes only on platforms where
//! GPU memory is a node (`kernel-open/nvidia/nv-procfs.c` of its open kernel modules). Reading it takes the GPU's
//! lock inside the driver and can hang as NVML does, so it is read as any file that a driver answers ([`Device`]). Which
//! addresses there are is asked of the folder alone, which does not enter the driver.

use std::collections::BTreeMap;

use kerf_types::PciAddress;
use nix::fcntl::OFlag;

use crate::sysfs::{Device, Reader};

const GPUS: &str = "proc/driver/nvidia/gpus";
const STATUS: &str = "numa_status";

/// The GPU of each node whose memory is one's. `nodes` are the machine's.
pub fn of_nodes(reader: &Reader<'_>, nodes: &[u32]) -> BTreeMap<u32, PciAddress> {
    let mut owners = BTreeMap::new();
    for (gpu, device) in devices(reader) {
        let Some(text) = device.text(STATUS) else {
            continue;
        };
        let path = device.path(STATUS);
        let Some((node, is_online)) = node_of(&text) else {
            reader.odd::<()>(&path, "does not name the node of the GPU's memory");
            continue;
        };
        let Some(node) = node else { continue };
        if !nodes.contains(&node) {
            // The driver keeps a number for the node of a GPU whose memory is not given to the kernel, or not yet.
            if is_online {
                let what = format_args!("names node {node} as online, and it is not");
                reader.odd::<()>(&path, what);
            }
        } else if let Some(other) = owners.get(&node) {
            reader.odd::<()>(
                &path,
                format_args!("names node {node}, as that of {other} does"),
            );
        } else {
            owners.insert(node, gpu);
        }
    }
    owners
}

/// The GPUs that have such a file.
fn devices<'r, 'a>(reader: &'r Reader<'a>) -> impl Iterator<Item = (PciAddress, Device<'r, 'a>)> {
    let names = reader.list(GPUS).into_iter();
    names.filter_map(|name| {
        let device = Device::new(reader, format!("{GPUS}/{name}"));
        // This looks for the name without entering the driver.
        let is_there = reader.root().resolve(&device.path(STATUS), OFlag::O_PATH);
        Some((name.parse().ok()?, is_there.ok().map(|_| device)?))
    })
}

/// `Node:      255` and `Status:    online`: the node, `None` for -1, and whether the kernel has it.
fn node_of(text: &str) -> Option<(Option<u32>, bool)> {
    let field = |name: &str| {
        let value = |line: &str| Some(line.strip_prefix(name)?.trim().to_owned());
        text.lines().find_map(value)
    };
    let node: i32 = field("Node:")?.parse().ok()?;
    let is_online = field("Status:").is_some_and(|status| status == "online");
    Some((u32::try_from(node).ok(), is_online))
}
