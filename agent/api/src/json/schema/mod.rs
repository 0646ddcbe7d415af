//! `kerf schema`: the open description of hardware, fleet and work, as JSON Schema (draft 2020-12).
//!
//! The schemas come from the structs that read and write the documents, so they cannot drift from them. What a
//! schema cannot say (that two rules name one GPU) is checked when a document is read.

#[cfg(test)]
pub(crate) mod tests;

use std::str::FromStr;

use kerf_types::{ParseError, VENDOR};
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};
use serde_json::Value;

use super::checkpoint::Checkpoint;
use super::explanation::Explanation;
use super::history::HistoryEntry;
use super::inventory::Inventory;
use super::job::JobSpecDocument;
use super::layout::LayoutDocument;
use super::nodes::Nodes;

/// A document that has a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaKind {
    /// What lay where on a host.
    Checkpoint,
    /// What was said of each host when a job was placed.
    Explanation,
    /// What was done to the GPUs of a host.
    History,
    /// What a host has.
    Inventory,
    /// What a job is.
    Job,
    /// What an operator wants.
    Layout,
    /// The hosts of a fleet.
    Nodes,
}

impl SchemaKind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Checkpoint,
        Self::Explanation,
        Self::History,
        Self::Inventory,
        Self::Job,
        Self::Layout,
        Self::Nodes,
    ];

    /// The word on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Checkpoint => "checkpoint",
            Self::Explanation => "explanation",
            Self::History => "history",
            Self::Inventory => "inventory",
            Self::Job => "job",
            Self::Layout => "layout",
            Self::Nodes => "nodes",
        }
    }
}

impl FromStr for SchemaKind {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        let known = "checkpoint, explanation, history, inventory, job, layout or nodes";
        found.ok_or_else(|| ParseError::new("a schema", text, known))
    }
}

/// The schema of a document.
pub fn schema(kind: SchemaKind) -> Value {
    let (schema, name) = match kind {
        SchemaKind::Checkpoint => (generate::<Checkpoint>(), "kerf.v1.Checkpoint"),
        SchemaKind::Explanation => (generate::<Explanation>(), "kerf.v1.Explanation"),
        SchemaKind::History => (generate::<HistoryEntry>(), "kerf.v1.HistoryEntry"),
        SchemaKind::Inventory => (generate::<Inventory>(), "kerf.v1.Inventory"),
        SchemaKind::Job => (generate::<JobSpecDocument>(), "kerf.v1.JobSpec"),
        SchemaKind::Layout => (generate::<LayoutDocument>(), "kerf.v1.Layout"),
        SchemaKind::Nodes => (generate::<Nodes>(), "kerf.v1.Nodes"),
    };
    with_name(schema, name).into()
}

/// The schema of a type. A line break of a doc comment is none of its sentence's.
fn generate<T: JsonSchema>() -> Schema {
    let unbroken = RecursiveTransform(|schema: &mut Schema| {
        if let Some(Value::String(text)) = schema.get_mut("description") {
            *text = text.replace('\n', " ");
        }
    });
    let settings = SchemaSettings::draft2020_12().with_transform(unbroken);
    settings.into_generator().into_root_schema_for::<T>()
}

/// Gives a schema the public name of its document instead of that of a struct.
fn with_name(mut schema: Schema, name: &str) -> Schema {
    schema.insert(
        "$id".to_owned(),
        format!("https://{VENDOR}/schemas/{name}").into(),
    );
    schema.insert("title".to_owned(), name.into());
    schema
}
