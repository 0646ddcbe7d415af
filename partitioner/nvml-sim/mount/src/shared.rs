//! What the system asks for, answered in its own terms: numbers for places, handles for what is open.

use std::ffi::OsStr;
use std::sync::{Arc, Mutex};

use fuser::{Errno, FileAttr, FileHandle, FileType, INodeNo, OpenAccMode, OpenFlags};

use crate::inodes::{Inodes, Place};
use crate::open::{Name, Open, Opened, Shown, locked};
use crate::tree::{Facts, Tree};

/// A machine's tree with its numbers.
#[derive(Debug)]
pub struct Shared {
    pub tree: Tree,
    inodes: Mutex<Inodes>,
    pub opened: Mutex<Opened>,
}

impl Shared {
    /// With nothing open.
    pub fn new(tree: Tree) -> Self {
        Self {
            tree,
            inodes: Mutex::new(Inodes::new()),
            opened: Mutex::default(),
        }
    }

    pub fn place(&self, number: INodeNo) -> Result<Place, Errno> {
        let inodes = locked(&self.inodes);
        inodes.place(number).cloned().ok_or(Errno::ENOENT)
    }

    pub fn open(&self, handle: FileHandle) -> Result<Arc<Open>, Errno> {
        locked(&self.opened).get(handle).ok_or(Errno::EBADF)
    }

    /// What is at a path now, with its number.
    fn at(&self, path: &str) -> Result<FileAttr, Errno> {
        let facts = self.tree.facts(path).map_err(from_kernel)?;
        let number = locked(&self.inodes).number(path, facts.kind);
        Ok(attributes(number, &facts))
    }

    pub fn lookup(&self, parent: INodeNo, name: &OsStr) -> Result<FileAttr, Errno> {
        let (folder, _) = self.place(parent)?;
        // No name of a machine's tree is anything but text.
        self.at(&below(&folder, name.to_str().ok_or(Errno::ENOENT)?))
    }

    /// The attributes of what had that number, if it is still there.
    pub fn attributes(&self, number: INodeNo) -> Result<FileAttr, Errno> {
        let (path, kind) = self.place(number)?;
        let found = self.at(&path)?;
        if found.kind == kind {
            Ok(found)
        } else {
            Err(Errno::ESTALE)
        }
    }

    /// As kernfs has it: who may read or write a file is asked of its mode, also for root.
    pub fn open_file(&self, number: INodeNo, flags: OpenFlags) -> Result<FileHandle, Errno> {
        let found = self.attributes(number)?;
        let (path, _) = self.place(number)?;
        let mode = flags.acc_mode();
        let writes = mode != OpenAccMode::O_RDONLY;
        let reads = mode != OpenAccMode::O_WRONLY;
        let open = if self.tree.has_values(&path) {
            if (writes && found.perm & 0o222 == 0) || (reads && found.perm & 0o444 == 0) {
                return Err(Errno::EACCES);
            }
            Open::Value(Shown::new(path))
        } else if writes {
            return Err(Errno::EACCES);
        } else {
            Open::Plain(self.tree.open(&path).map_err(from_kernel)?)
        };
        Ok(locked(&self.opened).add(open))
    }

    /// Names of a folder with what they name; one that went away meanwhile is left out.
    fn names(&self, path: &str) -> Result<Vec<Name>, Errno> {
        let itself = self.at(path)?.ino;
        let folder = |number, name: &str| Name {
            number,
            kind: FileType::Directory,
            name: name.to_owned(),
        };
        let above = path.rsplit_once('/').map_or("", |(above, _)| above);
        let mut names = vec![folder(itself, "."), folder(self.at(above)?.ino, "..")];
        for name in self.tree.names(path).map_err(from_kernel)? {
            if let Ok(found) = self.at(&below(path, &name)) {
                names.push(Name {
                    number: found.ino,
                    kind: found.kind,
                    name,
                });
            }
        }
        Ok(names)
    }
}

impl Shared {
    pub fn value(&self, handle: FileHandle, offset: u64) -> Result<Arc<Vec<u8>>, Errno> {
        match &*self.open(handle)? {
            Open::Value(shown) => {
                let make = || self.tree.value(&shown.path).map_err(from_kernel);
                shown.at(offset, make)
            }
            Open::Plain(_) | Open::Folder(_) => Err(Errno::EBADF),
        }
    }

    pub fn give(&self, handle: FileHandle, value: &[u8]) -> Result<u32, Errno> {
        match &*self.open(handle)? {
            Open::Value(shown) => {
                let taken = self.tree.give(&shown.path, value).map_err(from_kernel)?;
                u32::try_from(taken).map_err(|_| Errno::EIO)
            }
            Open::Plain(_) | Open::Folder(_) => Err(Errno::EBADF),
        }
    }

    pub fn folder(&self, handle: FileHandle, offset: u64) -> Result<Arc<Vec<Name>>, Errno> {
        match &*self.open(handle)? {
            Open::Folder(shown) => shown.at(offset, || self.names(&shown.path)),
            Open::Plain(_) | Open::Value(_) => Err(Errno::ENOTDIR),
        }
    }
}

fn below(folder: &str, name: &str) -> String {
    if folder.is_empty() {
        return name.to_owned();
    }
    format!("{folder}/{name}")
}

/// The system's number for the kernel's word.
pub fn from_kernel(errno: nvidia_ml::kernel::Errno) -> Errno {
    Errno::from_i32(errno.number())
}

fn attributes(number: INodeNo, facts: &Facts) -> FileAttr {
    let (uid, gid) = facts.owner;
    FileAttr {
        ino: number,
        size: facts.size,
        blocks: 0,
        atime: facts.changed,
        mtime: facts.changed,
        ctime: facts.changed,
        crtime: facts.changed,
        kind: facts.kind,
        perm: facts.mode,
        // Of a folder too: one link says that its folders are not counted, so `find` looks into all of them.
        nlink: 1,
        uid,
        gid,
        rdev: facts.device,
        blksize: 4_096,
        flags: 0,
    }
}
