//! `kerf cluster`: this host's place in its cluster, tokens, and what became of a revocation.

use serde::Serialize;

use super::schema_tag;
use crate::v1;

schema_tag!(ClusterSchema, "kerf.v1.Cluster");
schema_tag!(TokenSchema, "kerf.v1.Token");
schema_tag!(TokensSchema, "kerf.v1.Tokens");
schema_tag!(RevocationSchema, "kerf.v1.Revocation");

/// This host's place in its cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cluster {
    /// Names this document.
    pub schema: ClusterSchema,
    /// What it is a member with; null for a host that is in no cluster.
    pub membership: Option<ClusterMembership>,
    /// Where peers reach this host; null where it listens to none.
    pub address: Option<String>,
    /// Whether connections to peers prove nothing (`kerfd --insecure-dev`).
    pub insecure: bool,
}

/// What a host is a member with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClusterMembership {
    /// The cluster's name.
    pub name: String,
    /// Its id: 32 hexadecimal digits.
    pub id: String,
    /// SHA-256 of the CA's certificate: 64 hexadecimal digits.
    pub ca_hash: String,
    /// This host's id.
    pub host: String,
    /// Whether this host has the CA's key.
    pub issuer: bool,
    /// The last second of its certificate, since 1970.
    pub not_after_s: u64,
    /// The second at which it is renewed.
    pub renew_at_s: u64,
    /// Version of the list of revoked hosts.
    pub revoked_version: u64,
    /// The hosts on it.
    pub revoked: Vec<RevokedEntry>,
}

/// A host that was put out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RevokedEntry {
    /// Its id.
    pub host: String,
    /// When, in seconds since 1970.
    pub at_s: u64,
}

/// A token that was just made. It is secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Token {
    /// Names this document.
    pub schema: TokenSchema,
    /// Its name.
    pub id: String,
    /// The token itself.
    pub token: String,
    /// Its last second, since 1970.
    pub expires_s: u64,
    /// The member that it is used at.
    pub address: String,
}

/// The tokens that are known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tokens {
    /// Names this document.
    pub schema: TokensSchema,
    /// Each of them, in the order of names.
    pub tokens: Vec<TokenEntry>,
}

/// A token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TokenEntry {
    /// Its name.
    pub id: String,
    /// `open`, `used` or `expired`.
    pub state: &'static str,
    /// Its last second, since 1970.
    pub expires_s: u64,
    /// The host that used it.
    pub used_by: Option<String>,
    /// When, in seconds since 1970.
    pub used_at_s: Option<u64>,
}

/// What became of a revocation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Revocation {
    /// Names this document.
    pub schema: RevocationSchema,
    /// The host that is out.
    pub host: String,
    /// Version of the list of revoked hosts.
    pub version: u64,
    /// Living hosts that have the list.
    pub told: Vec<String>,
    /// Living hosts that did not answer; they learn it from others.
    pub missed: Vec<String>,
    /// The key that gossip is sealed with from now on.
    pub key: Option<String>,
    /// Why the old one still is.
    pub key_error: Option<String>,
}

impl From<&v1::ClusterState> for Cluster {
    fn from(state: &v1::ClusterState) -> Self {
        let membership = state.member.then(|| ClusterMembership {
            name: state.name.clone(),
            id: state.id.clone(),
            ca_hash: state.ca_hash.clone(),
            host: state.host.clone(),
            issuer: state.issuer,
            not_after_s: state.not_after_s,
            renew_at_s: state.renew_at_s,
            revoked_version: state.revoked_version,
            revoked: state.revoked.iter().map(Into::into).collect(),
        });
        Self {
            schema: ClusterSchema::V1,
            membership,
            address: some(&state.address),
            insecure: state.insecure,
        }
    }
}

impl From<&v1::RevokedEntry> for RevokedEntry {
    fn from(entry: &v1::RevokedEntry) -> Self {
        Self {
            host: entry.host.clone(),
            at_s: entry.at_s,
        }
    }
}

impl From<&v1::NewToken> for Token {
    fn from(token: &v1::NewToken) -> Self {
        Self {
            schema: TokenSchema::V1,
            id: token.id.clone(),
            token: token.token.clone(),
            expires_s: token.expires_s,
            address: token.address.clone(),
        }
    }
}

impl From<&v1::ListTokensResponse> for Tokens {
    fn from(list: &v1::ListTokensResponse) -> Self {
        Self {
            schema: TokensSchema::V1,
            tokens: list.tokens.iter().map(Into::into).collect(),
        }
    }
}

impl From<&v1::TokenEntry> for TokenEntry {
    fn from(entry: &v1::TokenEntry) -> Self {
        let used_by = some(&entry.used_by);
        Self {
            id: entry.id.clone(),
            state: match (&used_by, entry.expired) {
                (Some(_), _) => "used",
                (None, true) => "expired",
                (None, false) => "open",
            },
            expires_s: entry.expires_s,
            used_at_s: used_by.as_ref().map(|_| entry.used_at_s),
            used_by,
        }
    }
}

impl From<&v1::RevokedHost> for Revocation {
    fn from(host: &v1::RevokedHost) -> Self {
        Self {
            schema: RevocationSchema::V1,
            host: host.host.clone(),
            version: host.version,
            told: host.told.clone(),
            missed: host.missed.clone(),
            key: some(&host.key),
            key_error: some(&host.key_error),
        }
    }
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}
