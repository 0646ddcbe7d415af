//! Writing what `read` reads.

use std::net::{IpAddr, SocketAddr};

/// Bytes to be sent.
pub trait Write {
    /// One byte.
    fn put_u8(&mut self, value: u8);
    /// Any bytes.
    fn put(&mut self, bytes: &[u8]);

    /// Two bytes, the high one first, as in all that follow.
    fn put_u16(&mut self, value: u16) {
        self.put(&value.to_be_bytes());
    }

    /// Four bytes.
    fn put_u32(&mut self, value: u32) {
        self.put(&value.to_be_bytes());
    }

    /// Eight bytes.
    fn put_u64(&mut self, value: u64) {
        self.put(&value.to_be_bytes());
    }

    /// Sixteen bytes.
    fn put_u128(&mut self, value: u128) {
        self.put(&value.to_be_bytes());
    }

    /// Seven bits a byte, the low ones first.
    fn put_varint(&mut self, mut value: u64) {
        loop {
            let low = value.to_le_bytes()[0] & 0x7f;
            value >>= 7;
            if value == 0 {
                return self.put_u8(low);
            }
            self.put_u8(low | 0x80);
        }
    }

    /// The number of things that follow. Callers keep lists below 65,536; a longer one is cut by its maker.
    fn put_count(&mut self, count: usize) {
        self.put_u16(u16::try_from(count).unwrap_or(u16::MAX));
    }

    /// The tag of the family, the IP address, the port.
    fn put_address(&mut self, address: SocketAddr) {
        match address.ip() {
            IpAddr::V4(ip) => {
                self.put_u8(4);
                self.put_u32(ip.to_bits());
            }
            IpAddr::V6(ip) => {
                self.put_u8(6);
                self.put_u128(ip.to_bits());
            }
        }
        self.put_u16(address.port());
    }
}

impl Write for Vec<u8> {
    fn put_u8(&mut self, value: u8) {
        self.push(value);
    }

    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// Counts bytes instead of keeping them: what an item will take is asked before it is written.
#[derive(Debug, Default)]
pub struct Measure(pub usize);

impl Write for Measure {
    fn put_u8(&mut self, _value: u8) {
        self.0 += 1;
    }

    fn put(&mut self, bytes: &[u8]) {
        self.0 += bytes.len();
    }
}
