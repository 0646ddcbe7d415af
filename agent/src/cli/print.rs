//! What kerf writes: documents to standard output, and whatever is about them to standard error.
//!
//! A reader that has gone away (`| head`) ends the verb quietly; see [`Failure::OutputClosed`].

use std::io::{self, ErrorKind, IsTerminal, Write};

use clap::ValueEnum;
use serde::Serialize;

use super::fail::Failure;
use super::style::{Ink, Style};

/// What `--output` may say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Table,
    /// For programs.
    Json,
    /// For both.
    Yaml,
    /// A graph for Graphviz, of a topology.
    Dot,
    /// A drawing, of a topology.
    Svg,
    /// The file that NCCL and RCCL read (NCCL_TOPO_FILE), of a topology.
    NcclXml,
}

/// How a topology is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Picture {
    /// In Graphviz's language.
    Dot,
    /// As SVG.
    Svg,
    /// As NCCL's XML.
    NcclXml,
}

impl Output {
    /// The format of documents; those about a picture, such as errors, are for people.
    fn format(self) -> Format {
        match self {
            Self::Table | Self::Dot | Self::Svg | Self::NcclXml => Format::Table,
            Self::Json => Format::Json,
            Self::Yaml => Format::Yaml,
        }
    }

    /// The picture, where it is one.
    pub fn picture(self) -> Option<Picture> {
        match self {
            Self::Table | Self::Json | Self::Yaml => None,
            Self::Dot => Some(Picture::Dot),
            Self::Svg => Some(Picture::Svg),
            Self::NcclXml => Some(Picture::NcclXml),
        }
    }
}

/// How documents and errors are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Table,
    /// For programs.
    Json,
    /// For both.
    Yaml,
}

/// The way to the terminal.
#[derive(Debug, Clone, Copy)]
pub struct Printer {
    /// The format that was asked for.
    pub format: Format,
    /// The picture that was asked for instead.
    pub picture: Option<Picture>,
    style: Style,
    error_style: Style,
}

impl Printer {
    /// Colours only where a terminal shows them and nobody asked for none (no-color.org).
    pub fn new(output: Output, no_color: bool) -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let wanted = !no_color && !unwanted;
        Self {
            format: output.format(),
            picture: output.picture(),
            style: Style {
                color: wanted && io::stdout().is_terminal(),
            },
            error_style: Style {
                color: wanted && io::stderr().is_terminal(),
            },
        }
    }

    /// Whether people read it.
    pub fn is_table(self) -> bool {
        self.format == Format::Table
    }

    /// Writes a document: as it is for programs, as `table` draws it for people.
    pub fn document<T: Serialize>(
        self,
        document: &T,
        table: impl FnOnce(&T, Style) -> String,
    ) -> Result<(), Failure> {
        match self.format {
            Format::Table => self.text(&table(document, self.style)),
            Format::Json | Format::Yaml => self.text(&written(document, self.format)?),
        }
    }

    /// Writes one document of a stream: a line of JSON, or a part of a YAML stream.
    pub fn next_document<T: Serialize>(
        self,
        document: &T,
        table: impl FnOnce(&T, Style) -> String,
    ) -> Result<(), Failure> {
        match self.format {
            Format::Table => self.text(&table(document, self.style)),
            Format::Json => {
                let line = serde_json::to_string(document);
                self.text(&(line.map_err(Failure::json)? + "\n"))
            }
            Format::Yaml => self.text(&format!("---\n{}", written(document, self.format)?)),
        }
    }

    /// Writes text for people, with the colours of standard output.
    pub fn styled(self, text: impl FnOnce(Style) -> String) -> Result<(), Failure> {
        self.text(&text(self.style))
    }

    /// Writes text as it is.
    pub fn text(self, text: &str) -> Result<(), Failure> {
        bytes(&mut io::stdout().lock(), text.as_bytes())
    }

    /// Says something about the verb itself, which is no part of its answer.
    pub fn note(self, text: &str) {
        let line = format!("{} {text}\n", self.error_style.paint(Ink::Dim, "kerf:"));
        complain(&line);
    }

    /// A line beside what a command of somebody else writes.
    pub fn warning(self, text: &str) {
        let head = self.error_style.paint(super::style::Ink::Yellow, "kerf:");
        complain(&format!("{head} {text}\n"));
    }

    /// Says what went wrong: a line for people, or a document for programs.
    pub fn failure(self, failure: &Failure) {
        let document = kerf_api::json::Error::new(failure, failure.hint());
        let text = match self.format {
            Format::Table => failure.show(self.error_style),
            Format::Json | Format::Yaml => {
                written(&document, self.format).unwrap_or_else(|_| failure.show(self.error_style))
            }
        };
        complain(&text);
    }
}

fn written<T: Serialize>(document: &T, format: Format) -> Result<String, Failure> {
    match format {
        Format::Yaml => serde_saphyr::to_string(document).map_err(Failure::yaml),
        Format::Json | Format::Table => {
            let text = serde_json::to_string_pretty(document).map_err(Failure::json)?;
            Ok(text + "\n")
        }
    }
}

/// Writes everything at once, and hands it on.
pub fn bytes(to: &mut impl Write, bytes: &[u8]) -> Result<(), Failure> {
    to.write_all(bytes)
        .and_then(|()| to.flush())
        .map_err(|source| match source.kind() {
            ErrorKind::BrokenPipe => Failure::OutputClosed,
            _ => Failure::Output { source },
        })
}

/// Writes to standard error. Where that is closed too, nobody is left to be told.
fn complain(text: &str) {
    drop(io::stderr().lock().write_all(text.as_bytes()));
}
