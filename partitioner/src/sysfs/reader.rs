//! Reads single facts and remembers which files were odd.
//!
//! A file that is absent is silent: it is how a kernel says that it does not know. A file that is there and does
//! not say what a kernel says there is an oddity, and its fact is as unknown as if it were absent.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use kerf_types::map::Oddity;

use super::cpus::CpuSet;
use super::folder::hex;
use super::guard::{self, Guard};
use super::{Root, SysfsError};
use crate::in_words;

/// Most oddities that are kept: a tree that has more is no machine.
pub const ODDITY_LIMIT: usize = 512;
/// Most characters of a path, and of what is odd about it.
const ODDITY_LENGTH: usize = 512;
/// Characters of a file that an oddity shows.
const SHOWN: usize = 40;

/// A tree under a root, and what was odd in it so far.
#[derive(Debug)]
pub struct Reader<'a> {
    root: &'a Root,
    odd: RefCell<BTreeSet<Oddity>>,
    guard: Guard,
}

impl<'a> Reader<'a> {
    /// A reader that has found nothing odd.
    pub fn new(root: &'a Root) -> Self {
        Self {
            root,
            odd: RefCell::default(),
            guard: Guard::new(guard::DEADLINE, Root::bytes),
        }
    }

    /// A reader for whom somebody waits so long, and who enters none of the folders that hold a thread of another
    /// process.
    pub fn within(root: &'a Root, look: Duration, held: Vec<String>) -> Self {
        let guard = Guard::new(guard::deadline_within(look), Root::bytes).beside(held);
        Self {
            guard,
            ..Self::new(root)
        }
    }

    /// The tree.
    pub fn root(&self) -> &'a Root {
        self.root
    }

    /// What reads the files that a device's driver answers.
    pub(super) fn guard(&self) -> &Guard {
        &self.guard
    }

    /// The text of a file without surrounding white space; `None` where it is absent, empty, or odd.
    pub fn text(&self, path: &str) -> Option<String> {
        let text = self.kept(&path, self.root.bytes(path));
        text.filter(|text| !text.is_empty())
    }

    /// The text of what was read.
    pub(super) fn kept(
        &self,
        path: &dyn Display,
        bytes: Result<Option<Vec<u8>>, SysfsError>,
    ) -> Option<String> {
        match bytes {
            Ok(None) => None,
            Ok(Some(bytes)) => match String::from_utf8(bytes) {
                Ok(text) => Some(text.trim().to_owned()),
                Err(_) => self.odd(path, "is not text"),
            },
            Err(SysfsError::TooLarge { limit, .. }) => {
                self.odd(path, format_args!("has more than {limit} bytes"))
            }
            Err(error) => self.odd(path, in_words(&error)),
        }
    }

    /// As [`Reader::text`], for a file that may have more bytes than others.
    pub fn long_text(&self, path: &str, limit: u64) -> Option<String> {
        let text = self.kept(&path, self.root.bytes_within(path, limit));
        text.filter(|text| !text.is_empty())
    }

    /// What a file says, read by `parse`; it is odd where that yields nothing.
    pub fn parsed<T>(
        &self,
        path: &str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(path)?;
        parse(&text).or_else(|| self.not(&path, &text, expected))
    }

    /// Remembers that a file says something that is not `expected`.
    pub(super) fn not<T>(&self, path: &dyn Display, text: &str, expected: &str) -> Option<T> {
        let shown: String = text.chars().take(SHOWN).collect();
        self.odd(path, format_args!("{shown:?} is not {expected}"))
    }

    /// A set of CPUs or nodes that the kernel writes as a list. An empty line is the empty set; a file without a line
    /// says nothing.
    pub fn set(&self, path: &str) -> Option<CpuSet> {
        let has_line = |bytes: &Vec<u8>| !bytes.is_empty();
        let bytes = self.root.bytes(path);
        let text = self.kept(&path, bytes.map(|bytes| bytes.filter(has_line)))?;
        CpuSet::from_list(&text).or_else(|| self.not(&path, &text, "a list of numbers"))
    }

    /// A set that the kernel writes as a list in one file and as a mask in another; old kernels have the mask alone.
    pub fn set_or_mask(&self, list: &str, mask: &str) -> Option<CpuSet> {
        self.set(list)
            .or_else(|| self.parsed(mask, "a mask", CpuSet::from_mask))
    }

    /// A decimal number.
    pub fn number<T: FromStr>(&self, path: &str) -> Option<T> {
        self.parsed(path, "a number that fits", |text| text.parse().ok())
    }

    /// A hexadecimal number as the kernel writes ids, `0x10de`.
    pub fn hex(&self, path: &str) -> Option<u32> {
        self.parsed(path, "a hexadecimal number", hex)
    }

    /// Names in a folder, sorted; none where it is absent or odd.
    pub fn list(&self, path: &str) -> Vec<String> {
        self.root
            .list(path)
            .unwrap_or_else(|error| self.odd(path, in_words(&error)).unwrap_or_default())
    }

    /// Numbers `N` of the entries `prefixN` of a folder, in the kernel's own spelling (`node01` is none), ascending.
    pub fn numbered(&self, path: &str, prefix: &str) -> Vec<u32> {
        let number = |name: &String| spelled(name.strip_prefix(prefix)?);
        let mut numbers: Vec<u32> = self.list(path).iter().filter_map(number).collect();
        numbers.sort_unstable();
        numbers
    }

    /// Remembers that a file is odd, and says that its fact is unknown.
    pub fn odd<T>(&self, path: impl Display, what: impl Display) -> Option<T> {
        let cut = |text: String| -> String { text.chars().take(ODDITY_LENGTH).collect() };
        let mut odd = self.odd.borrow_mut();
        if odd.len() < ODDITY_LIMIT {
            odd.insert(Oddity {
                path: cut(format!("/{}", path.to_string().trim_start_matches('/'))),
                what: cut(what.to_string()),
            });
        }
        None
    }

    /// What was odd, in order of the paths.
    pub fn into_oddities(self) -> Vec<Oddity> {
        self.odd.into_inner().into_iter().collect()
    }
}

/// What a name says, in the kernel's own spelling: any other would let one thing be told twice.
pub(super) fn spelled<T: FromStr + Display>(name: &str) -> Option<T> {
    let told: T = name.parse().ok()?;
    (told.to_string() == name).then_some(told)
}
