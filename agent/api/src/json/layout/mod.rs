//! What an operator wants of a host, as a document: `kerf.v1.Layout`.
//!
//! ```yaml
//! schema: kerf.v1.Layout
//! rules:
//!   - gpus: [0, 1, "0000:1b:00.0"]
//!     slices: { 1g.10gb: 4, 3g.40gb: 1 }
//!   - gpus: [7]
//!     mig: false
//! ```

mod gpus;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use kerf_types::layout::{Layout, LayoutRule};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use gpus::{GpuName, Gpus};

use super::map::unique_map;
use super::schema_tag;
use crate::convert::{
    ConvertError, RULE_LIMIT, check_layout, check_rule, each, required, slice_counts,
};

schema_tag!(LayoutSchema, "kerf.v1.Layout");

/// Most bytes of a document: a rule of its own for each of the most GPUs, with every profile, takes some
/// hundred KiB.
pub const DOCUMENT_LIMIT: usize = 1 << 20;

/// What an operator wants of a host. A GPU that no rule names stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LayoutDocument {
    /// Names this document.
    #[serde(default)]
    pub schema: LayoutSchema,
    /// The rules. Two rules must not name one GPU.
    #[schemars(length(max = 256))]
    pub rules: Vec<LayoutRuleDocument>,
}

/// The wanted state of some GPUs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Rule")]
pub struct LayoutRuleDocument {
    /// Which GPUs: `all`, or a list of NVML indices, UUIDs and PCI addresses.
    pub gpus: Gpus,
    /// Whether MIG is on, with exactly these slices, or off, without any. It may be left out where slices are
    /// named.
    #[serde(default)]
    pub mig: Option<bool>,
    /// Number of slices on each of the GPUs by profile name, like `1g.10gb: 2`.
    #[serde(default, deserialize_with = "unique_map")]
    #[schemars(schema_with = "gpus::slices_schema")]
    pub slices: BTreeMap<String, u32>,
}

/// A text that is no layout.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// It is too long to be read at all.
    #[error("the document has {bytes} bytes, at most {limit} are allowed")]
    TooLarge {
        /// Its length.
        bytes: usize,
        /// [`DOCUMENT_LIMIT`].
        limit: usize,
    },
    /// It is no JSON, or has fields that are not in the format.
    #[error("not a kerf.v1.Layout document")]
    Syntax(#[source] serde_json::Error),
    /// A field has a value that it cannot have.
    #[error(transparent)]
    Field(#[from] ConvertError),
}

/// Reads and checks a JSON document.
pub fn parse(json: &str) -> Result<Layout, LayoutError> {
    let (bytes, limit) = (json.len(), DOCUMENT_LIMIT);
    if bytes > limit {
        return Err(LayoutError::TooLarge { bytes, limit });
    }
    let document: LayoutDocument = serde_json::from_str(json).map_err(LayoutError::Syntax)?;
    Ok(document.try_into()?)
}

impl From<&Layout> for LayoutDocument {
    fn from(layout: &Layout) -> Self {
        let rules = layout.rules.iter().map(Into::into).collect();
        Self {
            schema: LayoutSchema::V1,
            rules,
        }
    }
}

impl TryFrom<LayoutDocument> for Layout {
    type Error = ConvertError;

    fn try_from(document: LayoutDocument) -> Result<Self, ConvertError> {
        let rules = each("rules", document.rules, RULE_LIMIT, LayoutRule::try_from)?;
        check_layout(Self { rules })
    }
}

impl From<&LayoutRule> for LayoutRuleDocument {
    fn from(rule: &LayoutRule) -> Self {
        let slices = rule
            .slices
            .iter()
            .map(|(name, count)| (name.to_string(), *count));
        Self {
            gpus: rule.gpus.as_slice().into(),
            mig: Some(rule.mig_enabled),
            slices: slices.collect(),
        }
    }
}

impl TryFrom<LayoutRuleDocument> for LayoutRule {
    type Error = ConvertError;

    fn try_from(rule: LayoutRuleDocument) -> Result<Self, ConvertError> {
        let slices = slice_counts(rule.slices)?;
        // A rule that names slices wants MIG on. One that names none must say what it wants.
        let mig_enabled = match rule.mig {
            Some(enabled) => enabled,
            None => required("mig", (!slices.is_empty()).then_some(true))?,
        };
        check_rule(Self {
            gpus: rule.gpus.try_into()?,
            mig_enabled,
            slices,
        })
    }
}
