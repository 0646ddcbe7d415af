//! Hosts of a fleet: what names them, and for how long.
//!
//! A host is known by its [`HostId`], which is random and stays the same for as long as its store does. Its
//! [`HostName`] is for people: two hosts may carry one name, and both go on living under their ids.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use uuid::Uuid;

use crate::ParseError;

/// The stable id of a host: 128 random bits, made once with its store and kept in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(u128);

impl HostId {
    /// The id of these bits. The caller draws them from the system's random source, once in a host's life.
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// The bits.
    pub const fn bits(self) -> u128 {
        self.0
    }
}

impl FromStr for HostId {
    type Err = ParseError;

    /// Reads the lower-case hyphenated form alone, so that one host has one spelling.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = || ParseError::new("a host id", text, "a UUID of 36 lower-case characters");
        let uuid = Uuid::parse_str(text).map_err(|_| error())?;
        if uuid.hyphenated().to_string() != text {
            return Err(error());
        }
        Ok(Self(uuid.as_u128()))
    }
}

impl fmt::Display for HostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Uuid::from_u128(self.0).hyphenated().fmt(f)
    }
}

/// What people call a host: one DNS label, `gpu-017`. Not unique and never an identity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostName(Arc<str>);

impl HostName {
    /// Longest name in bytes, the limit of a DNS label (RFC 1035, section 2.3.4).
    pub const LIMIT: usize = 63;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HostName {
    type Err = ParseError;

    /// Reads lower-case letters, digits and inner hyphens alone: upper case would give one host two
    /// spellings, and a dot would make it a domain.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let bytes = text.as_bytes();
        let clean = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-';
        let inner_hyphens = bytes.first() != Some(&b'-') && bytes.last() != Some(&b'-');
        if bytes.is_empty()
            || bytes.len() > Self::LIMIT
            || !bytes.iter().all(clean)
            || !inner_hyphens
        {
            let hint = "1 to 63 lower-case letters, digits and inner hyphens";
            return Err(ParseError::new("a host name", text, hint));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
