//! The list of a devices cgroup, as the kernel prints it, and what it comes to. Pure.
//!
//! `devices.list` has one line for each exception of a group that denies by default (`c 195:0 rw`), or the one line
//! `a *:* rwm` (kernel: `security/device_cgroup.c`, `devcgroup_seq_show`). An open is let through where one line has all
//! the rights that it asks for.

use std::collections::BTreeSet;

/// Major and minor number of a character device.
pub type Numbers = (u32, u32);

/// What a list allows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct List(Vec<Entry>);

/// One line. Numbers are text, for `*` is one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    kind: String,
    major: String,
    minor: String,
    access: BTreeSet<char>,
}

/// The line that allows a device to be read and written, and not to be made.
pub fn line((major, minor): Numbers) -> String {
    format!("c {major}:{minor} rw")
}

impl List {
    /// Reads a list. A line that is none is left out: it allows nothing.
    pub fn parse(text: &str) -> Self {
        Self(text.lines().filter_map(Entry::parse).collect())
    }

    /// Whether every character device can be opened, so that nothing can be added and nothing be taken away.
    pub fn is_open(&self) -> bool {
        self.0.iter().any(|entry| {
            let is_every = entry.kind == "a" || (entry.kind == "c" && entry.major == "*");
            is_every && (entry.access.contains(&'r') || entry.access.contains(&'w'))
        })
    }

    /// Whether a device can be opened with others of its kind, by a line that names none of them alone: it cannot be
    /// taken out without them.
    pub fn is_open_to(&self, (major, _): Numbers) -> bool {
        self.0.iter().any(|entry| {
            let is_of_it = entry.major == "*" || entry.major == major.to_string();
            matches!(entry.kind.as_str(), "a" | "c")
                && is_of_it
                && entry.minor == "*"
                && (entry.access.contains(&'r') || entry.access.contains(&'w'))
        })
    }

    /// Whether a character device can be opened for reading and writing.
    pub fn allows(&self, (major, minor): Numbers) -> bool {
        let fits = |pattern: &str, number: u32| pattern == "*" || pattern == number.to_string();
        self.0.iter().any(|entry| {
            matches!(entry.kind.as_str(), "a" | "c")
                && fits(&entry.major, major)
                && fits(&entry.minor, minor)
                && entry.access.contains(&'r')
                && entry.access.contains(&'w')
        })
    }

    /// Whether a group with this list has all that the one above it has, but for some devices: nobody has fenced it in
    /// further, so what is given to the one above is meant for it too.
    pub fn follows(&self, above: &Self, but: &BTreeSet<Numbers>) -> bool {
        let is_excepted = |entry: &Entry| but.iter().any(|numbers| entry.is(*numbers));
        let mut wanted = above.0.iter().filter(|entry| !is_excepted(entry));
        wanted.all(|entry| self.0.iter().any(|own| own.covers(entry)))
    }
}

impl Entry {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let kind = words.next()?;
        let (major, minor) = words.next()?.split_once(':')?;
        let access = words.next()?;
        Some(Self {
            kind: kind.to_owned(),
            major: major.to_owned(),
            minor: minor.to_owned(),
            access: access.chars().collect(),
        })
    }

    fn is(&self, (major, minor): Numbers) -> bool {
        self.kind == "c" && self.major == major.to_string() && self.minor == minor.to_string()
    }

    /// The same devices with the same rights, or more of them.
    fn covers(&self, other: &Self) -> bool {
        (&self.kind, &self.major, &self.minor) == (&other.kind, &other.major, &other.minor)
            && self.access.is_superset(&other.access)
    }
}
