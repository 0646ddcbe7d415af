//! Amounts of memory, in bytes, written with binary units (`20GiB`).

use std::fmt;
use std::str::FromStr;

use crate::ParseError;

/// An amount of memory in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Bytes(pub u64);

const BINARY_UNITS: [(&str, u64); 4] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
];

const UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

impl FromStr for Bytes {
    type Err = ParseError;

    /// Reads `20GiB`, `512MiB`, `1GB` or a plain number of bytes.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = || ParseError::new("an amount of memory", text, "write it as 512MiB or 20GiB");
        let (digits, scale) = UNITS
            .iter()
            .find_map(|(unit, scale)| text.strip_suffix(unit).map(|digits| (digits, *scale)))
            .unwrap_or((text, 1));
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(error());
        }
        let count: u64 = digits.parse().map_err(|_| error())?;
        count.checked_mul(scale).map(Bytes).ok_or_else(error)
    }
}

impl Bytes {
    /// The amount in the largest binary unit that divides it: the spelling that `FromStr` reads back and
    /// that loses nothing, for text that is stored, hashed or sent.
    pub fn exact(self) -> impl fmt::Display {
        Exact(self)
    }
}

struct Exact(Bytes);

impl fmt::Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(Bytes(bytes)) = *self;
        let fits = |(_, scale): &&(&str, u64)| bytes > 0 && bytes.is_multiple_of(*scale);
        match BINARY_UNITS.iter().find(fits) {
            Some((unit, scale)) => write!(f, "{}{unit}", bytes / scale),
            None => write!(f, "{bytes}B"),
        }
    }
}

impl fmt::Display for Bytes {
    /// For people: the largest binary unit that loses nothing beyond two decimals. It rounds, and does
    /// not read back; [`Bytes::exact`] does.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, scale) in BINARY_UNITS {
            if self.0 >= scale {
                let hundredths = u128::from(self.0) * 100 / u128::from(scale);
                let (whole, rest) = (hundredths / 100, hundredths % 100);
                return if rest == 0 {
                    write!(f, "{whole}{unit}")
                } else {
                    write!(f, "{whole}.{rest:02}{unit}")
                };
            }
        }
        write!(f, "{}B", self.0)
    }
}
