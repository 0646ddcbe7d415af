//! PCI functions of trees that no dump shows: SR-IOV, VMD, access control, folders for links, and lies.

use std::fs;
use std::path::Path;

use kerf_types::HostMap;
use kerf_types::map::pci::find;
use kerf_types::map::{Acs, LinkSpeed, PciFunction, PciLink, SriovFunctions};

use super::machine::{machine, nodes};
use super::tree;
use crate::sysfs::pci::is_host_bridge;
use crate::sysfs::{Reader, Root, acs, numa, pci};

const BUS: &str = "sys/bus/pci/devices";

/// Functions of a tree, and what was odd in it.
fn read(root: &Root) -> (Vec<PciFunction>, Vec<String>) {
    let reader = Reader::new(root);
    let functions = pci::functions(&reader, &nodes());
    let oddities = reader.into_oddities().into_iter();
    let odd = oddities.map(|odd| format!("{} {}", odd.path, odd.what));
    (functions, odd.collect())
}

fn at(functions: &[PciFunction], address: &str) -> PciFunction {
    let parsed = address.parse().expect(address);
    let found = find(functions, parsed);
    found
        .unwrap_or_else(|| panic!("{address} is listed"))
        .clone()
}

/// A port, a card below it, and a virtual function of that, which has the single files alone.
const CARD: &str = r"
bus/pci/devices
  0000:15:01.0 -> devices/pci0000:15/0000:15:01.0
  0000:16:00.0 -> devices/pci0000:15/0000:15:01.0/0000:16:00.0
  0000:16:00.1 -> devices/pci0000:15/0000:15:01.0/0000:16:00.1
devices/pci0000:15/0000:15:01.0
  uevent = DRIVER=pcieport\nPCI_CLASS=60400\nPCI_ID=8086:352A\nPCI_SUBSYS_ID=0000:0000\n
  numa_node = 1
devices/pci0000:15/0000:15:01.0/0000:16:00.0
  uevent = DRIVER=mlx5_core\nPCI_CLASS=20700\nPCI_ID=15B3:1021\nPCI_SUBSYS_ID=15B3:0041\nPCI_SLOT_NAME=0000:16:00.0\n
  numa_node = -1
  current_link_speed = 2.5 GT/s PCIe
  current_link_width = 8
  max_link_speed = 32.0 GT/s PCIe
  max_link_width = 16
  sriov_totalvfs = 8
  sriov_numvfs = 1
  iommu_group -> kernel/iommu_groups/42
devices/pci0000:15/0000:15:01.0/0000:16:00.1
  class = 0x020700
  vendor = 0x15b3
  device = 0x101e
  subsystem_vendor = 0x15b3
  subsystem_device = 0x0041
  physfn -> devices/pci0000:15/0000:15:01.0/0000:16:00.0
  driver -> bus/pci/drivers/vfio-pci
  current_link_speed = Unknown
  current_link_width = 0
  max_link_speed = Unknown speed
  max_link_width = 255
";

#[test]
fn a_function_is_read_whole() {
    let (_folder, root) = machine(CARD);
    let (functions, odd) = read(&root);
    assert_eq!(odd, Vec::<String>::new());
    assert_eq!(
        at(&functions, "0000:16:00.0"),
        PciFunction {
            address: "0000:16:00.0".parse().expect("an address"),
            class: Some(0x02_0700),
            vendor: Some(0x15b3),
            device: Some(0x1021),
            subsystem: Some((0x15b3, 0x41)),
            numa_node: Some(1),
            parent: Some("0000:15:01.0".parse().expect("an address")),
            host_bridge: "pci0000:15".to_owned(),
            path: "/sys/devices/pci0000:15/0000:15:01.0/0000:16:00.0".to_owned(),
            link: Some(PciLink {
                speed: Some(LinkSpeed(2_500)),
                width: Some(8),
                max_speed: Some(LinkSpeed(32_000)),
                max_width: Some(16),
                is_old_spelling: false,
            }),
            driver: Some("mlx5_core".to_owned()),
            iommu_group: Some(42),
            physical_function: None,
            sriov: Some(SriovFunctions {
                total: 8,
                enabled: 1
            }),
            acs: None,
        }
    );
    let virt = at(&functions, "0000:16:00.1");
    assert_eq!(
        (virt.class, virt.vendor, virt.device),
        (Some(0x02_0700), Some(0x15b3), Some(0x101e))
    );
    assert_eq!(virt.subsystem, Some((0x15b3, 0x41)));
    assert_eq!(virt.driver.as_deref(), Some("vfio-pci"));
    assert_eq!(
        virt.physical_function,
        Some(at(&functions, "0000:16:00.0").address)
    );
    assert_eq!((virt.link, virt.sriov), (None, None));
    let port = at(&functions, "0000:15:01.0");
    assert_eq!(
        (port.parent, port.subsystem, port.numa_node),
        (None, Some((0, 0)), Some(1))
    );
}

#[test]
fn domains_below_a_controller_hang_under_it() {
    let inner = "sys/devices/pci0000:00/0000:00:0e.0/pci10000:e0/10000:e0:01.0/10000:e1:00.0";
    let class = format!("{inner}/class");
    let link = format!("->../../../../{inner}");
    let (_folder, root) = tree(&[
        (&class, "0x010802"),
        ("sys/devices/pci0000:00/0000:00:0e.0/numa_node", "0"),
        (&format!("{BUS}/10000:e1:00.0"), &link),
        (
            &format!("{BUS}/10000:e0:01.0"),
            link.trim_end_matches("/10000:e1:00.0"),
        ),
        (
            &format!("{BUS}/0000:00:0e.0"),
            "->../../../devices/pci0000:00/0000:00:0e.0",
        ),
    ]);
    let (functions, odd) = read(&root);
    assert_eq!(odd, Vec::<String>::new());
    let disk = at(&functions, "10000:e1:00.0");
    assert_eq!(
        (disk.host_bridge.as_str(), disk.numa_node),
        ("pci10000:e0", Some(0))
    );
    let port = at(&functions, "10000:e0:01.0");
    assert_eq!(
        (disk.parent, port.parent),
        (
            Some(port.address),
            Some(at(&functions, "0000:00:0e.0").address)
        )
    );
    assert_eq!(disk.path, format!("/{inner}"));
}

#[test]
fn folders_for_links_hang_where_the_devices_show_them() {
    let (_folder, root) = tree(&[
        (&format!("{BUS}/0004:05:00.0/class"), "0x030000"),
        (&format!("{BUS}/0004:05:00.0/local_cpus"), "000000f0"),
        (&format!("{BUS}/0004:06:00.0/class"), "0x030000"),
        ("sys/devices/pci0004:00/0004:00:00.0/0004:05:00.0/irq", "1"),
        // A way to the same that is no folder of its own.
        ("sys/devices/pci0004:00/0004:00:01.0", "->0004:00:00.0"),
        ("sys/devices/pci0004:00/0004:00:02.0", "->."),
    ]);
    let (functions, odd) = read(&root);
    assert_eq!((functions.len(), odd), (2, Vec::new()));
    let found = at(&functions, "0004:05:00.0");
    assert_eq!(
        found.path,
        "/sys/devices/pci0004:00/0004:00:00.0/0004:05:00.0"
    );
    assert_eq!(
        (found.host_bridge.as_str(), found.numa_node),
        ("pci0004:00", Some(1))
    );
    assert_eq!(found.parent, "0004:00:00.0".parse().ok());
    let lost = at(&functions, "0004:06:00.0");
    assert_eq!(
        (lost.path.as_str(), lost.parent, lost.class),
        ("", None, Some(0x03_0000))
    );
}

const LIES: &str = r"
bus/pci/devices
  0000:00:01.0 -> devices/pci0000:00/0000:00:01.0
  0000:00:02.0 -> devices/pci0000:00/0000:00:01.0
  0000:00:03.0 -> bus/pci/devices/0000:00:03.0
  0000:00:4.0 -> devices/pci0000:00/0000:00:01.0
  0000:00:05.0 = a file
devices/pci0000:00/0000:00:01.0
  uevent = PCI_CLASS=zzz\nPCI_ID=8086\nPCI_SUBSYS_ID=1:2:3\nDRIVER=\nno sense\n
  class = 0x1000000
  vendor = 0x10de1
  device = +0x12
  numa_node = one
  local_cpulist = 9-3
  local_cpus = g
  current_link_speed = fast
  current_link_width = 4096
  iommu_group -> none
  physfn -> elsewhere
  sriov_totalvfs = -4
";

#[test]
fn lies_are_told_and_not_believed() {
    let (folder, root) = machine(LIES);
    fs::write(
        folder
            .path()
            .join("sys/devices/pci0000:00/0000:00:01.0/max_link_speed"),
        [0xff],
    )
    .expect("a file");
    let (functions, odd) = read(&root);
    assert_eq!(functions.len(), 2);
    let liar = at(&functions, "0000:00:01.0");
    assert!(liar.class.is_none() && liar.vendor.is_none() && liar.subsystem.is_none());
    assert_eq!(
        (liar.numa_node, liar.link, liar.iommu_group),
        (None, None, None)
    );
    assert_eq!(
        (liar.physical_function, liar.sriov, liar.driver),
        (None, None, None)
    );
    assert_eq!(at(&functions, "0000:00:02.0").path, "");
    let of = |address: &str| {
        let prefix = format!("/{BUS}/{address}");
        let those = odd
            .iter()
            .filter_map(|odd| odd.strip_prefix(prefix.as_str()));
        those.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(
        of("0000:00:01.0"),
        [
            "/class \"0x1000000\" is not a class code",
            "/current_link_speed \"fast\" is not a speed in GT/s",
            "/current_link_width \"4096\" is not a number that fits",
            "/device \"+0x12\" is not a hexadecimal number that fits",
            "/iommu_group \"none\" is not a group's number",
            "/local_cpulist \"9-3\" is not a list of CPUs",
            "/local_cpus \"g\" is not a mask of CPUs",
            "/max_link_speed is not text",
            "/numa_node \"one\" is not a number that fits",
            "/physfn \"elsewhere\" is not a PCI address",
            "/sriov_totalvfs \"-4\" is not a number that fits",
            "/uevent \"DRIVER=\" is not a function's identity",
            "/uevent \"PCI_CLASS=zzz\" is not a function's identity",
            "/uevent \"PCI_ID=8086\" is not a function's identity",
            "/uevent \"PCI_SUBSYS_ID=1:2:3\" is not a function's identity",
            "/vendor \"0x10de1\" is not a hexadecimal number that fits",
        ]
    );
    assert!(
        of("0000:00:02.0").contains(&" leads to /sys/devices/pci0000:00/0000:00:01.0".to_owned())
    );
    assert_eq!(of("0000:00:03.0"), [" leads to no folder"]);
    assert_eq!(of("0000:00:4.0"), [" is no PCI address"]);
    assert_eq!(of("0000:00:05.0"), [" leads to no folder"]);
}

#[test]
fn this_machine_is_read_whole() {
    let root = Root::open(Path::new("/")).expect("the root");
    let reader = Reader::new(&root);
    let nodes = numa::nodes(&reader);
    let functions = pci::functions(&reader, &nodes);
    let folder = fs::read_dir(Path::new("/").join(BUS));
    assert_eq!(functions.len(), folder.map_or(0, Iterator::count));
    for function in &functions {
        assert!(
            function.vendor.and(function.class).is_some(),
            "{function:?}"
        );
        assert!(Path::new(&function.path).is_dir(), "{function:?}");
        assert!(is_host_bridge(&function.host_bridge), "{function:?}");
    }
}

/// An extended configuration space with these registers, by offset.
fn space(registers: &[(usize, u32)]) -> Vec<u8> {
    let mut bytes = vec![0; 4096];
    for (offset, register) in registers {
        bytes[*offset..*offset + 4].copy_from_slice(&register.to_le_bytes());
    }
    bytes
}

fn acs_of(config: &[u8]) -> Option<Acs> {
    let (folder, root) = tree(&[(&format!("{BUS}/0000:00:01.0/class"), "0x060400")]);
    fs::write(folder.path().join(BUS).join("0000:00:01.0/config"), config).expect("a file");
    at(&read(&root).0, "0000:00:01.0").acs
}

#[test]
fn access_control_is_found_along_the_list() {
    // Advanced error reporting first, then access control.
    let whole = space(&[
        (0x100, 0x1480_0001),
        (0x148, 0x0001_000d),
        (0x14c, 0x001d_005f),
    ]);
    let acs = Acs {
        capable: 0x5f,
        enabled: 0x1d,
    };
    assert_eq!(acs_of(&whole), Some(acs));
    assert!(acs.redirects_peers());
    for short in [0, 64, 256, 0x148, 0x14e] {
        assert_eq!(acs_of(&whole[..short]), None, "{short} bytes");
    }
    let without = space(&[(0x100, 0x1480_0001), (0x148, 0x0001_0019)]);
    let into_the_old_space = space(&[(0x100, 0x0400_0001), (0x40, 0x0000_000d)]);
    for none in [without, into_the_old_space, space(&[]), vec![0xff; 4096]] {
        assert_eq!(acs_of(&none), None);
    }
    // A list that never ends.
    let loops = std::cell::Cell::new(0);
    let read = |_| {
        loops.set(loops.get() + 1);
        Some(0x1000_0001)
    };
    assert_eq!((acs::walk(read), loops.get()), (None, 480));
}

/// A bridge with the address of a card that hangs elsewhere: the bus has one of the two.
const TWICE: &str = r"
bus/pci/devices
  0000:a1:00.0 -> devices/pci0000:15/0000:15:01.0/0000:a1:00.0
  0000:b1:00.0 -> devices/pci0000:80/0000:a1:00.0/0000:b1:00.0
devices/pci0000:15/0000:15:01.0/0000:a1:00.0
  uevent = PCI_CLASS=20700\nPCI_ID=15B3:101B\nPCI_SLOT_NAME=0000:a1:00.0\n
  numa_node = 0
devices/pci0000:80/0000:a1:00.0
  uevent = PCI_CLASS=60400\nPCI_ID=1000:C010\nPCI_SLOT_NAME=0000:a1:00.0\n
  numa_node = 1
devices/pci0000:80/0000:a1:00.0/0000:b1:00.0
  uevent = PCI_CLASS=38000\nPCI_ID=1002:740C\nPCI_SLOT_NAME=0000:b1:00.0\n
";

#[test]
fn of_two_functions_with_one_address_both_are_told_and_the_listed_one_is_found() {
    let (_folder, root) = machine(TWICE);
    let (functions, odd) = read(&root);
    let told = "has the address of a function somewhere else";
    assert_eq!(
        odd,
        [format!("/sys/devices/pci0000:80/0000:a1:00.0 {told}")]
    );
    let classes: Vec<u32> = functions.iter().filter_map(|one| one.class).collect();
    assert_eq!(classes, [0x02_0700, 0x06_0400, 0x03_8000]);
    assert_eq!(at(&functions, "0000:a1:00.0").class, Some(0x02_0700));
    let path = "/sys/devices/pci0000:80/0000:a1:00.0";
    let map = HostMap {
        pci: functions.clone(),
        ..HostMap::default()
    };
    let twice = functions[0].address;
    let bridge = map.function_at(twice, path).expect("the bridge");
    assert_eq!((bridge.vendor, bridge.numa_node), (Some(0x1000), Some(1)));
    assert_eq!(
        at(&functions, "0000:b1:00.0").numa_node,
        Some(1),
        "of the bridge above it"
    );
    assert_eq!(map.function_at(twice, "/sys/devices/pci0000:90"), None);
}
