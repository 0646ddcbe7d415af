//! Documents that people hand to kerf: a file or standard input, in YAML, TOML or JSON.

use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::excerpt::{Excerpt, nearest};

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
    /// What is there is no text.
    #[error("{name} is {what}, and no text")]
    NoText {
        /// Which.
        name: String,
        /// What it is.
        what: &'static str,
    },
    /// The file is no document.
    #[error("{name} is larger than {limit} bytes")]
    TooLarge {
        /// Which.
        name: String,
        /// The most that is read.
        limit: u64,
    },
    /// It is no YAML, or not of the right shape.
    #[error("{name} does not read as YAML of the right kind")]
    Yaml {
        /// Which.
        name: String,
        /// What is wrong, and where.
        source: Box<serde_saphyr::Error>,
        /// The place.
        excerpt: Option<Box<Excerpt>>,
    },
    /// It is no TOML, or not of the right shape.
    #[error("{name} does not read as TOML of the right kind")]
    Toml {
        /// Which.
        name: String,
        /// What is wrong.
        source: TomlFault,
        /// The place.
        excerpt: Option<Box<Excerpt>>,
    },
    /// It is no JSON, or not of the right shape.
    #[error("{name} does not read as JSON of the right kind")]
    Json {
        /// Which.
        name: String,
        /// What is wrong, and where.
        source: serde_json::Error,
        /// The place.
        excerpt: Option<Box<Excerpt>>,
    },
}

impl InputError {
    /// Whether the text is wrong, and not the way to it.
    pub fn is_usage(&self) -> bool {
        !matches!(self, Self::Read { .. })
    }

    /// The line that is wrong.
    pub fn excerpt(&self) -> Option<&Excerpt> {
        match self {
            Self::Yaml { excerpt, .. }
            | Self::Toml { excerpt, .. }
            | Self::Json { excerpt, .. } => excerpt.as_deref(),
            Self::Read { .. } | Self::NoText { .. } | Self::TooLarge { .. } => None,
        }
    }
}

/// What TOML says is wrong, in one line: its own text shows the place besides.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct TomlFault(String);

impl Source {
    /// Reads a file, or standard input for `-`.
    pub fn read(path: &Path) -> Result<Self, InputError> {
        let error = |source: std::io::Error| {
            let name = path.display().to_string();
            match source.kind() {
                ErrorKind::InvalidData => InputError::NoText {
                    name,
                    what: "not UTF-8",
                },
                ErrorKind::IsADirectory => InputError::NoText {
                    name,
                    what: "a folder",
                },
                _ => InputError::Read {
                    path: path.to_owned(),
                    source,
                },
            }
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
            let limit = SIZE_LIMIT;
            return Err(InputError::TooLarge { name, limit });
        }
        let syntax = Syntax::of(path, &text);
        Ok(Self { name, text, syntax })
    }

    /// A text that is there already, under the name that a file would have.
    pub fn from_text(name: &str, text: &str) -> Self {
        let syntax = Syntax::of(Path::new(name), text);
        Self {
            name: name.to_owned(),
            text: text.to_owned(),
            syntax,
        }
    }

    /// What it says.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What errors call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Reads it as a document of one kind.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, InputError> {
        let name = self.name.clone();
        match self.syntax {
            Syntax::Yaml => {
                serde_saphyr::from_str_with_options(&self.text, plain()).map_err(|error| {
                    // The snippet that it brings would break the rule of one cause a line.
                    let source = match error {
                        serde_saphyr::Error::WithSnippet { error, .. } => error,
                        error => Box::new(error),
                    };
                    let at = source.location().map(|at| (at.line(), at.column()));
                    let excerpt = at.and_then(|at| self.excerpt_at(at, &source.to_string()));
                    InputError::Yaml {
                        name,
                        source,
                        excerpt,
                    }
                })
            }
            Syntax::Toml => toml::from_str(&self.text).map_err(|error| {
                let source = TomlFault(error.message().replace('\n', " "));
                let at = error.span().map(|span| place_of(&self.text, span.start));
                let excerpt = at.and_then(|at| self.excerpt_at(at, &source.0));
                InputError::Toml {
                    name,
                    source,
                    excerpt,
                }
            }),
            Syntax::Json => serde_json::from_str(&self.text).map_err(|source| {
                let number = |number| u64::try_from(number).unwrap_or(0);
                let at = (number(source.line()), number(source.column()));
                let excerpt = self.excerpt_at(at, &source.to_string());
                InputError::Json {
                    name,
                    source,
                    excerpt,
                }
            }),
        }
    }

    /// Whether a word stands in it anywhere.
    pub fn mentions(&self, word: &str) -> bool {
        self.text.contains(word)
    }

    /// Refuses a text of more than `limit` bytes.
    pub fn within(self, limit: usize) -> Result<Self, InputError> {
        match self.text.len() > limit {
            true => Err(InputError::TooLarge {
                name: self.name,
                limit: u64::try_from(limit).unwrap_or(u64::MAX),
            }),
            false => Ok(self),
        }
    }

    /// The first line that holds a word, with what would be right.
    pub fn excerpt_of(&self, word: &str, hint: Option<String>) -> Option<Excerpt> {
        let at = self.text.match_indices(word).map(|(at, _)| at).find(|at| {
            let before = self
                .text
                .get(..*at)
                .and_then(|text| text.chars().next_back());
            let after = self
                .text
                .get(at + word.len()..)
                .and_then(|text| text.chars().next());
            let ends =
                |near: Option<char>| near.is_none_or(|one| !one.is_alphanumeric() && one != '.');
            !word.is_empty() && ends(before) && ends(after)
        })?;
        let (line, column) = place_of(&self.text, at);
        Some(Excerpt::of(&self.text, line, column)?.saying(hint))
    }

    fn excerpt_at(&self, (line, column): (u64, u64), message: &str) -> Option<Box<Excerpt>> {
        // What is missing at the end is told of the line after the last; and YAML ends lines where nobody else does.
        let end = || {
            let last = u64::try_from(self.text.lines().count()).ok()?;
            Excerpt::of(&self.text, last, u64::MAX)
        };
        let excerpt = Excerpt::of(&self.text, line, column).or_else(end)?;
        Some(Box::new(excerpt.saying(nearest(message))))
    }
}

/// YAML without anchors: an alias would be another way to say a thing twice, and a short text could mean a long one.
fn plain() -> serde_saphyr::Options {
    let mut options = serde_saphyr::Options::default();
    if let Some(budget) = &mut options.budget {
        (budget.max_anchors, budget.max_aliases) = (0, 0);
    }
    options
}

/// Line and column of a byte, counted from 1.
fn place_of(text: &str, at: usize) -> (u64, u64) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|one| *one != '\n').count() + 1;
    let number = |number| u64::try_from(number).unwrap_or(u64::MAX);
    (number(line), number(column))
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
