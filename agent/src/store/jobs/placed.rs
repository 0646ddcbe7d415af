//! Where the members of a job are, as the text of one column.

use kerf_types::peer::Attempt;
use serde::{Deserialize, Serialize};

use super::row::{Placed, bad};
use crate::store::StoreError;

#[derive(Debug, Serialize, Deserialize)]
struct Document {
    attempt: u32,
    /// Id and name of each host.
    hosts: Vec<(String, String)>,
}

impl Placed {
    /// Its text.
    pub fn text(&self) -> String {
        let hosts = self.hosts.iter();
        let document = Document {
            attempt: self.attempt.0,
            hosts: hosts
                .map(|(id, name)| (id.to_string(), name.clone()))
                .collect(),
        };
        // Strings and numbers always have a JSON form.
        serde_json::to_string(&document).unwrap_or_default()
    }

    /// Reads a text.
    pub fn read(text: &str) -> Result<Self, StoreError> {
        let document: Document =
            serde_json::from_str(text).map_err(|error| bad(error.to_string()))?;
        let hosts = document.hosts.into_iter().map(|(id, name)| {
            let id = id
                .parse()
                .map_err(|error: kerf_types::ParseError| bad(error.to_string()))?;
            Ok((id, name))
        });
        Ok(Self {
            attempt: Attempt(document.attempt),
            hosts: hosts.collect::<Result<_, StoreError>>()?,
        })
    }
}
