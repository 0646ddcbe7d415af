//! The map on the wire, word by word.

use kerf_types::map::{Accelerator, ClassDevice, DeviceClass, Link, LinkKind, Vendor};

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
        check::<_, v1::Accelerator>(&Accelerator { vendor, ..one });
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
