//! What a member keeps of itself, as one document: it is replaced as a whole, so key and certificate always fit.
//!
//! It holds the secret key. Errors name the field and never what stands there.

use std::fmt;

use kerf_seal::Statement;
use kerf_types::HostId;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::certificate::{CERTIFICATE_LIMIT, CaCertificate, Side};
use crate::hex;
use crate::key::SecretKey;

/// Name and version of the document.
const SCHEMA: &str = "kerf.member.v1";

/// Longest document that is read.
pub const MEMBERSHIP_LIMIT: usize = 64 << 10;

/// Most addresses of members that are kept.
const MAX_SEEDS: usize = 64;

/// Why bytes are no membership.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MembershipError {
    /// It is not the JSON that a membership is.
    #[error("line {line}, column {column}: it is not what a member keeps of itself")]
    Json {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// A field is wrong.
    #[error("{field} is wrong")]
    Field {
        /// Its name.
        field: &'static str,
    },
    /// Key, certificate and statement are not of one host of this fleet.
    #[error("its key, certificate and statement are not of one host of its cluster")]
    Unfit,
}

/// Whom a member asks when gossip does not tell it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Contacts {
    /// The host that signs, as far as it is known: the one that the token named, or the last that has renewed.
    pub issuer: Option<HostId>,
    /// Members that are asked for the fleet, `host:port`.
    pub seeds: Vec<String>,
}

/// A member's own part of the fleet.
pub struct Membership {
    /// The fleet.
    pub ca: CaCertificate,
    /// Whose it is.
    pub host: HostId,
    /// The key of certificate and statement.
    pub key: SecretKey,
    /// In DER.
    pub certificate: Vec<u8>,
    /// For records; it ends when the certificate does.
    pub statement: Statement,
    /// Whom it asks.
    pub contacts: Contacts,
}

impl Membership {
    /// Puts the parts together, if they fit.
    pub fn try_new(
        ca: CaCertificate,
        host: HostId,
        key: SecretKey,
        certificate: Vec<u8>,
        statement: Statement,
        contacts: Contacts,
    ) -> Result<Self, MembershipError> {
        let public = key.public();
        let until = statement.not_after_s;
        let said = statement.verify(&ca.public_key(), ca.cluster(), host, until);
        let is_whole = ca.is_for(&certificate, &public)
            && statement.public_key == public
            && said.is_ok()
            && ca
                .verify_of(host, &certificate, Side::Server, until)
                .is_ok()
            && ca
                .verify_of(host, &certificate, Side::Client, until)
                .is_ok()
            && contacts.seeds.len() <= MAX_SEEDS;
        match is_whole {
            true => Ok(Self {
                ca,
                host,
                key,
                certificate,
                statement,
                contacts,
            }),
            false => Err(MembershipError::Unfit),
        }
    }

    /// The document. It is secret.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        // With room for all, so that no shorter copy is left behind when it grows.
        let mut out = Zeroizing::new(String::with_capacity(MEMBERSHIP_LIMIT));
        out.push_str("{\"schema\":\"");
        out.push_str(SCHEMA);
        let host = self.host.to_string();
        let statement = hex::text(&self.statement.to_bytes());
        let (ca, certificate) = (hex::text(self.ca.der()), hex::text(&self.certificate));
        let key = self.key.to_text();
        let issuer = self.contacts.issuer.map(|host| host.to_string());
        let fields = [
            ("ca", ca.as_str()),
            ("host", &host),
            ("key", key.trim_end()),
            ("certificate", &certificate),
            ("statement", &statement),
        ];
        let issuer = issuer.as_deref().map(|issuer| ("issuer", issuer));
        for (name, value) in fields.into_iter().chain(issuer) {
            for part in ["\",\"", name, "\":\"", value] {
                out.push_str(part);
            }
        }
        out.push_str("\",\"seeds\":");
        // A list of texts always writes.
        out.push_str(&serde_json::to_string(&self.contacts.seeds).unwrap_or_default());
        out.push_str("}\n");
        Zeroizing::new(out.as_bytes().to_vec())
    }

    /// Reads a document, strictly.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, MembershipError> {
        if bytes.len() > MEMBERSHIP_LIMIT {
            return Err(MembershipError::Json { line: 1, column: 1 });
        }
        let document: Document<'_> =
            serde_json::from_slice(bytes).map_err(|error| MembershipError::Json {
                line: error.line(),
                column: error.column(),
            })?;
        let wrong = |field| MembershipError::Field { field };
        if document.schema != SCHEMA {
            return Err(wrong("schema"));
        }
        let ca = hex::read_some(document.ca, CERTIFICATE_LIMIT).ok_or(wrong("ca"))?;
        let certificate = hex::read_some(document.certificate, CERTIFICATE_LIMIT);
        let statement = hex::read_some(document.statement, kerf_seal::STATEMENT_BYTES);
        let statement = statement.and_then(|bytes| Statement::from_bytes(&bytes).ok());
        let issuer = document.issuer.map(str::parse).transpose();
        let contacts = Contacts {
            issuer: issuer.map_err(|_| wrong("issuer"))?,
            seeds: document.seeds,
        };
        Self::try_new(
            CaCertificate::from_der(&ca).map_err(|_| wrong("ca"))?,
            document.host.parse().map_err(|_| wrong("host"))?,
            SecretKey::from_text(document.key).map_err(|_| wrong("key"))?,
            certificate.ok_or(wrong("certificate"))?,
            statement.ok_or(wrong("statement"))?,
            contacts,
        )
    }
}

impl fmt::Debug for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Membership")
            .field("host", &self.host)
            .field("cluster", &self.ca.cluster())
            .finish_non_exhaustive()
    }
}

/// Texts are borrowed from the bytes, so that no copy of the key is left behind.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document<'a> {
    #[serde(borrow)]
    schema: &'a str,
    #[serde(borrow)]
    ca: &'a str,
    #[serde(borrow)]
    host: &'a str,
    #[serde(borrow)]
    key: &'a str,
    #[serde(borrow)]
    certificate: &'a str,
    #[serde(borrow)]
    statement: &'a str,
    #[serde(borrow, default)]
    issuer: Option<&'a str>,
    seeds: Vec<String>,
}
