//! Documents that people hand to kerf: a file or standard input, in YAML, TOML or JSON.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

/// Most bytes that are read at all; each document has a smaller limit of its own. A wrong file name (a disk
/// image, `/dev/zero`) must not fill the memory.
const SIZE_LIMIT: u64 = 4 << 20;

/// A text and the name under which errors speak of it.
#[derive(Debug)]
pub struct Source {
    name: String,
    text: String,
    syntax: Syntax,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Syntax {
    Yaml,
    Toml,
    Json,
}

/// Why a document does not read.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no document.
    #[error("{name} is larger than {SIZE_LIMIT} bytes")]
    TooLarge {
        /// Which.
        name: String,
    },
    /// It is no YAML, or not of the right shape.
    #[error("{name} does not read as YAML of the right kind")]
    Yaml {
        /// Which.
        name: String,
        /// What is wrong, and where.
        source: Box<serde_saphyr::Error>,
    },
    /// It is no TOML, or not of the right shape.
    #[error("{name} does not read as TOML of the right kind")]
    Toml {
        /// Which.
        name: String,
        /// What is wrong, and where.
        source: Box<toml::de::Error>,
    },
    /// It is no JSON, or not of the right shape.
    #[error("{name} does not read as JSON of the right kind")]
    Json {
        /// Which.
        name: String,
        /// What is wrong, and where.
        source: serde_json::Error,
    },
}

impl InputError {
    /// Whether the text is wrong, and not the way to it.
    pub fn is_usage(&self) -> bool {
        !matches!(self, Self::Read { .. })
    }
}

impl Source {
    /// Reads a file, or standard input for `-`.
    pub fn read(path: &Path) -> Result<Self, InputError> {
        let error = |source| InputError::Read {
            path: path.to_owned(),
            source,
        };
        let (name, reader): (String, Box<dyn Read>) = if path == Path::new("-") {
            ("standard input".to_owned(), Box::new(std::io::stdin()))
        } else {
            let file = std::fs::File::open(path).map_err(error)?;
            (path.display().to_string(), Box::new(file))
        };
        let mut text = String::new();
        reader
            .take(SIZE_LIMIT + 1)
            .read_to_string(&mut text)
            .map_err(error)?;
        if u64::try_from(text.len()).is_ok_and(|bytes| bytes > SIZE_LIMIT) {
            return Err(InputError::TooLarge { name });
        }
        let syntax = Syntax::of(path, &text);
        Ok(Self { name, text, syntax })
    }

    /// A text of a test.
    #[cfg(test)]
    pub fn from_text(name: &str, text: &str) -> Self {
        let syntax = Syntax::of(Path::new(name), text);
        Self {
            name: name.to_owned(),
            text: text.to_owned(),
            syntax,
        }
    }

    /// What errors call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Reads it as a document of one kind.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, InputError> {
        let name = self.name.clone();
        match self.syntax {
            Syntax::Yaml => serde_saphyr::from_str(&self.text).map_err(|error| {
                // The snippet that it brings would break the rule of one cause a line.
                let source = match error {
                    serde_saphyr::Error::WithSnippet { error, .. } => error,
                    error => Box::new(error),
                };
                InputError::Yaml { name, source }
            }),
            Syntax::Toml => toml::from_str(&self.text).map_err(|error| InputError::Toml {
                name,
                source: Box::new(error),
            }),
            Syntax::Json => {
                serde_json::from_str(&self.text).map_err(|source| InputError::Json { name, source })
            }
        }
    }
}

impl Syntax {
    /// The file's ending says it; where it does not, the text does. A text that is TOML is never YAML of
    /// ours: its tables read as lists, and its assignments as plain words.
    fn of(path: &Path, text: &str) -> Self {
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("json") => Self::Json,
            Some("toml") => Self::Toml,
            Some("yaml" | "yml") => Self::Yaml,
            _ if text.trim_start().starts_with('{') => Self::Json,
            _ if toml::from_str::<toml::Table>(text).is_ok() => Self::Toml,
            _ => Self::Yaml,
        }
    }
}
