//! Amounts of memory in documents: a number of bytes, or a text with a unit.

use std::borrow::Cow;
use std::fmt;

use kerf_types::Bytes;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Error, Visitor};
use serde::{Deserialize, Serialize};

/// An amount of memory. It is written as a number of bytes and read from that or from a text like `20GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Amount(pub u64);

impl From<Bytes> for Amount {
    fn from(bytes: Bytes) -> Self {
        Self(bytes.0)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AmountVisitor)
    }
}

struct AmountVisitor;

impl Visitor<'_> for AmountVisitor {
    type Value = Amount;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of bytes or an amount like 20GiB")
    }

    fn visit_u64<E: Error>(self, bytes: u64) -> Result<Amount, E> {
        Ok(Amount(bytes))
    }

    fn visit_i64<E: Error>(self, bytes: i64) -> Result<Amount, E> {
        let error = |_| E::invalid_value(serde::de::Unexpected::Signed(bytes), &self);
        u64::try_from(bytes).map(Amount).map_err(error)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Amount, E> {
        text.parse::<Bytes>().map(Into::into).map_err(E::custom)
    }
}

impl JsonSchema for Amount {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Amount".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "integer", "minimum": 1, "maximum": super::NUMBER_LIMIT },
                { "type": "string", "pattern": "^[0-9]+([KMGT]iB|[kMGT]?B)?$" },
            ],
        })
    }
}
