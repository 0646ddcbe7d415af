//! Pictures of a small host: two linked accelerators, one below a switch with an interface, and what hangs elsewhere.

use std::sync::Arc;

use kerf_types::inventory::{Inventory, Nic, NumaNode};
use kerf_types::map::{
    Accelerator, CapabilityKey, End, Link, LinkKind, LinkSpeed, Namespace, Nvme, PciFunction,
    PciLink, Vendor,
};
use kerf_types::{Bytes, HostMap, PciAddress};

use super::{picture, tree};
use crate::cli::print::Picture;
use crate::cli::style::Style;

mod drawing;

fn at(text: &str) -> PciAddress {
    text.parse().expect(text)
}

/// A function with its bridges in its path, on the host bridge `15` of node 0 or `85` of node 1.
fn function(path: &str, class: u32) -> PciFunction {
    let (root, last) = path.split_once('/').expect("a root");
    let address = at(last.rsplit('/').next().expect("an address"));
    let mut function = PciFunction::at(address, format!("/sys/devices/{path}"));
    root.clone_into(&mut function.host_bridge);
    function.numa_node = Some(u32::from(root == "pci0000:85"));
    function.class = Some(class);
    function.link = Some(PciLink {
        speed: Some(LinkSpeed(2_500)),
        width: Some(8),
        max_speed: Some(LinkSpeed(32_000)),
        max_width: Some(16),
        is_old_spelling: false,
    });
    function
}

fn accelerator(pci: &str) -> Accelerator {
    Accelerator {
        model: "MI<300>X \"OAM\"".to_owned(),
        memory: Some(Bytes(192 << 30)),
        ..Accelerator::at(at(pci), Vendor::Amd)
    }
}

fn host() -> Inventory {
    let switch = "pci0000:15/0000:15:01.0/0000:16:00.0";
    let map = HostMap {
        pci: vec![
            function("pci0000:15/0000:15:01.0", 0x06_0400),
            function(switch, 0x06_0400),
            function(&format!("{switch}/0000:17:00.0"), 0x06_0400),
            function(&format!("{switch}/0000:17:01.0"), 0x06_0400),
            function(&format!("{switch}/0000:17:00.0/0000:18:00.0"), 0x12_0000),
            function(&format!("{switch}/0000:17:01.0/0000:19:00.0"), 0x02_0700),
            function("pci0000:85/0000:85:01.0/0000:86:00.0", 0x12_0000),
            function("pci0000:85/0000:85:02.0/0000:87:00.0", 0x01_0802),
        ],
        accelerators: vec![
            accelerator("0000:18:00.0"),
            accelerator("0000:86:00.0"),
            Accelerator {
                id: "neuron0".to_owned(),
                pci: None,
                ..accelerator("0000:00:00.0")
            },
        ],
        nvme: vec![Nvme {
            name: "nvme0".to_owned(),
            pci: Some(at("0000:87:00.0")),
            numa_node: Some(1),
            transport: None,
            model: Some("PM9A3".to_owned()),
            serial: None,
            firmware: None,
            state: None,
            namespaces: vec![Namespace {
                name: "nvme0n1".to_owned(),
                bytes: Some(1 << 40),
            }],
        }],
        links: vec![Link {
            a: End::Accelerator("0000:18:00.0".to_owned()),
            b: End::Accelerator("0000:86:00.0".to_owned()),
            kind: LinkKind::Xgmi,
            count: 2,
            gbps: Some(100),
            ancestor: String::new(),
        }],
        ..HostMap::default()
    };
    let node = |id, cpus: &str| NumaNode {
        id,
        cpus: Some(cpus.to_owned()),
        memory: Some(Bytes(512 << 30)),
        ..NumaNode::default()
    };
    Inventory {
        host: "h1\u{1b}[31m".to_owned(),
        numa_nodes: vec![node(0, "0-3"), node(1, "4-7")],
        nics: vec![Nic {
            name: "mlx5_0".to_owned(),
            pci: Some(at("0000:19:00.0")),
            numa_node: Some(0),
            link_layer: "InfiniBand".to_owned(),
            rate: Some(kerf_types::inventory::Rate(400_000)),
            ..Nic::default()
        }],
        map: Arc::new(map),
        ..Inventory::default()
    }
}

#[test]
fn the_tree_has_everything_in_its_place() {
    insta::assert_snapshot!(tree(&host(), Style { color: false }));
}

#[test]
fn a_node_that_says_nothing_has_not_nothing() {
    let mut host = host();
    (host.numa_nodes[0].cpus, host.numa_nodes[0].memory) = (None, None);
    (host.numa_nodes[1].cpus, host.numa_nodes[1].memory) = (Some(String::new()), Some(Bytes(0)));
    let text = tree(&host, Style { color: false });
    for expected in ["CPUs unknown, memory unknown", "no CPUs, 0B"] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
}

#[test]
fn a_drawing_is_xml_whatever_the_names_are() {
    let svg = picture(&host(), Picture::Svg, None);
    let document = roxmltree::Document::parse(&svg).expect("XML");
    let text: Vec<&str> = document
        .descendants()
        .filter(|node| node.has_tag_name("text"))
        .filter_map(|node| node.text())
        .collect();
    for expected in [
        "GPU0",
        "GPU1",
        "NIC0",
        "nvme0",
        "0000:18:00.0",
        "MI<300>X \"OAM\", 192GiB",
    ] {
        let is_there = text.iter().any(|text| text.starts_with(expected));
        assert!(is_there, "{expected} in {text:?}");
    }
    let lines = document
        .descendants()
        .filter(|node| node.has_tag_name("path"));
    assert_eq!(lines.count(), 1, "one link");
    // Boxes lie in the drawing.
    let number = |node: &roxmltree::Node<'_, '_>, name| {
        let text = node.attribute(name).unwrap_or("0");
        text.parse::<u32>().expect("a whole number")
    };
    let root = document.root_element();
    for rect in document
        .descendants()
        .filter(|node| node.has_tag_name("rect"))
    {
        assert!(number(&rect, "x") + number(&rect, "width") <= number(&root, "width"));
        assert!(number(&rect, "y") + number(&rect, "height") <= number(&root, "height"));
    }
}

#[test]
fn a_graph_names_each_device_once() {
    let dot = picture(&host(), Picture::Dot, None);
    for line in [
        "    \"GPU0\" [label=",
        "    \"0000:16:00.0\" -- \"GPU0\";",
        "  \"GPU0\" -- \"GPU1\" [label=\"xgmi x2\"",
    ] {
        assert_eq!(dot.matches(line).count(), 1, "{line} in {dot}");
    }
    assert!(dot.contains("MI<300>X \\\"OAM\\\""), "{dot}");
    assert!(!dot.contains('\u{1b}'), "{dot}");
}

#[test]
fn what_nccl_reads_has_only_the_named_accelerators() {
    let only = [at("0000:86:00.0")].into();
    let xml = picture(&host(), Picture::NcclXml, Some(&only));
    let document = roxmltree::Document::parse(&xml).expect("XML");
    let of = |name: &str, attribute: &str| {
        let nodes = document
            .descendants()
            .filter(|node| node.has_tag_name(name));
        let values = nodes.filter_map(|node| node.attribute(attribute));
        values.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(of("cpu", "numaid"), ["0", "1"]);
    assert_eq!(
        of("pci", "busid"),
        ["0000:16:00.0", "0000:19:00.0", "0000:86:00.0"]
    );
    assert_eq!(of("net", "name"), ["mlx5_0"]);
    let gpus = document
        .descendants()
        .filter(|node| node.has_tag_name("gpu"));
    assert_eq!(gpus.count(), 1);
    assert!(
        of("gpu", "dev").is_empty(),
        "the container counts for itself"
    );
}

#[test]
fn virtual_functions_are_no_devices_of_a_picture() {
    let mut host = host();
    let mut map = HostMap::clone(&host.map);
    let virtual_one = kerf_types::map::Capability {
        value: kerf_types::map::CapabilityValue::Flag(true),
        provenance: kerf_types::map::Provenance::Kernel,
    };
    let one = &mut map.accelerators[1];
    one.capabilities
        .insert(CapabilityKey::Virtualised, virtual_one);
    map.pci[6].physical_function = Some(at("0000:18:00.0"));
    host.map = Arc::new(map);
    let text = tree(&host, Style { color: false });
    assert!(!text.contains("0000:86:00.0"), "{text}");
}
