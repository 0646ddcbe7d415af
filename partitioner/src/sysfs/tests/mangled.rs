//! A small machine whose files are mangled at random: whatever they say, every reader ends, panics at nothing, and
//! tells nothing that cannot be.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use kerf_types::inventory::NumaNode;
use kerf_types::map::PciFunction;
use proptest::collection::vec;
use proptest::prelude::*;
use tempfile::TempDir;

use crate::sysfs::{Reader, Root, devices, nics, numa, nvme, pci};

const PORT: &str = "sys/devices/pci0000:00/0000:00:01.0";
const CARD: &str = "sys/devices/pci0000:00/0000:00:01.0/0000:01:00.0";

/// Every file of the machine; a text that begins with `->` is a link.
const FILES: [(&str, &str); 30] = [
    ("sys/devices/system/node/node0/cpulist", "0-3"),
    ("sys/devices/system/node/node0/distance", "10"),
    (
        "sys/devices/system/node/node0/meminfo",
        "Node 0 MemTotal: 1024 kB",
    ),
    (
        "PORT/uevent",
        "PCI_CLASS=60400\nPCI_ID=8086:352A\nPCI_SLOT_NAME=0000:00:01.0\n",
    ),
    ("PORT/numa_node", "0"),
    ("CARD/class", "0x020000"),
    ("CARD/vendor", "0x15b3"),
    ("CARD/device", "0x1021"),
    ("CARD/numa_node", "-1"),
    ("CARD/local_cpulist", "0-3"),
    ("CARD/current_link_speed", "32.0 GT/s PCIe"),
    ("CARD/max_link_width", "16"),
    ("CARD/config", "0123456789abcdef"),
    ("CARD/iommu_group", "->../../../../kernel/iommu_groups/7"),
    ("CARD/physfn", "->../0000:01:00.1"),
    ("CARD/sriov_totalvfs", "8"),
    ("CARD/sriov_numvfs", "0"),
    ("CARD/infiniband/mlx5_0/ports/1/rate", "400 Gb/sec (4X NDR)"),
    ("CARD/infiniband/mlx5_0/ports/1/state", "4: ACTIVE"),
    ("CARD/infiniband/mlx5_0/ports/1/lid", "0x1"),
    ("CARD/net/eth0/speed", "400000"),
    ("CARD/nvme/nvme0/model", "Fast Disk"),
    ("CARD/nvme/nvme0/nvme0n1/size", "18446744073709551615"),
    ("sys/bus/pci/devices/0000:00:01.0", "->/PORT"),
    (
        "sys/bus/pci/devices/0000:01:00.0",
        "->../../../devices/pci0000:00/0000:00:01.0/0000:01:00.0",
    ),
    ("sys/bus/pci/devices/0000:02:00.0/class", "0x030000"),
    ("sys/class/infiniband/mlx5_0", "->/CARD/infiniband/mlx5_0"),
    ("sys/class/net/eth0", "->/CARD/net/eth0"),
    ("sys/class/nvme/nvme0", "->/CARD/nvme/nvme0"),
    ("sys/class/block/nvme0n1", "->/CARD/nvme/nvme0/nvme0n1"),
];

fn named(text: &str) -> String {
    text.replace("PORT", PORT).replace("CARD", CARD)
}

/// What becomes of a file.
#[derive(Debug, Clone)]
enum Mangle {
    Missing,
    Bytes(Vec<u8>),
    /// Its first bytes.
    Cut(usize),
    /// A text of another file: one that is in its place somewhere else.
    Swapped(usize),
    Folder,
    Link(String),
}

fn mangles() -> impl Strategy<Value = Vec<(usize, Mangle)>> {
    let target = prop_oneof![
        Just(".".to_owned()),
        Just("..".to_owned()),
        Just("../..".to_owned()),
        Just("/".to_owned()),
        Just("/sys/devices".to_owned()),
        Just("../../../../../../../../etc/passwd".to_owned()),
        (0..FILES.len()).prop_map(|at| format!("/{}", named(FILES[at].0))),
        "[a-z0-9:./]{1,20}",
    ];
    let mangle = prop_oneof![
        Just(Mangle::Missing),
        vec(any::<u8>(), 0..40).prop_map(Mangle::Bytes),
        (0..20usize).prop_map(Mangle::Cut),
        (0..FILES.len()).prop_map(Mangle::Swapped),
        Just(Mangle::Folder),
        target.prop_map(Mangle::Link),
    ];
    vec((0..FILES.len(), mangle), 0..12)
}

/// Lays a file; where an earlier one made its folder something else, it is left out.
fn lay(root: &Path, path: &str, text: &str, mangle: Option<&Mangle>) {
    let place = root.join(named(path));
    if !place.parent().is_some_and(|parent| is_inside(root, parent)) {
        return;
    }
    let text = named(text);
    let plain = |text: &str| match text.strip_prefix("->") {
        Some(target) => symlink(target, &place),
        None => fs::write(&place, text),
    };
    drop(match mangle {
        None => plain(&text),
        Some(Mangle::Missing) => Ok(()),
        Some(Mangle::Bytes(bytes)) => fs::write(&place, bytes),
        Some(Mangle::Cut(length)) => plain(text.get(..*length).unwrap_or(&text)),
        Some(Mangle::Swapped(other)) => plain(&named(FILES[*other].1)),
        Some(Mangle::Folder) => fs::create_dir(&place),
        Some(Mangle::Link(target)) => symlink(target, &place),
    });
}

/// Makes a folder of the tree, and says whether it is one: links are not gone through.
fn is_inside(root: &Path, folder: &Path) -> bool {
    let Ok(parts) = folder.strip_prefix(root) else {
        return false;
    };
    let mut place = root.to_owned();
    parts.components().all(|part| {
        place.push(part);
        drop(fs::create_dir(&place));
        place.symlink_metadata().is_ok_and(|found| found.is_dir())
    })
}

fn is_possible(root: &Root, functions: &[PciFunction], nodes: &[NumaNode]) {
    let is_node = |id: Option<u32>| id.is_none_or(|id| nodes.iter().any(|node| node.id == id));
    let reader = Reader::new(root);
    assert!(
        functions
            .windows(2)
            .all(|pair| pair[0].address < pair[1].address)
    );
    for function in functions {
        assert!(is_node(function.numa_node), "{function:?}");
        assert!(function.class <= Some(0xff_ffff), "{function:?}");
        assert_ne!(function.parent, Some(function.address), "{function:?}");
        let end = format!("/{}", function.address);
        let path = &function.path;
        let is_place = path.starts_with("/sys/devices/") && path.ends_with(&end);
        assert!(path.is_empty() || is_place, "{function:?}");
        assert!(
            path.is_empty() || root.canonical(path).as_ref() == Some(path),
            "{path}"
        );
    }
    let devices = devices::devices(&reader, functions, nodes);
    assert!(
        devices.windows(2).all(|pair| pair[0] < pair[1]),
        "{devices:?}"
    );
    assert!(
        devices.iter().all(|device| is_node(device.numa_node)),
        "{devices:?}"
    );
    let nvme = nvme::controllers(&reader, functions, nodes);
    assert!(nvme.iter().all(|disk| is_node(disk.numa_node)), "{nvme:?}");
    let nics = nics::nics(&reader, functions, nodes);
    let keys: Vec<_> = nics.iter().map(|nic| (nic.kind, &nic.name)).collect();
    assert!(keys.is_sorted(), "{keys:?}");
    assert!(nics.iter().all(|nic| is_node(nic.numa_node)), "{nics:?}");
    let told = reader.into_oddities();
    assert!(
        told.iter().all(|odd| odd.path.starts_with("/sys")),
        "{told:?}"
    );
}

/// A folder in memory where there is one: the cases make eight thousand files.
fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    };
    folder.expect("a folder")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn no_mangled_machine_is_believed_blindly(mangles in mangles()) {
        let folder = scratch();
        for (at, (path, text)) in FILES.iter().enumerate() {
            let mangle = mangles.iter().find(|(file, _)| *file == at);
            lay(folder.path(), path, text, mangle.map(|(_, mangle)| mangle));
        }
        let root = Root::open(folder.path()).expect("a root");
        let nodes = numa::nodes(&Reader::new(&root));
        let functions = pci::functions(&Reader::new(&root), &nodes);
        is_possible(&root, &functions, &nodes);
        if mangles.is_empty() {
            assert_eq!((functions.len(), functions[1].numa_node), (3, Some(0)));
        }
    }
}
