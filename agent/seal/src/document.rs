//! The keyring as bytes: one JSON document, read strictly.
//!
//! ```json
//! {"schema":"kerf.keyring.v1","primary":"1f2e3d4c","keys":[{"id":"1f2e3d4c","key":"…64 hexadecimal digits…"}]}
//! ```
//! The id is derived from the key and stands there for people; one that does not fit says that somebody edited
//! the file. Errors name the place and never what stands there.

use serde::Deserialize;
use zeroize::Zeroizing;

use crate::{Key, KeyError, KeyId, Keyring, KeyringError, MAX_KEYS};

/// Name and version of the document.
pub const SCHEMA: &str = "kerf.keyring.v1";

/// Longest document that is read. Four keys take 500 bytes.
pub const DOCUMENT_LIMIT: usize = 16 * 1024;

/// Why bytes are no keyring.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// More bytes than any keyring has.
    #[error("it has {bytes} bytes, and a keyring at most {DOCUMENT_LIMIT}")]
    TooLong {
        /// How many.
        bytes: usize,
    },
    /// It is not the JSON that a keyring is.
    #[error("line {line}, column {column}: it is not a keyring ({what})")]
    Json {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// In a few words.
        what: &'static str,
    },
    /// It is of another version.
    #[error("schema: it is not {SCHEMA}")]
    Schema,
    /// There is none, or there are too many.
    #[error("keys: there are {count}, and a keyring has 1 to {MAX_KEYS}")]
    Count {
        /// How many.
        count: usize,
    },
    /// A key or a name is not one.
    #[error("{place} is wrong")]
    Key {
        /// Which of the keys, or the primary.
        place: String,
        /// What is wrong.
        source: KeyError,
    },
    /// A key's name is not the one that follows from it.
    #[error("keys[{at}]: it is called {said}, and the key is {is}")]
    Id {
        /// Which of the keys, from 0.
        at: usize,
        /// The name that stands there.
        said: KeyId,
        /// The name that follows.
        is: KeyId,
    },
    /// One key stands there twice.
    #[error("keys[{at}]: {id} is there already")]
    Twice {
        /// Which of the keys, from 0.
        at: usize,
        /// Its name.
        id: KeyId,
    },
    /// The keys do not go together.
    #[error("keys[{at}] cannot be taken in")]
    Keyring {
        /// Which of the keys, from 0.
        at: usize,
        /// What is wrong.
        source: KeyringError,
    },
    /// The primary is none of the keys.
    #[error("primary: {id} is none of the keys")]
    Primary {
        /// Its name.
        id: KeyId,
    },
}

/// Strings are borrowed from the bytes, so that no copy of a key is left behind.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document<'a> {
    #[serde(borrow)]
    schema: &'a str,
    #[serde(borrow)]
    primary: &'a str,
    #[serde(borrow)]
    keys: Vec<Entry<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry<'a> {
    #[serde(borrow)]
    id: &'a str,
    #[serde(borrow)]
    key: &'a str,
}

impl Keyring {
    /// The document, with a line feed at its end. The bytes are secret.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        // With room for all, so that no shorter copy is left behind when it grows.
        let mut out = Zeroizing::new(Vec::with_capacity(DOCUMENT_LIMIT));
        let head = format!(
            "{{\"schema\":\"{SCHEMA}\",\"primary\":\"{}\",\"keys\":[",
            self.primary()
        );
        out.extend_from_slice(head.as_bytes());
        for (at, key) in self.keys().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            let entry = format!("{comma}{{\"id\":\"{}\",\"key\":\"", key.id());
            out.extend_from_slice(entry.as_bytes());
            key.put_hex(&mut out);
            out.extend_from_slice(b"\"}");
        }
        out.extend_from_slice(b"]}\n");
        out
    }

    /// Reads a document.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DocumentError> {
        if bytes.len() > DOCUMENT_LIMIT {
            let bytes = bytes.len();
            return Err(DocumentError::TooLong { bytes });
        }
        let document: Document<'_> = serde_json::from_slice(bytes).map_err(|e| json(&e))?;
        if document.schema != SCHEMA {
            return Err(DocumentError::Schema);
        }
        let count = document.keys.len();
        let mut keys = document.keys.iter().enumerate();
        let Some((at, first)) = keys.next().filter(|_| count <= MAX_KEYS) else {
            return Err(DocumentError::Count { count });
        };
        let mut keyring = Self::new(first.key(at)?);
        for (at, entry) in keys {
            let key = entry.key(at)?;
            let id = key.id();
            match keyring.install(key) {
                Ok(true) => {}
                Ok(false) => return Err(DocumentError::Twice { at, id }),
                Err(source) => return Err(DocumentError::Keyring { at, source }),
            }
        }
        let primary = document.primary.parse().map_err(|source| {
            let place = "primary".to_owned();
            DocumentError::Key { place, source }
        })?;
        keyring
            .use_key(primary)
            .map_err(|_| DocumentError::Primary { id: primary })?;
        Ok(keyring)
    }
}

impl Entry<'_> {
    fn key(&self, at: usize) -> Result<Key, DocumentError> {
        let wrong = |field: &str, source| {
            let place = format!("keys[{at}].{field}");
            DocumentError::Key { place, source }
        };
        let said = self.id.parse().map_err(|source| wrong("id", source))?;
        let key = Key::from_hex(self.key).map_err(|source| wrong("key", source))?;
        let is = key.id();
        match said == is {
            true => Ok(key),
            false => Err(DocumentError::Id { at, said, is }),
        }
    }
}

/// Where, and in the widest words what: the reader's own words may repeat what it read.
fn json(error: &serde_json::Error) -> DocumentError {
    use serde_json::error::Category;
    DocumentError::Json {
        line: error.line(),
        column: error.column(),
        what: match error.classify() {
            Category::Syntax => "not JSON",
            Category::Eof => "it ends too early",
            Category::Data => "a field is missing, unknown, twice there or of another type",
            Category::Io => "it cannot be read",
        },
    }
}
