//! A key of the fleet, its name, and the sub-keys that are derived from it.
//!
//! Key material is zeroed when it is dropped and never shown: `Debug` prints the id. What `ring` makes of a
//! sub-key for the time of one call is not zeroed, as that crate offers no way.

use std::fmt;
use std::str::FromStr;

use kerf_membership::wire::Header;
use ring::hkdf;
use zeroize::Zeroizing;

/// Length of a key: ChaCha20-Poly1305 takes 32 bytes.
pub const KEY_BYTES: usize = 32;

/// Both tie what is derived here to its use: the same key for anything else would give other bytes.
const SUB_KEY: &[u8] = b"kerf gossip v1 sub-key";
const KEY_ID: &[u8] = b"kerf gossip v1 key id";

/// A sub-key of 32 bytes.
pub(crate) type SubKey = Zeroizing<[u8; KEY_BYTES]>;

/// The name of a key. It is derived from the key, so two hosts never mean different keys by one name, and it
/// tells nothing of the key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub u32);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Something is no key, or no name of one. What it is stays unsaid: it may be most of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// A key of another length.
    #[error("a key has {KEY_BYTES} bytes, and this has {bytes}")]
    Length {
        /// How many there are.
        bytes: usize,
    },
    /// A key in letters that are no hexadecimal digits in lower case.
    #[error("a key is {} hexadecimal digits in lower case", KEY_BYTES * 2)]
    Digits,
    /// A name that is none.
    #[error("the name of a key is 8 hexadecimal digits in lower case")]
    Id,
}

impl FromStr for KeyId {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let digits = text.len() == 8 && text.bytes().all(is_digit);
        let number = u32::from_str_radix(text, 16).ok().filter(|_| digits);
        number.map(Self).ok_or(KeyError::Id)
    }
}

fn is_digit(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

/// A key that the whole fleet holds.
#[derive(Clone)]
pub struct Key {
    bytes: Zeroizing<[u8; KEY_BYTES]>,
    id: KeyId,
}

impl Key {
    /// The key of these bytes, which must be random.
    pub fn new(bytes: [u8; KEY_BYTES]) -> Self {
        let bytes = Zeroizing::new(bytes);
        let mut id = [0; KEY_BYTES];
        expand(&bytes, &[KEY_ID], &mut id);
        let [a, b, c, d, ..] = id;
        Self {
            bytes,
            id: KeyId(u32::from_be_bytes([a, b, c, d])),
        }
    }

    /// The key of these bytes, if there are as many as a key has.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, KeyError> {
        let bytes = bytes
            .try_into()
            .map_err(|_| KeyError::Length { bytes: bytes.len() })?;
        Ok(Self::new(bytes))
    }

    /// Reads 64 hexadecimal digits in lower case.
    pub fn from_hex(text: &str) -> Result<Self, KeyError> {
        let text = text.as_bytes();
        if text.len() != KEY_BYTES * 2 || !text.iter().copied().all(is_digit) {
            return Err(KeyError::Digits);
        }
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
            *byte = pair.iter().fold(0, |sum, digit| (sum << 4) | value(*digit));
        }
        Ok(Self::new(*bytes))
    }

    /// Its name.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The bytes, for a file that only root reads and for a connection that proves both ends.
    pub fn secret_bytes(&self) -> &[u8; KEY_BYTES] {
        &self.bytes
    }

    /// Appends 64 hexadecimal digits.
    pub(crate) fn put_hex(&self, out: &mut Vec<u8>) {
        for byte in self.bytes.iter() {
            out.push(digit(byte >> 4));
            out.push(digit(byte & 0xf));
        }
    }

    /// The sub-key of a sender in a life. The life is in the clear in each header, so a receiver derives the
    /// same; a sender that lies about it derives another key than it says.
    pub(crate) fn sub_key(&self, sender: &Header) -> SubKey {
        let cluster = sender.cluster.0.to_be_bytes();
        let host = sender.sender.bits().to_be_bytes();
        let incarnation = sender.life.incarnation.0.to_be_bytes();
        let mut out = SubKey::default();
        expand(
            &self.bytes,
            &[SUB_KEY, &cluster, &host, &incarnation],
            &mut out,
        );
        out
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.id)
    }
}

impl PartialEq for Key {
    /// By the id first: keys that differ in it are told apart without a look at them.
    fn eq(&self, other: &Self) -> bool {
        let differing = self.bytes.iter().zip(other.bytes.iter());
        self.id == other.id && differing.fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
    }
}

impl Eq for Key {}

fn value(digit: u8) -> u8 {
    match digit {
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit.saturating_sub(b'0'),
    }
}

fn digit(value: u8) -> u8 {
    match value {
        0..=9 => b'0' + value,
        _ => b'a' + (value - 10),
    }
}

fn expand(key: &[u8; KEY_BYTES], info: &[&[u8]], out: &mut [u8; KEY_BYTES]) {
    // The keys are random throughout, so the salt may be empty (RFC 5869, section 3.1).
    let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(key);
    let expanded = extracted
        .expand(info, hkdf::HKDF_SHA256)
        .and_then(|expanded| expanded.fill(out));
    // Both fail for a length that the algorithm does not give, and 32 is the one that it gives.
    debug_assert!(expanded.is_ok(), "32 bytes of HKDF-SHA256");
    if expanded.is_err() {
        out.fill(0);
    }
}
