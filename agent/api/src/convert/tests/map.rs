//! The map on the wire, word by word.

use kerf_types::inventory::NumaNode;
use kerf_types::map::{
    Accelerator, ClassDevice, Cpus, DeviceClass, Link, LinkKind, PciFunction, Vendor,
};
use kerf_types::{Bytes, HostMap, PciAddress};

use super::check;
use crate::example::inventory;
use crate::v1;

/// What there is one of several of: each is told apart on the wire.
#[test]
fn every_word_of_the_map_survives_the_wire() {
    let map = inventory().map;
    for kind in LinkKind::ALL {
        let link = map.links.first().cloned().expect("a link");
        check::<_, v1::Link>(&Link { kind, ..link });
    }
    for class in DeviceClass::ALL {
        let device = map.devices.first().cloned().expect("a device");
        check::<_, v1::ClassDevice>(&ClassDevice { class, ..device });
    }
    let vendors = [
        Vendor::Amd,
        Vendor::Aws,
        Vendor::Google,
        Vendor::Intel,
        Vendor::Habana,
        Vendor::Nec,
        Vendor::Nvidia,
        Vendor::Other(0x10ee),
    ];
    for vendor in vendors {
        let one = map.accelerators.first().cloned().expect("an accelerator");
        check::<_, v1::Accelerator>(&Accelerator {
            vendor: Some(vendor),
            ..one
        });
    }
}

#[test]
fn what_a_later_release_knows_of_an_accelerator_is_left_out() {
    let map = inventory().map;
    let one = map.accelerators.first().expect("an accelerator");
    let mut message = v1::Accelerator::from(one);
    let more = message.capabilities.values().next().cloned().expect("one");
    message
        .capabilities
        .insert("compute.telepathy".to_owned(), more);
    let read = Accelerator::try_from(message).expect("an accelerator");
    assert_eq!(read, *one);
}

/// Two functions with one address, at these paths.
fn twins(paths: [&str; 2]) -> HostMap {
    let address: PciAddress = "0000:a1:00.0".parse().expect("an address");
    let at = |path: &str| PciFunction::at(address, path.to_owned());
    HostMap {
        pci: paths.map(at).to_vec(),
        ..HostMap::default()
    }
}

#[test]
fn an_address_that_firmware_gave_out_twice_stands_at_two_paths() {
    let places = [
        "/sys/devices/pci0000:b0/0000:a1:00.0",
        "/sys/devices/pci0000:00/0000:a1:00.0",
    ];
    // In their order: the kernel's bus lists the first.
    check::<HostMap, v1::HostMap>(&twins(places));
    let same = v1::HostMap::from(&twins([places[0]; 2]));
    let error = HostMap::try_from(same).expect_err("one place");
    assert_eq!(error.to_string(), "pci: 0000:a1:00.0 stands there twice");
}

#[test]
fn kinds_that_a_later_release_knows_are_left_out() {
    let map = HostMap::clone(&inventory().map);
    let mut message = v1::HostMap::from(&map);
    let link = message.links.first().cloned().expect("a link");
    message.links.push(v1::Link {
        kind: "entanglement".to_owned(),
        ..link
    });
    let device = message.devices.first().cloned().expect("a device");
    message.devices.push(v1::ClassDevice {
        class: "crystal".to_owned(),
        ..device
    });
    let one = message.accelerators.first().cloned().expect("one");
    message.accelerators.push(v1::Accelerator {
        id: "other".to_owned(),
        vendor: Some("acme".to_owned()),
        ..one
    });
    assert_eq!(HostMap::try_from(message), Ok(map));
}

#[test]
fn what_a_node_does_not_say_stays_unknown() {
    for (cpus, memory) in [
        (None, None),
        (Some(""), Some(0)),
        (Some("0-3"), None),
        (None, Some(1 << 30)),
    ] {
        check::<NumaNode, v1::NumaNode>(&NumaNode {
            cpus: cpus.map(str::to_owned),
            memory: memory.map(Bytes),
            ..NumaNode::default()
        });
    }
}

#[test]
fn what_the_map_does_not_say_stays_unknown() {
    let map = inventory().map;
    let one = map.accelerators.first().cloned().expect("one");
    check::<_, v1::Accelerator>(&Accelerator {
        vendor: None,
        ..one
    });
    let function = map.pci.first().cloned().expect("a function");
    for class in [None, Some(0)] {
        check::<_, v1::PciFunction>(&PciFunction {
            class,
            ..function.clone()
        });
    }
    for count in [None, Some(0)] {
        let cpus = Cpus {
            cores: count,
            threads: count,
            ..Cpus::default()
        };
        check::<_, v1::Cpus>(&cpus);
    }
}
