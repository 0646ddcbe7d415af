//! Documents that kerf writes into files, or to standard output in a syntax of the caller's choice.

use std::path::Path;

use clap::ValueEnum;
use serde::Serialize;

use super::Context;
use super::fail::Failure;
use super::print::Format;
use crate::files::{Durability, replace};

/// How a document is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Syntax {
    /// For people, and for mig-parted.
    Yaml,
    /// For people who keep their configuration in it.
    Toml,
    /// For programs.
    Json,
}

impl Syntax {
    /// What the ending of a file says, else what answers are written in.
    pub fn of(file: Option<&Path>, answers: Format) -> Self {
        let ending = file
            .and_then(Path::extension)
            .and_then(|ending| ending.to_str());
        match (ending, answers) {
            (Some("json"), _) => Self::Json,
            (Some("toml"), _) => Self::Toml,
            (Some("yaml" | "yml"), _) => Self::Yaml,
            (_, Format::Json) => Self::Json,
            (_, Format::Table | Format::Yaml) => Self::Yaml,
        }
    }
}

/// The text of a document.
pub fn written<T: Serialize>(document: &T, syntax: Syntax) -> Result<String, Failure> {
    match syntax {
        Syntax::Yaml => serde_saphyr::to_string(document).map_err(Failure::yaml),
        Syntax::Toml => toml::to_string(document).map_err(Failure::Toml),
        Syntax::Json => {
            let text = serde_json::to_string_pretty(document).map_err(Failure::json)?;
            Ok(text + "\n")
        }
    }
}

/// Writes a text into a file, whole or not at all, or to standard output for none and for `-`.
pub fn put(file: Option<&Path>, text: &str, context: &Context) -> Result<(), Failure> {
    let Some(path) = file.filter(|path| *path != Path::new("-")) else {
        return context.print.text(text);
    };
    // A bare name has an empty parent, which means this folder.
    let whole = Path::new(".").join(path);
    let failed = Failure::file("write", path);
    replace(&whole, text.as_bytes(), Durability::Synced).map_err(failed)
}
