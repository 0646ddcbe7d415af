//! What a PCI Express capability says of atomic operations, from the bytes of `config`.
//!
//! Pure. The kernel shows all users the first 64 bytes alone, so most readers learn nothing here. That a function can
//! complete such operations says nothing of whether they reach it: every port on the way must route them. The kernel
//! looks the way through before it lets a function ask for them (`pci_enable_atomic_ops_to_root` of
//! `drivers/pci/pci.c`), so that alone is believed.

use std::fs::File;
use std::os::unix::fs::FileExt;

/// Bytes of the space that hold the capability. The rest is not asked for: each register is a question to the device,
/// and lspci(8) knows of some that do not stand it.
const SPACE: usize = 256;
/// Offset of the pointer to the first capability, and the bit of the status register that says it is there
/// (`include/uapi/linux/pci_regs.h`: `PCI_CAPABILITY_LIST`, `PCI_STATUS_CAP_LIST`).
const FIRST: usize = 0x34;
const STATUS: usize = 0x06;
const HAS_LIST: u16 = 1 << 4;
/// `PCI_CAP_ID_EXP`.
const EXPRESS: u8 = 0x10;
/// `PCI_EXP_DEVCTL2` and its bit that lets the device ask (`PCI_EXP_DEVCTL2_ATOMIC_REQ`).
const DEVICE_CONTROL_2: usize = 0x28;
const REQUESTS: u16 = 1 << 6;
/// Capabilities that fit into 256 bytes: a longer list is a loop.
const LONGEST_LIST: usize = 48;

/// Whether the kernel lets the function ask for atomic operations of the host's memory. Where it does not, nothing is
/// known: nobody may have wanted it, or the bytes are those of a user without rights.
pub fn may_ask_for_atomics(config: &File) -> bool {
    let read = |at: usize, length: usize| {
        let mut bytes = [0; 2];
        let into = bytes.get_mut(..length)?;
        config.read_exact_at(into, u64::try_from(at).ok()?).ok()?;
        (at + length <= SPACE).then(|| u16::from_le_bytes(bytes))
    };
    asks(read).unwrap_or_default()
}

/// `read` gives one or two bytes at an offset.
pub(super) fn asks(read: impl Fn(usize, usize) -> Option<u16>) -> Option<bool> {
    if read(STATUS, 2)? & HAS_LIST == 0 {
        return None;
    }
    let mut at = usize::from(read(FIRST, 1)? & !3);
    for _ in 0..LONGEST_LIST {
        if at < 0x40 {
            return None;
        }
        let [id, next] = read(at, 2)?.to_le_bytes();
        if id == EXPRESS {
            // The second registers are there since version 2 of the capability (`PCI_EXP_FLAGS_VERS`).
            let version = read(at + 2, 2)? & 0xf;
            let control = read(at + DEVICE_CONTROL_2, 2)?;
            return (version >= 2).then_some(control & REQUESTS != 0);
        }
        at = usize::from(next & !3);
    }
    None
}
