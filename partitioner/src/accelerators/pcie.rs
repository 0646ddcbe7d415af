//! What a PCI Express capability says of atomic operations, from the bytes of `config`.
//!
//! Pure. The kernel shows all users the first 64 bytes alone, so most readers learn nothing here.

/// Offset of the pointer to the first capability, and the bit of the status register that says it is there
/// (`include/uapi/linux/pci_regs.h`: `PCI_CAPABILITY_LIST`, `PCI_STATUS_CAP_LIST`).
const FIRST: usize = 0x34;
const STATUS: usize = 0x06;
const HAS_LIST: u16 = 1 << 4;
/// `PCI_CAP_ID_EXP`.
const EXPRESS: u8 = 0x10;
/// `PCI_EXP_DEVCAP2` and its completers of 32 and 64 bits (`PCI_EXP_DEVCAP2_ATOMIC_COMP32`, `_COMP64`).
const DEVICE_CAPABILITIES_2: usize = 0x24;
const COMPLETES: u16 = 1 << 7 | 1 << 8;
/// `PCI_EXP_DEVCTL2` and its bit that lets the device ask (`PCI_EXP_DEVCTL2_ATOMIC_REQ`).
const DEVICE_CONTROL_2: usize = 0x28;
const REQUESTS: u16 = 1 << 6;
/// Capabilities that fit into 256 bytes: a longer list is a loop.
const LONGEST_LIST: usize = 48;

/// Whether atomic operations reach the function (it completes them), or leave it (it may request them); `None` where
/// the bytes do not say: those of a user without rights, of an old device, or of one that lies.
pub fn atomics(config: &[u8]) -> Option<bool> {
    if half(config, STATUS)? & HAS_LIST == 0 {
        return None;
    }
    let mut at = usize::from(*config.get(FIRST)? & !3);
    for _ in 0..LONGEST_LIST {
        if at < 0x40 {
            return None;
        }
        if *config.get(at)? == EXPRESS {
            // The second registers are there since version 2 of the capability (`PCI_EXP_FLAGS_VERS`).
            let version = half(config, at + 2)? & 0xf;
            let completes = half(config, at + DEVICE_CAPABILITIES_2)? & COMPLETES != 0;
            let requests = half(config, at + DEVICE_CONTROL_2)? & REQUESTS != 0;
            return (version >= 2).then_some(completes || requests);
        }
        at = usize::from(*config.get(at + 1)? & !3);
    }
    None
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    let pair = bytes.get(at..at.checked_add(2)?)?;
    Some(u16::from_le_bytes(pair.try_into().ok()?))
}
