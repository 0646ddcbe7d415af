//! Names of GPUs in a layout, as people write them.

use std::borrow::Cow;
use std::fmt;

use kerf_types::layout::GpuSelector;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use crate::convert::{ConvertError, RULE_LIMIT, each, gpu_selector, gpu_selector_text};

/// Which GPUs a rule speaks of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Gpus {
    /// The word `all`.
    #[default]
    All,
    /// A list of names.
    List(Vec<GpuName>),
}

/// The name of one GPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum GpuName {
    /// NVML index.
    Index(u32),
    /// UUID, PCI address, `model:NAME` or `label:NAME`.
    Text(String),
}

impl Serialize for Gpus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::All => serializer.serialize_str("all"),
            Self::List(names) => names.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Gpus {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(GpusVisitor)
    }
}

struct GpusVisitor;

impl<'de> Visitor<'de> for GpusVisitor {
    type Value = Gpus;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the word all, or a list of indices, UUIDs and PCI addresses")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Gpus, E> {
        match text {
            "all" => Ok(Gpus::All),
            _ => Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Gpus, A::Error> {
        let mut names = Vec::new();
        while let Some(name) = access.next_element()? {
            names.push(name);
        }
        Ok(Gpus::List(names))
    }
}

impl<'de> Deserialize<'de> for GpuName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(GpuNameVisitor)
    }
}

struct GpuNameVisitor;

impl Visitor<'_> for GpuNameVisitor {
    type Value = GpuName;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an NVML index, a UUID or a PCI address")
    }

    fn visit_u64<E: Error>(self, index: u64) -> Result<GpuName, E> {
        let error = |_| E::invalid_value(serde::de::Unexpected::Unsigned(index), &self);
        u32::try_from(index).map(GpuName::Index).map_err(error)
    }

    fn visit_i64<E: Error>(self, index: i64) -> Result<GpuName, E> {
        let error = |_| E::invalid_value(serde::de::Unexpected::Signed(index), &self);
        u32::try_from(index).map(GpuName::Index).map_err(error)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<GpuName, E> {
        Ok(GpuName::Text(text.to_owned()))
    }
}

impl From<&[GpuSelector]> for Gpus {
    fn from(selectors: &[GpuSelector]) -> Self {
        if selectors == [GpuSelector::All] {
            return Self::All;
        }
        let name = |selector: &GpuSelector| match selector {
            GpuSelector::Index(index) => GpuName::Index(*index),
            other => GpuName::Text(gpu_selector_text(other)),
        };
        Self::List(selectors.iter().map(name).collect())
    }
}

impl TryFrom<Gpus> for Vec<GpuSelector> {
    type Error = ConvertError;

    fn try_from(gpus: Gpus) -> Result<Self, ConvertError> {
        let Gpus::List(names) = gpus else {
            return Ok(vec![GpuSelector::All]);
        };
        each("gpus", names, RULE_LIMIT, |name| match name {
            GpuName::Index(index) => Ok(GpuSelector::Index(index)),
            GpuName::Text(text) => gpu_selector(&text),
        })
    }
}

impl JsonSchema for Gpus {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Gpus".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let pci = "^([0-9A-Fa-f]{1,8}:)?[0-9A-Fa-f]{1,2}:[0-9A-Fa-f]{1,2}\\.[0-7]$";
        json_schema!({
            "anyOf": [
                { "const": "all" },
                {
                    "type": "array",
                    "minItems": 1,
                    "maxItems": RULE_LIMIT,
                    "items": {
                        "anyOf": [
                            { "type": "integer", "minimum": 0, "maximum": u32::MAX },
                            { "type": "string", "pattern": "^GPU-[0-9A-Za-z/-]+$" },
                            { "type": "string", "pattern": pci },
                            { "type": "string", "pattern": "^(model|label):.+$" },
                            { "type": "string", "pattern": "^[0-9]{1,10}$" },
                        ],
                    },
                },
            ],
        })
    }
}

/// Schema of the map from profile to count.
pub(super) fn slices_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "propertyNames": { "pattern": PROFILE_PATTERN },
        "additionalProperties": { "type": "integer", "minimum": 0, "maximum": 64 },
    })
}

/// The same for a rule whose GPUs may hold them together.
pub(super) fn all_slices_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "propertyNames": { "pattern": PROFILE_PATTERN },
        "additionalProperties": { "type": "integer", "minimum": 0, "maximum": 1024 },
    })
}

/// What a profile's name looks like.
pub(super) const PROFILE_PATTERN: &str =
    "^(MIG )?([0-9]{1,2}c\\.)?[0-9]{1,2}g\\.[0-9]{1,5}gb(\\+me|\\+gfx|\\+me\\.all|-me)?$";

/// Schema of the map from place to profile.
pub(super) fn places_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "propertyNames": { "pattern": "^[0-9]{1,2}:[0-9]{1,2}(/[0-9]{1,2}:[0-9]{1,2})?$" },
        "additionalProperties": { "type": "string", "pattern": PROFILE_PATTERN },
    })
}
