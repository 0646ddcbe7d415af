//! A JSON object of which single parts are opened, changed and put back; all others stay as they were.
//!
//! Owns the rules of opening: `null` counts as absent, a part of another shape is an error that names its
//! path, and a key that another reader would take for one of ours is refused ([`Object::refuse_lookalikes`]).

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

use super::Key;

/// A part of a document that is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// The part has another shape.
    #[error("`{path}` is not {expected}")]
    Shape {
        /// Where in the document.
        path: &'static str,
        /// What it should be, with its article.
        expected: &'static str,
        /// What the parser says, with the position inside the part.
        #[source]
        source: serde_json::Error,
    },
    /// The key differs from one that has a meaning here by case alone. Go's decoder, and so runc, takes
    /// such keys for the same and lets the last win: the edit would go to one and runc read the other.
    #[error("`{path}` holds the key {found:?}, which runc would read as {known:?}")]
    LookAlike {
        /// The object, empty for the document itself.
        path: &'static str,
        /// The key as written.
        found: String,
        /// The key that it looks like.
        known: &'static str,
    },
}

/// One value of a document.
#[derive(Debug)]
pub enum Node<'a> {
    /// The bytes that were read.
    Kept(&'a RawValue),
    /// An object that was opened, or is new.
    Object(Object<'a>),
    /// A list that was opened, or is new.
    List(Vec<Node<'a>>),
    /// A value that was not in the document.
    Made(Box<RawValue>),
}

/// An object with its keys in the order of the document.
#[derive(Debug, Default)]
pub struct Object<'a>(Vec<(Cow<'a, str>, Node<'a>)>);

impl<'a> Node<'a> {
    /// A value of our own.
    pub fn made<T: Serialize>(value: &T) -> Result<Self, serde_json::Error> {
        serde_json::value::to_raw_value(value).map(Node::Made)
    }

    /// The value as a type; `path` and `expected` name it in the error.
    pub fn read<T: DeserializeOwned>(
        &self,
        path: &'static str,
        expected: &'static str,
    ) -> Result<T, TreeError> {
        let read = match self {
            Node::Kept(raw) => serde_json::from_str(raw.get()),
            Node::Made(raw) => serde_json::from_str(raw.get()),
            opened => serde_json::to_string(opened).and_then(|text| serde_json::from_str(&text)),
        };
        read.map_err(|source| TreeError::Shape {
            path,
            expected,
            source,
        })
    }

    /// Reads the value as an object without opening it in the document.
    pub fn peek(&self, path: &'static str) -> Result<Object<'_>, TreeError> {
        match self {
            Node::Kept(raw) => open(raw, path, "an object"),
            Node::Made(raw) => open(raw, path, "an object"),
            opened => Err(shape(opened, path, "an unopened object")),
        }
    }

    fn is_null(&self) -> bool {
        matches!(self, Node::Kept(raw) if raw.get() == "null")
    }
}

impl<'a> Object<'a> {
    /// The document in `text`, which must be an object.
    pub fn parse(text: &'a str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// The value under `key`; `null` counts as absent.
    pub fn get(&self, key: &str) -> Option<&Node<'a>> {
        let found = self.0.iter().find(|(name, _)| name == key);
        found.map(|(_, node)| node).filter(|node| !node.is_null())
    }

    /// The keys, in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(key, _)| key.as_ref())
    }

    /// Puts `node` under `key`, in the place of what was there.
    pub fn set(&mut self, key: impl Into<Cow<'a, str>>, node: Node<'a>) {
        let key = key.into();
        match self.0.iter_mut().find(|(name, _)| *name == key) {
            Some((_, there)) => *there = node,
            None => self.0.push((key, node)),
        }
    }

    /// Opens the object under `key`, if there is one.
    pub fn opened(
        &mut self,
        key: &'static str,
        path: &'static str,
    ) -> Result<Option<&mut Object<'a>>, TreeError> {
        let Some(node) = self.present(key) else {
            return Ok(None);
        };
        if let Node::Kept(raw) = node {
            *node = Node::Object(open(raw, path, "an object")?);
        }
        match node {
            Node::Object(object) => Ok(Some(object)),
            other => Err(shape(other, path, "an object")),
        }
    }

    /// Opens the list under `key`, if there is one.
    pub fn opened_list(
        &mut self,
        key: &'static str,
        path: &'static str,
    ) -> Result<Option<&mut Vec<Node<'a>>>, TreeError> {
        let Some(node) = self.present(key) else {
            return Ok(None);
        };
        if let Node::Kept(raw) = node {
            let items: Vec<&'a RawValue> = open(raw, path, "a list")?;
            *node = Node::List(items.into_iter().map(Node::Kept).collect());
        }
        match node {
            Node::List(list) => Ok(Some(list)),
            other => Err(shape(other, path, "a list")),
        }
    }

    /// Opens the object under `key`, or makes an empty one there.
    pub fn object(
        &mut self,
        key: &'static str,
        path: &'static str,
    ) -> Result<&mut Object<'a>, TreeError> {
        if self.get(key).is_none() {
            self.set(key, Node::Object(Object::default()));
        }
        match self.opened(key, path)? {
            Some(there) => Ok(there),
            None => Err(absent(path)),
        }
    }

    /// Opens the list under `key`, or makes an empty one there.
    pub fn list(
        &mut self,
        key: &'static str,
        path: &'static str,
    ) -> Result<&mut Vec<Node<'a>>, TreeError> {
        if self.get(key).is_none() {
            self.set(key, Node::List(Vec::new()));
        }
        match self.opened_list(key, path)? {
            Some(there) => Ok(there),
            None => Err(absent(path)),
        }
    }

    /// Refuses a key that is not one of `known` and that Go would take for one of them.
    pub fn refuse_lookalikes(
        &self,
        path: &'static str,
        known: &[&'static str],
    ) -> Result<(), TreeError> {
        for key in self.keys() {
            let like = known.iter().find(|name| folds_to(key, name));
            if let Some(&known) = like.filter(|name| **name != key) {
                let found = key.to_owned();
                return Err(TreeError::LookAlike { path, found, known });
            }
        }
        Ok(())
    }

    fn present(&mut self, key: &str) -> Option<&mut Node<'a>> {
        let found = self.0.iter_mut().find(|(name, _)| name == key);
        found.map(|(_, node)| node).filter(|node| !node.is_null())
    }
}

/// Case folding as Go's encoding/json does it for field names: ASCII case, and the two letters outside
/// ASCII that fold into it (the long s and the Kelvin sign).
fn folds_to(key: &str, name: &str) -> bool {
    let fold = |c: char| match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    };
    key.chars().map(fold).eq(name.chars().map(fold))
}

fn open<'a, T: Deserialize<'a>>(
    raw: &'a RawValue,
    path: &'static str,
    expected: &'static str,
) -> Result<T, TreeError> {
    serde_json::from_str(raw.get()).map_err(|source| TreeError::Shape {
        path,
        expected,
        source,
    })
}

/// What `object` and `list` answer if the part that they just made is gone; no input leads here.
fn absent(path: &'static str) -> TreeError {
    TreeError::Shape {
        path,
        expected: "present",
        source: serde::de::Error::custom("not found"),
    }
}

fn shape(node: &Node<'_>, path: &'static str, expected: &'static str) -> TreeError {
    let kind = match node {
        Node::Object(_) => "an object",
        Node::List(_) => "a list",
        Node::Kept(_) | Node::Made(_) => "a value",
    };
    TreeError::Shape {
        path,
        expected,
        source: serde::de::Error::custom(format_args!("found {kind}")),
    }
}

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Object<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut object = Object::default();
        while let Some((Key(key), value)) = entries.next_entry()? {
            object.0.push((key, Node::Kept(value)));
        }
        Ok(object)
    }
}

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, node) in &self.0 {
            map.serialize_entry(key, node)?;
        }
        map.end()
    }
}

impl Serialize for Node<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Node::Kept(raw) => raw.serialize(serializer),
            Node::Object(object) => object.serialize(serializer),
            Node::List(list) => serializer.collect_seq(list),
            Node::Made(raw) => raw.serialize(serializer),
        }
    }
}
