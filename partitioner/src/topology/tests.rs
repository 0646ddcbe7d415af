//! Levels as nvidia-smi words them, from the paths of real trees.

mod whole;

use kerf_types::inventory::{
    Architecture, Gpu, Health, Inventory, Nic, NicKind, NumaNode, NvLink, NvLinkRemote, PcieLink,
};
use kerf_types::topology::LinkClass;
use kerf_types::{Bytes, DeviceMinor, MigMode, PciAddress, Timestamp};

use super::links::nvlink_gbps;
use super::path::PciPath;
use super::{Site, matrix};

fn at(address: &str) -> PciAddress {
    address.parse().expect(address)
}

fn check(a: &str, b: &str, same_node: bool, level: LinkClass) {
    let path = |text| PciPath::parse(text).unwrap_or_else(|| panic!("{text}"));
    assert_eq!(path(a).level(&path(b), same_node), level, "{a}\n{b}");
    assert_eq!(path(b).level(&path(a), same_node), level, "{b}\n{a}");
}

#[test]
fn levels_follow_from_switches() {
    let port = "/sys/devices/pci0000:15/0000:15:01.0";
    let one = format!("{port}/0000:16:00.0");
    // Two functions of one card below a root port: no switch at all.
    check(&one, &format!("{port}/0000:16:00.1"), true, LinkClass::Pix);
    // One switch: upstream port 16:00.0, downstream ports 17:0x.
    let down = |port: u32, device: &str| format!("{one}/0000:17:0{port}.0/{device}");
    check(
        &down(0, "0000:18:00.0"),
        &down(1, "0000:19:00.0"),
        true,
        LinkClass::Pix,
    );
    // A second switch below one of its ports.
    let second =
        |port: u32, device: &str| down(2, &format!("0000:20:00.0/0000:21:0{port}.0/{device}"));
    check(
        &second(0, "0000:22:00.0"),
        &second(1, "0000:23:00.0"),
        true,
        LinkClass::Pix,
    );
    check(
        &second(0, "0000:22:00.0"),
        &down(0, "0000:18:00.0"),
        true,
        LinkClass::Pxb,
    );
    let third = |device: &str| down(3, &format!("0000:30:00.0/0000:31:00.0/{device}"));
    check(
        &second(0, "0000:22:00.0"),
        &third("0000:32:00.0"),
        true,
        LinkClass::Pxb,
    );
    // Another root port of the same host bridge, other host bridges, another domain.
    check(
        &one,
        "/sys/devices/pci0000:15/0000:15:02.0/0000:40:00.0",
        true,
        LinkClass::Phb,
    );
    check(
        "/sys/devices/pci0000:15/0000:15:02.0",
        &one,
        true,
        LinkClass::Phb,
    );
    check(
        &one,
        "/sys/devices/pci0000:80/0000:80:01.0/0000:81:00.0",
        true,
        LinkClass::Node,
    );
    check(
        &one,
        "/sys/devices/pci0000:80/0000:80:01.0/0000:81:00.0",
        false,
        LinkClass::Sys,
    );
    check(
        &one,
        "/sys/devices/pci10000:15/10000:15:01.0/10000:16:00.0",
        false,
        LinkClass::Sys,
    );
}

#[test]
fn only_pci_paths_are_places() {
    for wrong in [
        "",
        "/sys/devices/platform/x",
        "/sys/devices/pci0000:15",
        "/sys/devices/pci0000:15/usb1",
    ] {
        assert_eq!(PciPath::parse(wrong), None, "{wrong}");
    }
    let nested = "/sys/devices/pci0000:00/0000:00:0e.0/pci10000:e0/10000:e0:01.0/10000:e1:00.0";
    let other = "/sys/devices/pci10000:e0/10000:e0:02.0/10000:e2:00.0";
    check(nested, other, true, LinkClass::Phb);
    let arm = "/sys/devices/platform/soc/3f000000.pcie/pci0002:00/0002:00:00.0/0002:01:00.0";
    assert!(PciPath::parse(arm).is_some());
}

fn gpu(index: u32, pci: &str, numa_node: Option<u32>, nvlinks: Vec<NvLink>) -> Gpu {
    Gpu {
        index,
        uuid: format!("GPU-{index}").parse().expect("a UUID"),
        pci: at(pci),
        minor: DeviceMinor(index),
        name: String::new(),
        pci_device_id: 0,
        pci_subsystem_id: 0,
        serial: None,
        architecture: Architecture::Hopper,
        compute_capability: (9, 0),
        memory: Bytes(0),
        numa_node,
        pcie: PcieLink::default(),
        nvlinks,
        fabric: None,
        c2c: Vec::new(),
        mig_mode: MigMode::Disabled,
        profiles: Vec::new(),
        instances: Vec::new(),
        processes: Vec::new(),
        health: Health::Ok,
    }
}

fn links(count: u32, active: bool, remote: NvLinkRemote) -> Vec<NvLink> {
    (0..count)
        .map(|link| NvLink {
            link,
            active,
            version: 4,
            remote,
        })
        .collect()
}

fn host(gpus: Vec<Gpu>) -> Inventory {
    let node = |id, cpus: &str| NumaNode {
        id,
        cpus: Some(cpus.to_owned()),
        memory: Some(Bytes(0)),
        distances: Vec::new(),
        ..Default::default()
    };
    Inventory {
        host: "test".to_owned(),
        driver: None,
        gpus,
        amd: Vec::new(),
        numa_nodes: vec![node(0, "0-3"), node(8, "4-7")],
        nics: vec![Nic {
            name: "bond0".to_owned(),
            pci: None,
            numa_node: Some(8),
            link_layer: "Ethernet".to_owned(),
            rate: Some(kerf_types::inventory::Rate(100_000)),
            ..Default::default()
        }],
        problems: Vec::new(),
        map: Default::default(),
    }
}

fn rows(inventory: &Inventory) -> Vec<String> {
    matrix(inventory)
        .iter()
        .map(|row| {
            let cells: Vec<String> = row.links.iter().map(ToString::to_string).collect();
            format!(
                "{} {} [{}] {:?}",
                row.device,
                cells.join(" "),
                row.cpu_affinity.as_deref().unwrap_or("?"),
                row.numa_node
            )
        })
        .collect()
}

#[test]
fn links_into_a_switch_count_the_fewer() {
    let switch = NvLinkRemote::Switch(Some(at("0000:07:00.0")));
    let mut worn = links(18, true, switch);
    worn[3].active = false;
    let whole = gpu(0, "0000:0d:00.0", Some(0), links(18, true, switch));
    let inventory = host(vec![whole, gpu(1, "0000:11:00.0", Some(8), worn)]);
    assert_eq!(
        rows(&inventory),
        [
            "GPU0 X NV17 SYS [0-3] Some(0)",
            "GPU1 NV17 X NODE [4-7] Some(8)",
            "NIC0 SYS NODE X [4-7] Some(8)",
        ]
    );
}

#[test]
fn switches_that_the_host_does_not_see_join_gpus_too() {
    let of = |count| links(count, true, NvLinkRemote::Switch(None));
    let first = gpu(0, "0000:02:00.0", Some(0), of(18));
    let second = gpu(1, "0000:42:00.0", Some(8), of(17));
    let mut third = gpu(2, "0000:82:00.0", Some(8), of(18));
    third.nvlinks = links(18, true, NvLinkRemote::Unknown);
    assert_eq!(
        rows(&host(vec![first, second, third]))[..2],
        [
            "GPU0 X NV17 SYS SYS [0-3] Some(0)",
            "GPU1 NV17 X NODE NODE [4-7] Some(8)",
        ]
    );
}

/// With MIG on a driver may tell of no link at all, which is not the same as links that are down.
#[test]
fn one_end_speaks_for_a_link_of_which_the_other_says_nothing() {
    let to = |pci: &str| NvLinkRemote::Gpu(at(pci));
    for (told, silent) in [(0, 1), (1, 0)] {
        let addresses = ["0000:01:00.0", "0000:02:00.0"];
        let mut gpus = [
            gpu(0, addresses[0], None, Vec::new()),
            gpu(1, addresses[1], None, Vec::new()),
        ];
        gpus[told].nvlinks = links(12, true, to(addresses[silent]));
        assert_eq!(
            rows(&host(gpus.to_vec()))[..2],
            ["GPU0 X NV12 SYS [?] None", "GPU1 NV12 X SYS [?] None"]
        );
    }
}

#[test]
fn direct_links_count_for_their_pair_alone() {
    let to = |pci: &str| NvLinkRemote::Gpu(at(pci));
    let first = gpu(0, "0000:01:00.0", None, links(4, true, to("0000:02:00.0")));
    let second = gpu(1, "0000:02:00.0", None, links(4, true, to("0000:01:00.0")));
    let down = gpu(2, "0000:03:00.0", None, links(4, false, to("0000:01:00.0")));
    assert_eq!(
        rows(&host(vec![first, second, down])),
        [
            "GPU0 X NV4 SYS SYS [?] None",
            "GPU1 NV4 X SYS SYS [?] None",
            "GPU2 SYS SYS X SYS [?] None",
            "NIC0 SYS SYS SYS X [4-7] Some(8)",
        ]
    );
}

/// What one end says is down is down.
#[test]
fn a_link_counts_where_both_ends_are_up() {
    let to = |pci: &str| NvLinkRemote::Gpu(at(pci));
    let first = gpu(0, "0000:01:00.0", None, links(4, true, to("0000:02:00.0")));
    let mut back = links(4, true, to("0000:01:00.0"));
    back[1].active = false;
    let second = gpu(1, "0000:02:00.0", None, back);
    let silent = gpu(2, "0000:03:00.0", None, links(2, true, to("0000:04:00.0")));
    let down = gpu(3, "0000:04:00.0", None, links(2, false, to("0000:03:00.0")));
    let rows = rows(&host(vec![first, second, silent, down]));
    assert_eq!(rows[0], "GPU0 X NV3 SYS SYS SYS [?] None");
    assert_eq!(rows[2], "GPU2 SYS SYS X SYS SYS [?] None");
}

#[test]
fn a_link_carries_what_its_generation_does() {
    let known = [(6, 0), (7, 0), (7, 5), (8, 0), (9, 0), (10, 0), (10, 3)];
    let carried = known.map(|capability| nvlink_gbps(capability).expect("known"));
    assert_eq!(carried, [20, 25, 25, 25, 25, 50, 50]);
    for unknown in [(6, 1), (8, 6), (8, 9), (12, 0)] {
        assert_eq!(nvlink_gbps(unknown), None, "{unknown:?}");
    }
}

/// The driver numbers those that are there anew, and knows nothing of the other.
#[test]
fn a_lost_gpu_leaves_its_number_and_its_links() {
    let switch = NvLinkRemote::Switch(None);
    let of = |index, pci| gpu(index, pci, None, links(18, true, switch));
    let mut gone = of(1, "0000:02:00.0");
    gone.health = Health::Lost {
        since: Timestamp(1),
    };
    let gpus = vec![of(0, "0000:01:00.0"), gone, of(1, "0000:03:00.0")];
    let host = host(gpus);
    assert_eq!(
        rows(&host)[..3],
        [
            "GPU0 X NV18 SYS SYS [?] None",
            "GPU1 NV18 X SYS SYS [?] None",
            "GPU2 SYS SYS X SYS [?] None",
        ]
    );
    let site = Site::new(&host);
    let ids: Vec<&str> = site
        .accelerators()
        .iter()
        .map(|one| one.id.as_str())
        .collect();
    assert_eq!(ids, ["0000:01:00.0", "0000:03:00.0", "0000:02:00.0"]);
}

#[test]
fn ports_of_an_accelerator_are_no_interfaces_to_choose_by() {
    let own = "0000:01:00.0";
    let mut host = host(vec![gpu(0, own, None, Vec::new())]);
    let mut names = |nics: &[(&str, NicKind, Option<&str>)]| {
        let nic = |(name, kind, pci): &(&str, NicKind, Option<&str>)| Nic {
            name: (*name).to_owned(),
            kind: *kind,
            pci: pci.map(at),
            ..Nic::default()
        };
        host.nics = nics.iter().map(nic).collect();
        let site = Site::new(&host);
        assert_eq!(
            site.nics().len(),
            host.rdma_nics().count(),
            "the matrix has all"
        );
        let names = site.interfaces().iter().map(|nic| nic.id.clone());
        names.collect::<Vec<String>>()
    };
    let ports = ("hbl_0", NicKind::Rdma, Some(own));
    let card = ("mlx5_0", NicKind::Rdma, Some("0000:05:00.0"));
    let plain = ("eth0", NicKind::Net, Some("0000:06:00.0"));
    assert_eq!(names(&[ports, card, plain]), ["mlx5_0"]);
    assert_eq!(names(&[ports, plain]), ["eth0"]);
    assert_eq!(names(&[ports]), [""; 0]);
}
