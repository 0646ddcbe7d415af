//! The first 256 bytes of a PCI function's configuration space: the header and a PCI Express
//! capability, which is what topology readers parse. Owns that byte layout (PCI Express Base
//! Specification, 7.5).

use super::identity::Identity;
use super::link::{Link, Speed};
use crate::model::spec::{PciFunction, Role};

#[cfg(test)]
mod tests;

/// Offset of the PCI Express capability.
const EXPRESS: usize = 0x60;
/// Bit of the header type: the device has several functions.
const MULTI_FUNCTION: u8 = 0x80;

/// The bytes of `config`. `is_shared` says whether the function's device has more functions.
pub fn bytes(
    ids: &Identity,
    function: &PciFunction,
    link: Option<Link>,
    is_shared: bool,
) -> Vec<u8> {
    let mut space = vec![0u8; 256];
    put16(&mut space, 0x00, ids.vendor);
    put16(&mut space, 0x02, ids.device);
    put16(&mut space, 0x04, 0x0406); // memory and bus master on, INTx off
    put16(&mut space, 0x06, 0x0010); // has a capability list
    space[0x08] = ids.revision;
    space[0x09..0x0c].copy_from_slice(&ids.class.to_le_bytes()[..3]);
    space[0x34] = 0x60;
    if let Some((secondary, subordinate)) = function.buses {
        space[0x0e] = 1;
        space[0x18] = function.bdf.bus;
        space[0x19] = secondary;
        space[0x1a] = subordinate;
    } else {
        put16(&mut space, 0x2c, ids.subsystem.0);
        put16(&mut space, 0x2e, ids.subsystem.1);
    }
    // Whoever lists the bus asks the first of several functions alone whether there are more; all of them say so.
    if is_shared {
        space[0x0e] |= MULTI_FUNCTION;
    }
    express(&mut space, function, link);
    space
}

/// Capability 0x10, version 2: port type, link capabilities and link status. What is not known of a link is zero.
fn express(space: &mut [u8], function: &PciFunction, link: Option<Link>) {
    let port_type: u16 = match function.role {
        Role::RootPort => 4,
        Role::Upstream => 5,
        Role::Downstream => 6,
        // On the root bus itself: integrated into the root complex. One whose link nobody tells hangs at a port still.
        _ if function.bridges.is_empty() => 9,
        _ => 0,
    };
    space[EXPRESS] = 0x10;
    put16(space, EXPRESS + 0x02, port_type << 4 | 2);
    let Some(link) = link else {
        return;
    };
    put16(space, EXPRESS + 0x0c, speed_and_width(link.most));
    put16(space, EXPRESS + 0x12, speed_and_width(link.now));
}

fn speed_and_width(speed: Speed) -> u16 {
    let number = (speed.lanes & 0x3f) << 4 | speed.generation & 0xf;
    u16::try_from(number).unwrap_or(0)
}

fn put16(space: &mut [u8], at: usize, value: u16) {
    space[at..at + 2].copy_from_slice(&value.to_le_bytes());
}
