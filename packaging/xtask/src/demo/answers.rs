//! What the demo reads in the JSON documents of kerf: a few fields, each an error when it is absent.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// A slice as `kerf slices -o json` lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    /// The GPU's index.
    pub gpu: u64,
    /// For example `1g.10gb`.
    pub profile: String,
    /// For example `free` or `leased`.
    pub state: String,
    /// The MIG UUID; a slice without compute instance has none.
    pub uuid: Option<String>,
}

/// A host as `kerf nodes -o json` lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// For example `alive` or `down`.
    pub presence: String,
    /// Whether it is known what it says of itself.
    pub told: bool,
}

/// Parses a document and sees that it is of the right kind: `kerf.v1.<kind>`.
pub fn document(text: &str, kind: &str) -> Result<Value> {
    let value: Value = serde_json::from_str(text).with_context(|| format!("{kind} is no JSON"))?;
    let schema = value
        .get("schema")
        .and_then(Value::as_str)
        .unwrap_or_default();
    ensure!(
        schema == format!("kerf.v1.{kind}"),
        "the schema is {schema:?} and not of {kind}"
    );
    Ok(value)
}

/// The list under a key.
pub fn list<'a>(document: &'a Value, key: &str) -> Result<&'a Vec<Value>> {
    document
        .get(key)
        .and_then(Value::as_array)
        .with_context(|| format!("no list {key:?}"))
}

/// The text under a key.
pub fn text(value: &Value, key: &str) -> Result<String> {
    let found = value.get(key).and_then(Value::as_str).map(str::to_owned);
    found.with_context(|| format!("no text {key:?} in {value}"))
}

/// The slices of a `Slices`.
pub fn slices(document: &Value) -> Result<Vec<Slice>> {
    let slice = |value: &Value| {
        let gpu = value.get("gpu_index").and_then(Value::as_u64);
        Ok(Slice {
            gpu: gpu.with_context(|| format!("no number \"gpu_index\" in {value}"))?,
            profile: text(value, "profile")?,
            state: text(value, "state")?,
            uuid: value.get("uuid").and_then(Value::as_str).map(str::to_owned),
        })
    };
    list(document, "slices")?.iter().map(slice).collect()
}

/// The hosts of a `Nodes`.
pub fn nodes(document: &Value) -> Result<Vec<Node>> {
    let node = |value: &Value| {
        Ok(Node {
            name: text(value, "name")?,
            presence: text(value, "presence")?,
            told: value.get("record").is_some_and(|record| !record.is_null()),
        })
    };
    list(document, "nodes")?.iter().map(node).collect()
}

#[cfg(test)]
mod tests;
