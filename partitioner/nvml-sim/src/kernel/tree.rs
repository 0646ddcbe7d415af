//! What the kernel shows, as a value: paths below `/` with files, folders and links. Owns the walking of paths
//! and the form of relative links; knows no disk.

use std::collections::{BTreeMap, BTreeSet};

/// Something at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A file with its content and permission bits.
    File(Vec<u8>, u32),
    /// A link, as it is written: relative to its folder.
    Link(String),
    /// A folder that may be empty.
    Folder,
}

/// Entries by path, without the leading `/`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View(BTreeMap<String, Entry>);

impl View {
    /// A line of text that anybody may read.
    pub fn line(&mut self, path: impl Into<String>, text: impl AsRef<str>) {
        self.file(path, text, 0o444);
    }

    /// A line of text with these permission bits. A text that ends its own lines gets no further end.
    pub fn file(&mut self, path: impl Into<String>, text: impl AsRef<str>, mode: u32) {
        let text = text.as_ref();
        let end = if text.is_empty() || text.ends_with('\n') {
            ""
        } else {
            "\n"
        };
        let bytes = format!("{text}{end}").into_bytes();
        self.0.insert(path.into(), Entry::File(bytes, mode));
    }

    /// An empty folder.
    pub fn folder(&mut self, path: impl Into<String>) {
        self.0.insert(path.into(), Entry::Folder);
    }

    /// A link to a path below `/`.
    pub fn link(&mut self, path: impl Into<String>, target: &str) {
        let path = path.into();
        let text = relative(&path, target);
        self.0.insert(path, Entry::Link(text));
    }

    /// What is at that path; a folder where something is below it.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Entry> {
        self.0.get(path).or_else(|| {
            let below = format!("{path}/");
            let mut next = self.0.range(below.clone()..);
            next.next()
                .is_some_and(|(found, _)| found.starts_with(&below))
                .then_some(&Entry::Folder)
        })
    }

    /// Names of what is directly below a path.
    #[must_use]
    pub fn names(&self, path: &str) -> BTreeSet<String> {
        let below = if path.is_empty() {
            String::new()
        } else {
            format!("{path}/")
        };
        let found = self.0.range(below.clone()..);
        found
            .take_while(|(path, _)| path.starts_with(&below))
            .filter_map(|(path, _)| path[below.len()..].split('/').next())
            .map(str::to_owned)
            .collect()
    }

    /// All entries in order of their paths.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = (&str, &Entry)> {
        self.0.iter().map(|(path, entry)| (path.as_str(), entry))
    }
}

/// The text of a link at `path` that leads to `target`, both below `/`.
fn relative(path: &str, target: &str) -> String {
    let folder: Vec<&str> = path.split('/').rev().skip(1).collect();
    let folder: Vec<&str> = folder.into_iter().rev().collect();
    let target: Vec<&str> = target.split('/').collect();
    let shared = folder.iter().zip(&target).take_while(|(a, b)| a == b);
    let shared = shared.count();
    let up = folder.iter().skip(shared).map(|_| "..");
    let parts: Vec<&str> = up.chain(target.iter().skip(shared).copied()).collect();
    parts.join("/")
}

/// The parts of `path`, with `.` and empty ones left out, and `..` carried out within `base`.
#[must_use]
pub fn join(base: &[String], path: &str) -> Vec<String> {
    let absolute = path.starts_with('/');
    let mut parts = if absolute { Vec::new() } else { base.to_vec() };
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part.to_owned()),
        }
    }
    parts
}
