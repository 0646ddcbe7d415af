//! What a line of input may hold, word for word. Unknown keys and keys that stand there twice are refused.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

/// A name for a question that its answer repeats.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Id {
    /// Any text.
    Text(String),
    /// A number, for those who count.
    Number(i64),
}

/// A question.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Request {
    pub id: Id,
    pub gpus: Vec<Gpu>,
    /// All that must exist at the end, over all GPUs.
    pub want: Wish,
}

/// A GPU.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Gpu {
    pub grid: Grid,
    #[serde(default)]
    pub placed: Vec<Placed>,
}

/// An instance that lives.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Placed {
    pub profile: String,
    pub start: u32,
    #[serde(default = "one")]
    pub weight: u64,
    #[serde(default)]
    pub pinned: bool,
}

fn one() -> u64 {
    1
}

/// How a GPU can be cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Grid {
    /// As a product that is known by name.
    Named(String),
    /// As it stands there.
    Inline(Inline),
}

/// A grid as data.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Inline {
    pub units: u32,
    /// Where it is left out, as many engines as a profile may own at its maximum count.
    pub engines: Option<Engines>,
    pub profiles: Vec<Profile>,
}

/// A profile of such a grid.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Profile {
    pub name: String,
    pub size: u32,
    pub starts: Vec<u32>,
    pub max: u32,
    #[serde(default)]
    pub engines: Engines,
}

/// Media engines; those that are left out are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Engines {
    pub dec: u32,
    pub enc: u32,
    pub jpeg: u32,
    pub ofa: u32,
}

/// Wanted counts by name.
#[derive(Debug, Default)]
pub(super) struct Wish(pub BTreeMap<String, u32>);

// By hand, not untagged: an error then names the field that is wrong and not all of both forms.
impl<'de> Deserialize<'de> for Grid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form;
        impl<'de> Visitor<'de> for Form {
            type Value = Grid;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a grid, or a grid")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Grid, E> {
                Ok(Grid::Named(name.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Grid, A::Error> {
                let map = serde::de::value::MapAccessDeserializer::new(map);
                Inline::deserialize(map).map(Grid::Inline)
            }
        }
        deserializer.deserialize_any(Form)
    }
}

impl<'de> Deserialize<'de> for Wish {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Unique;
        impl<'de> Visitor<'de> for Unique {
            type Value = Wish;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a count for each profile")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Wish, A::Error> {
                let mut counts = BTreeMap::new();
                while let Some((name, count)) = access.next_entry::<String, u32>()? {
                    if counts.contains_key(&name) {
                        return Err(A::Error::custom(format_args!("duplicate key `{name}`")));
                    }
                    counts.insert(name, count);
                }
                Ok(Wish(counts))
            }
        }
        deserializer.deserialize_map(Unique)
    }
}

/// The id of a line that is no question, if it can be made out.
pub(super) fn id_of(text: &[u8]) -> Option<Id> {
    #[derive(Deserialize)]
    struct Only {
        id: Id,
    }
    serde_json::from_slice::<Only>(text)
        .ok()
        .map(|only| only.id)
}
