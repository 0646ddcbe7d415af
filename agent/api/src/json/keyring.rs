//! `kerf keyring`: which host has which keys. Names alone: no document holds a key.

use serde::Serialize;

use super::schema_tag;
use crate::v1;

schema_tag!(KeyringSchema, "kerf.v1.Keyring");

/// The keys of the hosts of a fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Keyring {
    /// Names this document.
    pub schema: KeyringSchema,
    /// The key that the call was about; null for a list.
    pub key: Option<String>,
    /// The host that answers first, the other living ones in the order of ids.
    pub hosts: Vec<KeyringHost>,
}

/// The keys of one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyringHost {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether it is the one that answers.
    pub here: bool,
    /// The keys that open what others seal; null where it did not answer.
    pub installed: Option<Vec<String>>,
    /// The key that it seals with; null where it did not answer.
    pub used: Option<String>,
    /// Why it did not answer, or did not do what it was told.
    pub error: Option<String>,
}

impl From<&v1::KeyringState> for Keyring {
    fn from(state: &v1::KeyringState) -> Self {
        Self {
            schema: KeyringSchema::V1,
            key: some(&state.id),
            hosts: state.hosts.iter().map(Into::into).collect(),
        }
    }
}

impl From<&v1::KeyringHost> for KeyringHost {
    fn from(host: &v1::KeyringHost) -> Self {
        let used = some(&host.used);
        Self {
            id: host.id.clone(),
            name: host.name.clone(),
            here: host.here,
            installed: used.as_ref().map(|_| host.installed.clone()),
            used,
            error: some(&host.error),
        }
    }
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}
