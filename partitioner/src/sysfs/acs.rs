//! Access Control Services, from a function's extended configuration space.
//!
//! Owns the walk along the extended capabilities (PCIe base specification 7.6.3 and 7.7.11). The kernel gives the
//! extended space to root alone, and only of functions that have one: any other file ends early, and nothing is known.

use std::fs::File;
use std::os::unix::fs::FileExt;

use kerf_types::map::Acs;

use super::Folder;

/// Where the extended capabilities begin.
const FIRST: u32 = 0x100;
/// Id of the capability.
const ID: u32 = 0x000d;
/// Capabilities that fit into the extended space, with a header and one register each: a list that has more is a loop.
const MOST: usize = (4096 - 256) / 8;

/// What a function's `config` says. Each register is read by itself, since the kernel asks the device for each, and a
/// device takes a microsecond: the whole space of a large host would take a quarter of a second.
pub fn of_function(folder: &Folder<'_, '_>) -> Option<Acs> {
    let config = folder.file("config")?;
    walk(|offset| register(&config, offset))
}

fn register(config: &File, offset: u32) -> Option<u32> {
    let mut bytes = [0; 4];
    config.read_exact_at(&mut bytes, u64::from(offset)).ok()?;
    Some(u32::from_le_bytes(bytes))
}

/// Finds the capability; `read` gives the register at an offset.
pub fn walk(read: impl Fn(u32) -> Option<u32>) -> Option<Acs> {
    let mut offset = FIRST;
    for _ in 0..MOST {
        let header = read(offset)?;
        // Zeros end an empty list; a device that is gone answers with ones.
        if header == 0 || header == u32::MAX {
            return None;
        }
        if header & 0xffff == ID {
            let [low, high, control_low, control_high] = read(offset + 4)?.to_le_bytes();
            return Some(Acs {
                capable: u16::from_le_bytes([low, high]),
                enabled: u16::from_le_bytes([control_low, control_high]),
            });
        }
        offset = header >> 20 & 0xffc;
        if offset < FIRST {
            return None;
        }
    }
    None
}
