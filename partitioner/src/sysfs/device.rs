//! The folder of a device whose files its driver answers.
//!
//! Owns the decision which files are read behind a deadline ([`super::guard`]): those that the kernel, or a file system
//! that a program serves, answers. A plain file of a recorded or simulated tree enters no driver and is read at once.

use std::str::FromStr;

use super::Reader;
use super::folder::hex;
use super::guard::{MOST_LATE, Silence};
use crate::systree::label;

/// A device's folder. One whose driver does not answer is as if its files were absent, and says so.
#[derive(Debug)]
pub struct Device<'r, 'a> {
    reader: &'r Reader<'a>,
    folder: String,
    is_answered: bool,
}

impl<'r, 'a> Device<'r, 'a> {
    /// The device that has its folder at a path, links followed. Enters no driver.
    pub fn new(reader: &'r Reader<'a>, folder: String) -> Self {
        let is_answered = reader.root().is_answered(&folder);
        Self {
            reader,
            folder,
            is_answered,
        }
    }

    /// Whether its driver holds a thread that has asked for a file of it.
    pub fn is_silent(&self) -> bool {
        let guard = self.reader.guard();
        self.is_answered && guard.is_held(self.reader.root(), &self.folder)
    }

    /// The text of a file, as [`Reader::text`]; `name` may lead through folders below the device's.
    pub fn text(&self, name: &str) -> Option<String> {
        let path = self.path(name);
        if !self.is_answered {
            return self.reader.text(&path);
        }
        let (reader, folder) = (self.reader, &self.folder);
        match reader.guard().read(reader.root(), folder, path.clone()) {
            Ok(bytes) => reader.kept(&path, bytes).filter(|text| !text.is_empty()),
            Err(Silence::Late) => reader.odd(path, "does not answer"),
            Err(Silence::Held) => reader.odd(folder, "its driver does not answer"),
            Err(Silence::Spared) => {
                let what = format_args!("is not read: {MOST_LATE} other files do not answer");
                reader.odd(folder, what)
            }
            Err(Silence::Nobody) => reader.odd(folder, "is not read: no thread can be started"),
        }
    }

    /// What a file says, as [`Reader::parsed`].
    pub fn parsed<T>(
        &self,
        name: &str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(name)?;
        parse(&text).or_else(|| self.reader.not(&self.path(name), &text, expected))
    }

    /// A decimal number.
    pub fn number<T: FromStr>(&self, name: &str) -> Option<T> {
        self.parsed(name, "a number that fits", |text| text.parse().ok())
    }

    /// A hexadecimal number as the kernel writes ids, `0x10de`.
    pub fn hex(&self, name: &str) -> Option<u32> {
        self.parsed(name, "a hexadecimal number", hex)
    }

    /// A name or number that a file tells, fit to be shown.
    pub fn label(&self, name: &str) -> Option<String> {
        label(&self.text(name)?)
    }

    /// The path of a file of it.
    pub fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.folder)
    }
}
