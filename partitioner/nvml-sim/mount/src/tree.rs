//! What is where in the machine's root: below `/sys` as its kernel has it, elsewhere as it lies in the folder.
//!
//! Paths have no leading `/`, and come without links: the system walks them one name after the other.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fuser::FileType;
use nix::fcntl::OFlag;
use nvidia_ml::kernel::{Errno, Kernel, Stat};

/// What an attribute of sysfs says of its size, and the most that one write gives to it.
const PAGE: usize = 4_096;

/// Files of sysfs that are no text, and have the size of what is in them.
const BINARY: [&str; 1] = ["config"];

/// The tree of a machine.
#[derive(Debug)]
pub struct Tree {
    kernel: Kernel,
    root: PathBuf,
    owner: (u32, u32),
    since: SystemTime,
}

/// What is known of a thing without opening it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// What it is.
    pub kind: FileType,
    /// Permission bits.
    pub mode: u16,
    /// Its size in bytes.
    pub size: u64,
    /// Numbers of a device node.
    pub device: u32,
    /// User and group.
    pub owner: (u32, u32),
    /// When it was changed.
    pub changed: SystemTime,
}

impl Tree {
    /// The tree of the machine with this kernel and root.
    pub fn new(kernel: Kernel, root: PathBuf) -> io::Result<Self> {
        let facts = fs::metadata(&root)?;
        Ok(Self {
            kernel,
            root,
            // What the kernel shows belongs to whoever made the machine: to root, as on a real one, if that was root.
            owner: (facts.uid(), facts.gid()),
            since: SystemTime::now(),
        })
    }

    /// What is at a path.
    pub fn facts(&self, path: &str) -> Result<Facts, Errno> {
        if !in_sys(path) {
            return self.plain_facts(path);
        }
        let (kind, mode) = match self.kernel.stat(path)? {
            Some(Stat::File { mode }) => (FileType::RegularFile, mode),
            Some(Stat::Link(_)) => (FileType::Symlink, 0o777),
            Some(Stat::Folder) => (FileType::Directory, 0o755),
            None => return self.fixed_facts(path),
        };
        Ok(Facts {
            kind,
            mode: u16::try_from(mode & 0o777).unwrap_or(0),
            size: page(kind),
            device: 0,
            owner: self.owner,
            changed: self.since,
        })
    }

    /// Of what lies below `/sys` and never changes: it takes no values.
    fn fixed_facts(&self, path: &str) -> Result<Facts, Errno> {
        let mut facts = self.plain_facts(path)?;
        if facts.kind == FileType::RegularFile {
            facts.mode &= 0o444;
            let name = path.rsplit('/').next().unwrap_or(path);
            if !BINARY.contains(&name) {
                facts.size = page(facts.kind);
            }
        }
        Ok(facts)
    }

    fn plain_facts(&self, path: &str) -> Result<Facts, Errno> {
        let facts = fs::symlink_metadata(self.on_disk(path)).map_err(|error| errno(&error))?;
        Ok(Facts {
            kind: FileType::from_std(facts.file_type()).ok_or(Errno::EIO)?,
            mode: u16::try_from(facts.mode() & 0o777).unwrap_or(0),
            size: facts.len(),
            device: u32::try_from(facts.rdev()).unwrap_or(0),
            owner: (facts.uid(), facts.gid()),
            changed: facts.modified().unwrap_or(self.since),
        })
    }

    /// Whether what is read there comes from the kernel.
    pub fn has_values(&self, path: &str) -> bool {
        in_sys(path)
    }

    /// The value of a file below `/sys`. May hang.
    pub fn value(&self, path: &str) -> Result<Vec<u8>, Errno> {
        self.kernel.read(&absolute(path)).map_err(gone)
    }

    /// Gives a value to a file below `/sys`, and says how much of it was taken: a page is the most. May hang.
    pub fn give(&self, path: &str, value: &[u8]) -> Result<usize, Errno> {
        let taken = value.get(..PAGE).unwrap_or(value);
        self.kernel.write(&absolute(path), taken).map_err(gone)?;
        Ok(taken.len())
    }

    /// Names in a folder. May hang below `/sys`.
    pub fn names(&self, path: &str) -> Result<Vec<String>, Errno> {
        if in_sys(path) {
            return self.kernel.list(&absolute(path));
        }
        let entries = fs::read_dir(self.on_disk(path)).map_err(|error| errno(&error))?;
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        Ok(names.collect())
    }

    /// The text of a link.
    pub fn link(&self, path: &str) -> Result<Vec<u8>, Errno> {
        if in_sys(path) {
            match self.kernel.stat(path)? {
                Some(Stat::Link(target)) => return Ok(target.into_bytes()),
                Some(Stat::File { .. } | Stat::Folder) => return Err(Errno::EINVAL),
                None => {}
            }
        }
        let target = fs::read_link(self.on_disk(path)).map_err(|error| errno(&error))?;
        Ok(target.into_os_string().into_encoded_bytes())
    }

    /// Opens a file of the folder for reading.
    pub fn open(&self, path: &str) -> Result<File, Errno> {
        // It was a regular file a moment ago: neither a link nor a pipe that came since leads or holds us anywhere.
        let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
        let mut options = OpenOptions::new();
        let options = options.read(true).custom_flags(flags.bits());
        options
            .open(self.on_disk(path))
            .map_err(|error| errno(&error))
    }

    fn on_disk(&self, path: &str) -> PathBuf {
        self.root.join(Path::new(path))
    }
}

fn in_sys(path: &str) -> bool {
    path == "sys" || path.starts_with("sys/")
}

fn absolute(path: &str) -> String {
    format!("/{path}")
}

fn page(kind: FileType) -> u64 {
    match kind {
        FileType::RegularFile => u64::try_from(PAGE).unwrap_or(0),
        _ => 0,
    }
}

/// What a file answers that was open before its device went away.
fn gone(errno: Errno) -> Errno {
    match errno {
        Errno::ENOENT => Errno::ENODEV,
        errno => errno,
    }
}

fn errno(error: &io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_number)
}

#[cfg(test)]
mod tests;
