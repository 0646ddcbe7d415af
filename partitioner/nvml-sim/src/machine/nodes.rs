//! The device nodes of a machine. Owns the choice of majors: a simulated node must never open
//! real hardware, so a major is one that no driver has and, as a rule, that none can ever get.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use super::CreateError;
use super::sys;
use super::tree::{Tree, failed};
use crate::model::machine::{Machine, Nodes};
use crate::model::mix;
use crate::model::product::Product;
use crate::store::capability_minor;

/// Linux refuses to register a character major of 512 or more (`CHRDEV_MAJOR_MAX`) but makes and
/// opens nodes with one; opening answers ENXIO for ever.
const FIRST_MAJOR: u32 = 512;
/// Majors have 12 bits.
const LAST_MAJOR: u32 = 4095;
/// NVIDIA's own, refused even where no driver is loaded.
const NVIDIA_MAJOR: u32 = 195;
/// Minors of the driver's two general nodes.
const CONTROL_MINOR: u32 = 255;

/// Chooses four majors for the machine in `folder`. Different folders get different ones as far
/// as the range allows, so that a device-cgroup rule for one machine does not name another's nodes.
///
/// # Errors
/// `MajorTaken` when the real machine uses what was chosen, which no known kernel can do.
pub fn choose(folder: &Path, proc_devices: &str) -> Result<Nodes, CreateError> {
    let taken: BTreeSet<u32> = proc_devices
        .lines()
        .filter_map(|line| line.split_ascii_whitespace().next()?.parse().ok())
        .chain([NVIDIA_MAJOR])
        .collect();
    let seed = folder.as_os_str().as_encoded_bytes().iter();
    let seed = seed.fold(0, |seed, byte| mix(seed ^ u64::from(*byte)));
    let span = u64::from(LAST_MAJOR - FIRST_MAJOR - 3);
    let first = FIRST_MAJOR + u32::try_from(seed % span).unwrap_or(0);
    let nodes = Nodes {
        real: false,
        frontend: first,
        uvm: first + 1,
        caps: first + 2,
        imex: first + 3,
    };
    match [nodes.frontend, nodes.uvm, nodes.caps, nodes.imex]
        .into_iter()
        .find(|major| taken.contains(major))
    {
        Some(major) => Err(CreateError::MajorTaken { major }),
        None => Ok(nodes),
    }
}

/// One node: path, major, minor, permission bits.
pub type Node = (String, u32, u32, u32);

/// Every node of the machine: those of capabilities are there before their instances, as on a
/// host whose `nvidia-modprobe` has made them.
fn list(product: &Product, machine: &Machine) -> Vec<Node> {
    let Nodes {
        frontend,
        uvm,
        caps,
        ..
    } = machine.nodes;
    let mut nodes = vec![
        ("dev/nvidiactl".to_owned(), frontend, CONTROL_MINOR, 0o666),
        ("dev/nvidia-uvm".to_owned(), uvm, 0, 0o666),
        ("dev/nvidia-uvm-tools".to_owned(), uvm, 1, 0o666),
        ("dev/nvidia-caps/nvidia-cap1".to_owned(), caps, 1, 0o400),
        ("dev/nvidia-caps/nvidia-cap2".to_owned(), caps, 2, 0o444),
    ];
    for gpu in &machine.gpus {
        nodes.push((
            format!("dev/nvidia{}", gpu.minor),
            frontend,
            gpu.minor,
            0o666,
        ));
        for (gi, slices) in possible_instances(product) {
            for ci in std::iter::once(None).chain((0..slices).map(Some)) {
                let minor = capability_minor(gpu.minor, gi, ci);
                nodes.push((
                    format!("dev/nvidia-caps/nvidia-cap{minor}"),
                    caps,
                    minor,
                    0o444,
                ));
            }
        }
    }
    nodes
}

/// Every id that a GPU instance can get, with the most compute slices that it can have there. The
/// numbering has room for more, which no place ever uses.
fn possible_instances(product: &Product) -> BTreeMap<u32, u32> {
    let mut most = BTreeMap::new();
    for profile in product.gi_profiles {
        for &start in profile.starts {
            let slices = most.entry(product.gi_id(start, profile.size)).or_insert(0);
            *slices = profile.slices.max(*slices);
        }
    }
    most
}

/// Makes the nodes of NVIDIA's driver; returns whether they are real ones.
pub fn write(tree: &Tree, product: &Product, machine: &Machine) -> Result<bool, CreateError> {
    tree.folder("dev/nvidia-caps")?;
    make(tree, list(product, machine))
}

/// Makes these nodes; returns whether they are real ones. Without the right to make character
/// nodes they are empty plain files, so that paths still resolve.
pub fn make(tree: &Tree, nodes: Vec<Node>) -> Result<bool, CreateError> {
    let mut real = true;
    for (path, major, minor, mode) in nodes {
        let host = tree.path(&path);
        if real {
            match sys::make_character_node(&host, major, minor) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => real = false,
                Err(error) => return Err(failed("make the node", &host, error)),
            }
        }
        if !real {
            tree.bytes(&path, b"")?;
        }
        tree.mode(&path, mode)?;
    }
    Ok(real)
}
