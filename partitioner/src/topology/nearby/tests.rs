//! A machine of two sockets, with a switch on the first.

use std::collections::BTreeSet;
use std::sync::Arc;

use kerf_types::inventory::{Inventory, Nic, NicKind};
use kerf_types::map::{Nvme, PciFunction};
use kerf_types::{HostMap, PciAddress};

use super::{Nearby, Nearest, numa_node};

fn at(address: &str) -> PciAddress {
    address.parse().expect("an address")
}

fn function(path: &str, numa_node: Option<u32>) -> PciFunction {
    let (_, address) = path.rsplit_once('/').expect("a path");
    PciFunction {
        numa_node,
        ..PciFunction::at(at(address), path.to_owned())
    }
}

fn nic(name: &str, pci: Option<&str>, numa_node: Option<u32>) -> Nic {
    Nic {
        name: name.to_owned(),
        kind: NicKind::Rdma,
        pci: pci.map(at),
        numa_node,
        ..Nic::default()
    }
}

fn nvme(name: &str, pci: Option<&str>) -> Nvme {
    Nvme {
        name: name.to_owned(),
        pci: pci.map(at),
        numa_node: None,
        transport: None,
        model: None,
        serial: None,
        firmware: None,
        state: None,
        namespaces: Vec::new(),
    }
}

/// GPU 03:00.0 shares a switch with mlx5_0 and nvme0; GPU 12:00.0 has a root port of its own beside mlx5_1; GPU
/// 82:00.0 is on the other socket, with nvme1 there.
fn host() -> Inventory {
    let switch = "/sys/devices/pci0000:00/0000:00:01.0/0000:01:00.0";
    let (first, second) = (Some(0), Some(1));
    let mut guest = function(&format!("{switch}/0000:02:01.0/0000:04:00.1"), first);
    guest.physical_function = Some(at("0000:04:00.0"));
    let pci = vec![
        function(&format!("{switch}/0000:02:00.0/0000:03:00.0"), first),
        function(&format!("{switch}/0000:02:01.0/0000:04:00.0"), first),
        guest,
        function(&format!("{switch}/0000:02:02.0/0000:05:00.0"), first),
        function("/sys/devices/pci0000:10/0000:10:01.0/0000:12:00.0", first),
        function("/sys/devices/pci0000:10/0000:10:02.0/0000:13:00.0", first),
        function("/sys/devices/pci0000:80/0000:80:01.0/0000:82:00.0", second),
        function("/sys/devices/pci0000:90/0000:90:01.0/0000:92:00.0", second),
    ];
    Inventory {
        nics: vec![
            nic("mlx5_0", Some("0000:04:00.0"), first),
            nic("mlx5_1", Some("0000:13:00.0"), None),
            nic("mlx5_2", Some("0000:04:00.1"), first),
            nic("rxe0", None, None),
            Nic {
                kind: NicKind::Net,
                ..nic("eth0", Some("0000:12:00.0"), second)
            },
        ],
        map: Arc::new(HostMap {
            pci,
            nvme: vec![
                nvme("nvme0", Some("0000:05:00.0")),
                nvme("nvme1", Some("0000:92:00.0")),
                nvme("nvme2", None),
            ],
            ..HostMap::default()
        }),
        ..Inventory::default()
    }
}

fn check(devices: &[&str], nics: &[&str], disks: &[&str]) {
    let devices: BTreeSet<PciAddress> = devices.iter().map(|one| at(one)).collect();
    let words = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let expected = Nearby {
        nics: words(nics),
        nvme: words(disks),
    };
    assert_eq!(Nearest::of(&host()).to(&devices), expected, "{devices:?}");
}

#[test]
fn each_device_has_its_own_nearest() {
    check(&["0000:03:00.0"], &["mlx5_0"], &["nvme0"]);
    check(&["0000:12:00.0"], &["mlx5_1"], &["nvme0"]);
    // A disk of the same socket is near, and no interface is; the one of the other socket is near to nobody here.
    check(&["0000:82:00.0"], &[], &["nvme1"]);
    let all = ["0000:03:00.0", "0000:12:00.0", "0000:82:00.0"];
    check(&all, &["mlx5_0", "mlx5_1"], &["nvme0", "nvme1"]);
    check(&[], &[], &[]);
    check(&["0000:ff:00.0"], &[], &[]);
}

#[test]
fn the_node_of_a_device_is_asked_of_whoever_knows_it() {
    let host = host();
    assert_eq!(numa_node(&host, at("0000:82:00.0")), Some(1));
    assert_eq!(numa_node(&host, at("0000:ff:00.0")), None);
}
