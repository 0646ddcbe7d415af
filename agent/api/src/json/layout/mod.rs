//! What an operator wants of a host, as a document: `kerf.v1.Layout`.
//!
//! ```yaml
//! schema: kerf.v1.Layout
//! rules:
//!   - gpus: [0, 1, "0000:1b:00.0"]
//!     slices: { 1g.10gb: 4, 3g.40gb: 1 }
//!   - gpus: ["model:NVIDIA A100*"]
//!     at_least: { 2g.20gb: 1 }
//!     fill: 1g.10gb
//!   - gpus: [7]
//!     mig: false
//!     sharing: { mps: { clients: 4, threads: 25, memory: 18GiB } }
//!   - gpus: [4, 5, 6]
//!     slices: { 1g.10gb: 9, 3g.40gb: 2 }
//!     together: true
//!   - gpus: all
//!     amd: { compute: cpx, memory: nps1 }
//! ```

mod amd;
mod fill;
mod gpus;
mod sharing;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use kerf_types::layout::{Layout, LayoutRule};
use kerf_types::{AmdWish, ProfileName, Sharing, Spot};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use amd::AmdModes;
pub use fill::Fill;
pub use gpus::{GpuName, Gpus};
pub use sharing::{MpsDocument, SharingDocument, TimeSliceDocument};

use super::map::unique_map;
use super::schema_tag;
use crate::convert::{
    At, ConvertError, Fault, GRID_LIMIT, RULE_LIMIT, check_layout, check_rule, each, exact_places,
    fill_order, most, required, slice_counts,
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
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Rule")]
#[schemars(extend(
    "if" = { "properties": { "together": { "const": true, "description": "Slices of all the GPUs." } }, "required": ["together"] },
    "else" = { "properties": {
        "slices": { "additionalProperties": { "maximum": 64 }, "description": "Slices of one GPU." }
    } }
))]
pub struct LayoutRuleDocument {
    /// Which GPUs: `all`, or a list of NVML indices, UUIDs, PCI addresses, `model:NAME` (where `*` stands for
    /// anything) and `label:NAME` (of `gpu_labels` in kerf.toml). In a rule with `amd` these are AMD GPUs, and an index
    /// counts them in order of their addresses; in any other they are NVIDIA's.
    pub gpus: Gpus,
    /// Whether MIG is on, with exactly these slices, or off, without any. It may be left out where slices are
    /// named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mig: Option<bool>,
    /// Number of slices on each of the GPUs by profile name, like `1g.10gb: 2`: exactly these, and what fills.
    #[serde(
        default,
        deserialize_with = "unique_map",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    #[schemars(schema_with = "gpus::all_slices_schema")]
    pub slices: BTreeMap<String, u32>,
    /// The least number of slices instead: what else lives there is kept as far as there is room.
    #[serde(
        default,
        deserialize_with = "unique_map",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    #[schemars(schema_with = "gpus::slices_schema")]
    pub at_least: BTreeMap<String, u32>,
    /// A profile that takes the room that is left, or several, one after the other.
    #[serde(default, skip_serializing_if = "Fill::is_empty")]
    pub fill: Fill,
    /// Exactly these slices in exactly these places instead, like `"0:4": 3g.40gb`, and `"4:4/0:1": 1c.3g.40gb`
    /// for a part of a GPU instance.
    #[serde(
        default,
        deserialize_with = "unique_map",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    #[schemars(schema_with = "gpus::places_schema")]
    pub places: BTreeMap<String, String>,
    /// Whether `slices` are those of all the GPUs together instead, split over them so that the least of what lives
    /// there is disturbed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub together: bool,
    /// The modes of AMD GPUs; such a rule has nothing else. A memory mode takes hold when the driver is loaded anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amd: Option<AmdModes>,
    /// How each of the GPUs is shared between several containers or, with MIG on, each of their slices. Left out: not
    /// at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sharing: Option<SharingDocument>,
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
        let counts = |counts: &BTreeMap<ProfileName, u32>| {
            let texts = counts
                .iter()
                .map(|(name, count)| (name.to_string(), *count));
            texts.collect()
        };
        let places = rule.places.iter().flatten();
        Self {
            gpus: rule.gpus.as_slice().into(),
            mig: rule.amd.is_none().then_some(rule.mig_enabled),
            slices: counts(&rule.slices),
            at_least: counts(&rule.at_least),
            fill: Fill(rule.fill.iter().map(ToString::to_string).collect()),
            places: places
                .map(|(place, name)| (place.to_string(), name.to_string()))
                .collect(),
            together: rule.together,
            amd: rule.amd.map(Into::into),
            sharing: rule.sharing.map(Into::into),
        }
    }
}

impl TryFrom<LayoutRuleDocument> for LayoutRule {
    type Error = ConvertError;

    fn try_from(rule: LayoutRuleDocument) -> Result<Self, ConvertError> {
        let slices = slice_counts("slices", rule.slices, most(rule.together))?;
        let at_least = slice_counts("at_least", rule.at_least, GRID_LIMIT)?;
        let amd = rule
            .amd
            .map(|modes| AmdWish::try_from(modes).at("amd"))
            .transpose()?;
        let sharing = rule.sharing.map(Sharing::try_from);
        let sharing = sharing.transpose().at("sharing")?;
        let fill = fill_order(rule.fill.0)?;
        let place =
            |(place, profile): (String, String)| Ok((place.parse::<Spot>().at("places")?, profile));
        let places = rule.places.into_iter().map(place);
        let places = exact_places(places.collect::<Result<_, ConvertError>>()?)?;
        // A rule that names slices wants MIG on. One that names none must say what it wants.
        let names =
            !slices.is_empty() || !at_least.is_empty() || !fill.is_empty() || places.is_some();
        let mig_enabled = match rule.mig {
            Some(_) if amd.is_some() => {
                let why = "an AMD GPU has no MIG";
                return Err(ConvertError::new("mig", Fault::Conflict { why }));
            }
            Some(enabled) => enabled,
            None if amd.is_some() => false,
            None => required("mig", names.then_some(true))?,
        };
        check_rule(Self {
            gpus: rule.gpus.try_into()?,
            mig_enabled,
            slices,
            at_least,
            fill,
            places,
            together: rule.together,
            amd,
            sharing,
        })
    }
}
