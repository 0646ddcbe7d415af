//! A token: what an operator carries from a member to a host that is to join.
//!
//! ```text
//! kerf2-<id: 16 digits><secret: 32 digits><host that made it: 32 digits><hash of the CA's certificate: 64 digits>
//!       <check: 8 digits>
//! ```
//! All digits are hexadecimal. The check finds a token that was cut or mistyped before anybody is asked; it proves
//! nothing. The host is the only one that is told the secret: any other member could use it for a host of its own. The secret is zeroed when it is dropped and never shown but by [`Token::to_text`].

use std::fmt;
use std::str::FromStr;

use kerf_types::HostId;
use ring::digest;
use zeroize::Zeroizing;

use crate::hex;

/// Length of the hash of the CA's certificate.
pub const CA_HASH_BYTES: usize = 32;

/// Length of a secret.
pub const SECRET_BYTES: usize = 16;

const ID_BYTES: usize = 8;
const HOST_BYTES: usize = 16;
const CHECK_BYTES: usize = 4;
const BYTES: usize = ID_BYTES + SECRET_BYTES + HOST_BYTES + CA_HASH_BYTES + CHECK_BYTES;

/// How a token begins; the digit is the version.
const PREFIX: &str = "kerf2-";

/// First bytes of what the check and the hash of a secret are made of.
const CHECKED: &[u8] = b"kerf token v2\0";
const HASHED: &[u8] = b"kerf token secret v1\0";

/// Text that is no token. It is not repeated: it may be most of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It does not begin as a token does.
    #[error("a token begins with {PREFIX}")]
    Prefix,
    /// It is cut, or there is more.
    #[error("a token has {} characters, and this has {length}: was it copied whole?", PREFIX.len() + BYTES * 2)]
    Length {
        /// Characters.
        length: usize,
    },
    /// A character that is none of a token.
    #[error("a token has hexadecimal digits in lower case behind {PREFIX}")]
    Digits,
    /// Some digit is wrong.
    #[error("some of its digits are wrong: was it typed by hand?")]
    Check,
    /// A name of a token that is none.
    #[error("the name of a token is {} hexadecimal digits in lower case", ID_BYTES * 2)]
    Id,
}

/// The name of a token. It tells nothing of the secret.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId([u8; ID_BYTES]);

impl TokenId {
    /// The name of these bytes.
    pub fn new(bytes: [u8; ID_BYTES]) -> Self {
        Self(bytes)
    }

    /// The name of these bytes, if there are as many as a name has.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::text(&self.0))
    }
}

impl fmt::Debug for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for TokenId {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let bytes = hex::read(text).ok_or(TokenError::Id)?;
        Ok(Self(*bytes))
    }
}

/// A token.
#[derive(Clone)]
pub struct Token {
    /// Its name.
    pub id: TokenId,
    /// The host that made it.
    pub issuer: HostId,
    /// The hash of the certificate of the CA that it leads to.
    pub ca_hash: [u8; CA_HASH_BYTES],
    secret: Zeroizing<[u8; SECRET_BYTES]>,
}

impl Token {
    /// A token of random bytes.
    pub fn new(
        id: TokenId,
        secret: &[u8; SECRET_BYTES],
        issuer: HostId,
        ca_hash: [u8; CA_HASH_BYTES],
    ) -> Self {
        Self {
            id,
            issuer,
            ca_hash,
            secret: Zeroizing::new(*secret),
        }
    }

    /// The secret, for the one call that joins.
    pub fn secret(&self) -> &[u8; SECRET_BYTES] {
        &self.secret
    }

    /// The text. It is secret.
    pub fn to_text(&self) -> Zeroizing<String> {
        // With room for all, so that no shorter copy is left behind when it grows.
        let mut out = Zeroizing::new(String::with_capacity(PREFIX.len() + BYTES * 2));
        out.push_str(PREFIX);
        hex::put(&self.id.0, &mut out);
        hex::put(self.secret.as_slice(), &mut out);
        let issuer = self.issuer.bits().to_be_bytes();
        hex::put(&issuer, &mut out);
        hex::put(&self.ca_hash, &mut out);
        let check = check(&self.id.0, self.secret.as_slice(), &issuer, &self.ca_hash);
        hex::put(check.get(..CHECK_BYTES).unwrap_or_default(), &mut out);
        out
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (id, rest) = bytes.split_first_chunk()?;
        let (secret, rest) = rest.split_first_chunk()?;
        let (issuer, rest) = rest.split_first_chunk::<HOST_BYTES>()?;
        let (ca_hash, said) = rest.split_first_chunk()?;
        let is = check(id, secret, issuer, ca_hash);
        let host = HostId::from_bits(u128::from_be_bytes(*issuer));
        let token = Self::new(TokenId(*id), secret, host, *ca_hash);
        (is.get(..CHECK_BYTES) == Some(said)).then_some(token)
    }
}

impl FromStr for Token {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let text = text.trim();
        let digits = text.strip_prefix(PREFIX).ok_or(TokenError::Prefix)?;
        if digits.chars().count() != BYTES * 2 {
            let length = text.chars().count();
            return Err(TokenError::Length { length });
        }
        let bytes = hex::read::<BYTES>(digits).ok_or(TokenError::Digits)?;
        Self::read(bytes.as_slice()).ok_or(TokenError::Check)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({})", self.id)
    }
}

/// What is kept of a secret. It has 128 random bits, so one round of a plain hash is enough.
pub(crate) fn hash_of(secret: &[u8]) -> [u8; CA_HASH_BYTES] {
    hash(&[HASHED, secret])
}

fn check(id: &[u8], secret: &[u8], issuer: &[u8], ca_hash: &[u8]) -> [u8; CA_HASH_BYTES] {
    hash(&[CHECKED, id, secret, issuer, ca_hash])
}

fn hash(parts: &[&[u8]]) -> [u8; CA_HASH_BYTES] {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part);
    }
    let hash = context.finish();
    hash.as_ref().try_into().unwrap_or([0; CA_HASH_BYTES])
}
