//! Reading bytes that nobody vouches for. Every step is bounded by what is left, and says why it failed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::Malformed;

/// What is left of a datagram.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Reads these bytes.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// How many bytes are left.
    pub fn left(&self) -> usize {
        self.0.len()
    }

    /// All that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    /// The next `count` bytes.
    pub fn bytes(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (head, tail) = self.0.split_at_checked(count).ok_or(Malformed::Truncated)?;
        self.0 = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (head, tail) = self
            .0
            .split_first_chunk::<N>()
            .ok_or(Malformed::Truncated)?;
        self.0 = tail;
        Ok(*head)
    }

    /// One byte.
    pub fn u8(&mut self) -> Result<u8, Malformed> {
        self.array().map(u8::from_be_bytes)
    }

    /// Two bytes, the high one first, as in all that follow.
    pub fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_be_bytes)
    }

    /// Four bytes.
    pub fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    /// Eight bytes.
    pub fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_be_bytes)
    }

    /// Sixteen bytes.
    pub fn u128(&mut self) -> Result<u128, Malformed> {
        self.array().map(u128::from_be_bytes)
    }

    /// A number of seven bits a byte, the low ones first, in its shortest form.
    pub fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if (shift == 63 && bits > 1) || (shift > 0 && byte == 0) {
                return Err(Malformed::Number);
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed::Number)
    }

    /// A varint of at most 32 bits.
    pub fn varint32(&mut self) -> Result<u32, Malformed> {
        u32::try_from(self.varint()?).map_err(|_| Malformed::Number)
    }

    /// A count of things that take at least `each` bytes: what is left must be able to hold them, so that a
    /// lie about the count reserves no memory.
    pub fn count(&mut self, each: usize) -> Result<usize, Malformed> {
        let count = usize::from(self.u16()?);
        if count.saturating_mul(each) > self.left() {
            return Err(Malformed::Count);
        }
        Ok(count)
    }

    /// An IP address of the family with this tag, and a port.
    pub fn address(&mut self, tag: u8) -> Result<SocketAddr, Malformed> {
        let ip = match tag {
            4 => IpAddr::V4(Ipv4Addr::from_bits(self.u32()?)),
            6 => IpAddr::V6(Ipv6Addr::from_bits(self.u128()?)),
            _ => return Err(Malformed::Address),
        };
        Ok(SocketAddr::new(ip, self.u16()?))
    }

    /// Fails if something is left.
    pub fn finish(self) -> Result<(), Malformed> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Malformed::Trailing)
        }
    }
}
