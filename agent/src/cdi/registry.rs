//! The CDI names of a host as an engine resolves them: every file of the folders, later folders before earlier ones.
//!
//! Owns the reading of other people's files, which may be anything: a file that cannot be read or is against the
//! specification gives no name and says why, and costs no other file anything. Never writes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::check;
use super::spec::Document;

/// Folders that engines read, in rising priority.
pub const FOLDERS: [&str; 2] = ["/etc/cdi", "/var/run/cdi"];

/// Longest file in bytes; those of the largest hosts take some hundred KiB.
pub const FILE_LIMIT: u64 = 16 << 20;

/// A file that gives no names.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It cannot be read.
    #[error("it cannot be read")]
    Read(#[source] io::Error),
    /// It is no plain file, or too long.
    #[error("it is not a plain file of at most {FILE_LIMIT} bytes")]
    NotPlain,
    /// Its name ends neither in `.json` nor in `.yaml`: no engine reads it.
    #[error("its name ends neither in .json nor in .yaml, so no engine reads it")]
    Name,
    /// It is not JSON of this shape.
    #[error("it is not a CDI document in JSON")]
    Json(#[source] serde_json::Error),
    /// It is not YAML of this shape.
    #[error("it is not a CDI document in YAML")]
    Yaml(#[source] Box<serde_saphyr::Error>),
}

/// A file, and what came of it.
#[derive(Debug)]
pub struct Specimen {
    /// Its path.
    pub path: PathBuf,
    /// Priority of its folder; the highest wins.
    pub priority: usize,
    /// The document, or why there is none.
    pub document: Result<Document, ReadError>,
    /// What is wrong with the document.
    pub faults: Vec<String>,
}

/// What a qualified name leads to.
#[derive(Debug, PartialEq, Eq)]
pub enum Meaning<'r> {
    /// The device in this file.
    File(&'r Path),
    /// Two files of one priority have it, so no engine resolves it.
    Conflict(Vec<&'r Path>),
}

/// All files.
#[derive(Debug, Default)]
pub struct Registry {
    /// In the order of folders and names.
    pub files: Vec<Specimen>,
}

/// Reads one file.
pub fn read(path: &Path) -> Result<Document, ReadError> {
    let ending = path.extension().and_then(|ending| ending.to_str());
    let is_json = match ending {
        Some("json") => true,
        Some("yaml" | "yml") => false,
        _ => return Err(ReadError::Name),
    };
    let file = File::open(path).map_err(ReadError::Read)?;
    let facts = file.metadata().map_err(ReadError::Read)?;
    if !facts.is_file() || facts.len() > FILE_LIMIT {
        return Err(ReadError::NotPlain);
    }
    let mut text = String::new();
    let mut bounded = file.take(FILE_LIMIT);
    bounded.read_to_string(&mut text).map_err(ReadError::Read)?;
    parse(&text, is_json)
}

/// Reads a document in JSON, or else in YAML.
pub fn parse(text: &str, is_json: bool) -> Result<Document, ReadError> {
    match is_json {
        true => serde_json::from_str(text).map_err(ReadError::Json),
        false => serde_saphyr::from_str(text).map_err(|error| ReadError::Yaml(Box::new(error))),
    }
}

impl Registry {
    /// Every file of these folders, which stand in rising priority. A folder that is not there has none.
    pub fn read(folders: &[PathBuf]) -> io::Result<Self> {
        let mut files = Vec::new();
        for (priority, folder) in folders.iter().enumerate() {
            let entries = match std::fs::read_dir(folder) {
                Ok(entries) => entries,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let mut paths = Vec::new();
            for entry in entries {
                let path = entry?.path();
                let ending = path.extension().and_then(|ending| ending.to_str());
                if matches!(ending, Some("json" | "yaml")) {
                    paths.push(path);
                }
            }
            paths.sort();
            files.extend(paths.into_iter().map(|path| Specimen::read(path, priority)));
        }
        Ok(Self { files })
    }

    /// What each qualified name leads to.
    pub fn names(&self) -> BTreeMap<String, Meaning<'_>> {
        let mut found: BTreeMap<String, (usize, Vec<&Path>)> = BTreeMap::new();
        for file in &self.files {
            let Ok(document) = &file.document else {
                continue;
            };
            if !file.faults.is_empty() {
                continue;
            }
            for device in &document.devices {
                let name = format!("{}={}", document.kind, device.name);
                let (priority, paths) = found.entry(name).or_default();
                if file.priority > *priority {
                    (*priority, *paths) = (file.priority, Vec::new());
                }
                if file.priority == *priority {
                    paths.push(&file.path);
                }
            }
        }
        let mut names = BTreeMap::new();
        for (name, (_, paths)) in found {
            let meaning = match paths.as_slice() {
                [path] => Meaning::File(path),
                _ => Meaning::Conflict(paths),
            };
            names.insert(name, meaning);
        }
        names
    }
}

impl Specimen {
    /// Reads a file, whatever it is.
    pub fn read(path: PathBuf, priority: usize) -> Self {
        let document = read(&path);
        let faults = document.as_ref().map(check::faults).unwrap_or_default();
        Self {
            path,
            priority,
            document,
            faults,
        }
    }
}
