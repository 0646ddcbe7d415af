//! The real file system beneath a root.

use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{OFlag, readlinkat};
use nix::unistd;

use super::{Operation, READ_LIMIT, SysTree, TreeError};
use crate::sysfs::Root;

/// Most entries of one folder: a host that is cut to the last has some thousand devices.
const ENTRY_LIMIT: usize = 65_536;

/// Flags of every open. Without O_NONBLOCK a pipe in a hostile tree would hold us for ever.
const ALWAYS: OFlag = OFlag::O_NONBLOCK.union(OFlag::O_NOCTTY);

/// Files beneath a root, which may be `/`.
#[derive(Debug, Clone, Copy)]
pub struct RealTree<'a> {
    root: &'a Root,
}

impl<'a> RealTree<'a> {
    /// The tree beneath this root.
    pub fn new(root: &'a Root) -> Self {
        Self { root }
    }

    /// A regular file at `path`: a folder or a device node is nothing that has a value.
    fn open(&self, operation: Operation, path: &str, flags: OFlag) -> Result<File, TreeError> {
        let failed = refused(operation, path);
        let file = File::from(self.root.resolve(path, flags | ALWAYS).map_err(&failed)?);
        let facts = file.metadata().map_err(|error| failed(errno_of(&error)))?;
        if facts.is_dir() {
            return Err(failed(Errno::EISDIR));
        }
        if !facts.is_file() {
            return Err(failed(Errno::EINVAL));
        }
        Ok(file)
    }
}

impl SysTree for RealTree<'_> {
    fn read(&self, path: &str) -> Result<Vec<u8>, TreeError> {
        let file = self.open(Operation::Read, path, OFlag::O_RDONLY)?;
        let mut bytes = Vec::new();
        let most = u64::try_from(READ_LIMIT).unwrap_or(u64::MAX);
        file.take(most.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|error| refused(Operation::Read, path)(errno_of(&error)))?;
        if bytes.len() > READ_LIMIT {
            return Err(too_large(path, READ_LIMIT));
        }
        Ok(bytes)
    }

    fn list(&self, path: &str) -> Result<Vec<String>, TreeError> {
        let failed = refused(Operation::List, path);
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY;
        let folder = self.root.resolve(path, flags).map_err(&failed)?;
        let mut names = Vec::new();
        for entry in Dir::from_fd(folder).map_err(&failed)?.iter() {
            let entry = entry.map_err(&failed)?;
            if let Ok(name) = entry.file_name().to_str()
                && name != "."
                && name != ".."
            {
                names.push(name.to_owned());
            }
            if names.len() > ENTRY_LIMIT {
                return Err(too_large(path, ENTRY_LIMIT));
            }
        }
        names.sort();
        Ok(names)
    }

    fn write(&self, path: &str, bytes: &[u8]) -> Result<(), TreeError> {
        // A kernel's file ignores O_TRUNC; a plain one would keep the end of a longer value.
        let flags = OFlag::O_WRONLY | OFlag::O_TRUNC;
        let file = self.open(Operation::OpenToWrite, path, flags)?;
        // One call: a value that is written in two parts is two values to a driver. So no `write_all`.
        let written = unistd::write(file.as_fd(), bytes);
        let closed = unistd::close(file);
        let written = written.map_err(refused(Operation::Write, path))?;
        closed.map_err(refused(Operation::Close, path))?;
        if written != bytes.len() {
            return Err(TreeError::Short {
                path: path.to_owned(),
                written,
                length: bytes.len(),
            });
        }
        Ok(())
    }

    fn link(&self, path: &str) -> Result<String, TreeError> {
        let failed = refused(Operation::Link, path);
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW;
        let link = self.root.resolve(path, flags).map_err(&failed)?;
        // On a descriptor of something else than a link the kernel answers ENOENT.
        let target = readlinkat(&link, "").map_err(|errno| match errno {
            Errno::ENOENT => failed(Errno::EINVAL),
            errno => failed(errno),
        })?;
        target.into_string().map_err(|_| failed(Errno::EILSEQ))
    }
}

fn refused(operation: Operation, path: &str) -> impl Fn(Errno) -> TreeError {
    let path = path.to_owned();
    move |errno| TreeError::Refused {
        operation,
        path: path.clone(),
        errno,
    }
}

fn too_large(path: &str, limit: usize) -> TreeError {
    TreeError::TooLarge {
        path: path.to_owned(),
        limit,
    }
}

fn errno_of(error: &std::io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}
