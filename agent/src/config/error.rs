//! What can be wrong with a configuration, shown with line, caret and suggestion.

use std::path::PathBuf;

use miette::{Diagnostic, NamedSource, SourceSpan};

/// A configuration that kerfd does not run with.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum ConfigError {
    /// A file could not be read.
    #[error("cannot read the configuration file {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file says something that kerfd does not understand.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Syntax(Box<SyntaxError>),
    /// A value that reads well but makes no sense.
    #[error("{key}: {message}")]
    Value {
        /// Its key.
        key: &'static str,
        /// What is wrong.
        message: String,
    },
}

/// What a file says that kerfd does not understand, with its place.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("{}:{line}: {message}", path.display())]
pub struct SyntaxError {
    /// Which file.
    pub path: PathBuf,
    /// Line, counted from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
    /// The file's text.
    #[source_code]
    text: NamedSource<String>,
    /// Where it is wrong.
    #[label("here")]
    span: SourceSpan,
    /// What would be right.
    #[help]
    hint: Option<String>,
}

impl ConfigError {
    /// Turns an error of the TOML reader into one with place and suggestion.
    pub fn from_toml(path: &std::path::Path, text: &str, error: &toml::de::Error) -> Self {
        let span = error.span().unwrap_or(0..0);
        let before = text.get(..span.start).unwrap_or(text);
        Self::Syntax(Box::new(SyntaxError {
            path: path.to_owned(),
            line: before.matches('\n').count() + 1,
            message: error.message().trim_end().to_owned(),
            text: NamedSource::new(path.display().to_string(), text.to_owned()),
            span: span.into(),
            hint: suggestion(error.message()),
        }))
    }
}

/// serde says ``unknown field `a`, expected one of `b`, `c` ``; the nearest of the expected ones helps.
fn suggestion(message: &str) -> Option<String> {
    let rest = message.strip_prefix("unknown field `")?;
    let (found, rest) = rest.split_once('`')?;
    let known: Vec<&str> = rest.split('`').skip(1).step_by(2).collect();
    let nearest = known
        .iter()
        .max_by(|a, b| strsim::jaro_winkler(found, a).total_cmp(&strsim::jaro_winkler(found, b)))?;
    if strsim::jaro_winkler(found, nearest) > 0.75 {
        return Some(format!("did you mean `{nearest}`?"));
    }
    Some(format!("known keys here: {}", known.join(", ")))
}

/// The error for a terminal: message, the line with a caret, and the hint.
pub fn show(error: &ConfigError) -> String {
    let mut text = String::new();
    let handler =
        miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::unicode_nocolor());
    if handler.render_report(&mut text, error).is_err() {
        return format!("{error}\n");
    }
    text
}
