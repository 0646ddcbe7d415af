//! One folder of a tree, held open: what a device's own files and links say.
//!
//! Owns the reading of a folder's entries by their names alone. The kernel then walks no path, and a link among them
//! is never followed, so nothing leads out of the root. A device has a dozen files, and a host has hundreds of
//! devices: this is why they are not read by their whole paths.

use std::fmt;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::str::FromStr;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, readlinkat};
use nix::sys::stat::Mode;

use super::Reader;
use super::root::{ANSWERED, Length, READ, contents, is_absent, is_of};

/// A folder that was found.
#[derive(Debug)]
pub struct Folder<'r, 'a> {
    reader: &'r Reader<'a>,
    fd: OwnedFd,
    path: String,
}

impl<'r, 'a> Folder<'r, 'a> {
    /// The folder at a path, links followed; `None` where there is none.
    pub fn open(reader: &'r Reader<'a>, path: String) -> Option<Self> {
        match reader.root().folder(&path) {
            Ok(fd) => Some(Self { reader, fd, path }),
            Err(errno) if is_absent(errno) => None,
            Err(errno) => reader.odd(&path, errno.desc()),
        }
    }

    /// The path that it was opened by.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Its own path, without links, from `/`.
    pub fn canonical(&self) -> Option<String> {
        self.reader.root().place(&self.fd)
    }

    /// Whether somebody answers who reads its files, as [`Root::is_answered`](super::Root::is_answered).
    pub fn is_answered(&self) -> bool {
        is_of(&self.fd, &ANSWERED)
    }

    /// The text of a file, as [`Reader::text`].
    pub fn text(&self, name: &str) -> Option<String> {
        let path = Entry(&self.path, name);
        let read = contents(self.opened(name), Length::Page, &path);
        let text = self.reader.kept(&path, read);
        text.filter(|text| !text.is_empty())
    }

    /// What a file says, as [`Reader::parsed`].
    pub fn parsed<T>(
        &self,
        name: &str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(name)?;
        parse(&text).or_else(|| self.unlike(name, &text, expected))
    }

    /// A decimal number.
    pub fn number<T: FromStr>(&self, name: &str) -> Option<T> {
        self.parsed(name, "a number that fits", |text| text.parse().ok())
    }

    /// A hexadecimal number, with or without `0x`, that fits.
    pub fn hex<T: TryFrom<u32>>(&self, name: &str) -> Option<T> {
        self.parsed(name, "a hexadecimal number that fits", hex)
    }

    /// Where a link points to, by the name at the end of its text: `vfio-pci` of `../../../bus/pci/drivers/vfio-pci`.
    pub fn link(&self, name: &str) -> Option<String> {
        let target = self.target(name)?;
        let last = target.trim_end_matches('/').rsplit('/').next()?;
        Some(last.to_owned()).filter(|last| !last.is_empty())
    }

    /// The text of a link; `None` where there is none.
    pub fn target(&self, name: &str) -> Option<String> {
        match readlinkat(&self.fd, name) {
            Ok(target) => match target.into_string() {
                Ok(target) => Some(target),
                Err(_) => self.odd(name, "does not point to text"),
            },
            // It is there and no link.
            Err(Errno::EINVAL) => None,
            Err(errno) if is_absent(errno) => None,
            Err(errno) => self.odd(name, errno.desc()),
        }
    }

    /// A file for reading at places of it, which nothing but a file allows; `None` where it cannot be opened.
    pub fn file(&self, name: &str) -> Option<File> {
        self.opened(name).ok().map(File::from)
    }

    /// Remembers that a file is odd.
    pub fn odd<T>(&self, name: &str, what: impl fmt::Display) -> Option<T> {
        self.reader.odd(Entry(&self.path, name), what)
    }

    /// Remembers that a file says something that is not `expected`.
    pub fn unlike<T>(&self, name: &str, text: &str, expected: &str) -> Option<T> {
        self.reader.not(&Entry(&self.path, name), text, expected)
    }

    fn opened(&self, name: &str) -> Result<OwnedFd, Errno> {
        debug_assert!(!name.contains('/'), "{name} is a name, not a path");
        let flags = READ | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        openat(&self.fd, name, flags, Mode::empty())
    }
}

/// The path of an entry, put together when somebody asks for it.
struct Entry<'a>(&'a str, &'a str);

impl fmt::Display for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.0, self.1)
    }
}

/// Reads `0x10de` or `10DE`; `None` where it does not fit.
pub fn hex<T: TryFrom<u32>>(text: &str) -> Option<T> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    // `from_str_radix` would take a sign.
    let is_clean = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let number = is_clean.then(|| u32::from_str_radix(digits, 16).ok())??;
    T::try_from(number).ok()
}
