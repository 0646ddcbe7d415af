//! Capabilities in a configuration space.

use super::super::pcie::atomics;

/// A space whose capabilities are a list of (id, next) from 0x40 in steps of 0x40, with a PCI Express capability of
/// this version, and its two registers.
fn space(express_at: usize, version: u8, completes: u16, control: u16) -> Vec<u8> {
    let mut bytes = vec![0; 256];
    bytes[0x06] = 1 << 4;
    bytes[0x34] = 0x40;
    bytes[0x40] = 0x01;
    bytes[0x41] = u8::try_from(express_at).expect("an offset");
    bytes[express_at] = 0x10;
    bytes[express_at + 2] = version;
    bytes[express_at + 0x24..express_at + 0x26].copy_from_slice(&completes.to_le_bytes());
    bytes[express_at + 0x28..express_at + 0x2a].copy_from_slice(&control.to_le_bytes());
    bytes
}

#[test]
fn atomics_reach_or_leave() {
    assert_eq!(atomics(&space(0x80, 2, 0, 0)), Some(false));
    assert_eq!(atomics(&space(0x80, 2, 1 << 7, 0)), Some(true));
    assert_eq!(atomics(&space(0x80, 2, 1 << 8, 0)), Some(true));
    assert_eq!(
        atomics(&space(0x80, 2, 1 << 6, 0)),
        Some(false),
        "routing is no completing"
    );
    assert_eq!(atomics(&space(0x80, 2, 0, 1 << 6)), Some(true));
    assert_eq!(
        atomics(&space(0x80, 1, 1 << 7, 0)),
        None,
        "version 1 has no such register"
    );
}

#[test]
fn what_cannot_be_read_says_nothing() {
    let whole = space(0x80, 2, 1 << 7, 0);
    for length in 0..0xaa {
        assert_eq!(atomics(&whole[..length]), None, "{length} bytes");
    }
    let mut looped = whole.clone();
    looped[0x41] = 0x40;
    assert_eq!(atomics(&looped), None);
    let mut without = whole;
    without[0x06] = 0;
    assert_eq!(atomics(&without), None);
    assert_eq!(atomics(&[0xff; 4096]), None);
}
