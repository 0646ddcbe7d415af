//! Capabilities in a configuration space.

use super::super::pcie::asks;

/// A space whose capabilities are a list of (id, next) from 0x40 in steps of 0x40, with a PCI Express capability of
/// this version, and the register that says what the function may do.
fn space(express_at: usize, version: u8, control: u16) -> Vec<u8> {
    let mut bytes = vec![0; 256];
    bytes[0x06] = 1 << 4;
    bytes[0x34] = 0x40;
    bytes[0x40] = 0x01;
    bytes[0x41] = u8::try_from(express_at).expect("an offset");
    bytes[express_at] = 0x10;
    bytes[express_at + 2] = version;
    // It completes operations of 32 and 64 bits, which does not count.
    bytes[express_at + 0x24] = 1 << 7;
    bytes[express_at + 0x25] = 1;
    bytes[express_at + 0x28..express_at + 0x2a].copy_from_slice(&control.to_le_bytes());
    bytes
}

fn of(bytes: &[u8]) -> Option<bool> {
    asks(|at, length| {
        let mut pair = [0; 2];
        pair[..length].copy_from_slice(bytes.get(at..at + length)?);
        Some(u16::from_le_bytes(pair))
    })
}

#[test]
fn atomics_are_asked_for_where_the_kernel_lets_a_function() {
    assert_eq!(of(&space(0x80, 2, 0)), Some(false));
    assert_eq!(of(&space(0x80, 2, 1 << 6)), Some(true));
    assert_eq!(of(&space(0x80, 2, 1 << 7)), Some(false), "egress blocking");
    assert_eq!(
        of(&space(0x80, 1, 1 << 6)),
        None,
        "version 1 has no such register"
    );
}

#[test]
fn what_cannot_be_read_says_nothing() {
    let whole = space(0x80, 2, 1 << 6);
    for length in 0..0xaa {
        assert_eq!(of(&whole[..length]), None, "{length} bytes");
    }
    let mut looped = whole.clone();
    looped[0x41] = 0x40;
    assert_eq!(of(&looped), None);
    let mut without = whole;
    without[0x06] = 0;
    assert_eq!(of(&without), None);
    assert_eq!(of(&[0xff; 256]), None);
}
