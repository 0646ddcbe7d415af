//! Answers the system's questions about a mounted machine.
//!
//! Nothing is remembered by the system: every entry and attribute is asked for again, and every read and write comes
//! here. What may hang has a thread of its own, so a file that does not answer keeps nobody from the others. There
//! are no more such threads than threads of other processes that wait for them; where the system has none left, the
//! access fails with EIO, which is fuser's answer for a reply that is dropped.

use std::ffi::OsStr;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, SystemTime};

use fuser::{
    BsdFileFlags, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation,
    INodeNo, InitFlags, KernelConfig, LockOwner, OpenAccMode, OpenFlags, RenameFlags, ReplyAttr,
    ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyWrite, Request,
    TimeOrNow, WriteFlags,
};

use crate::inodes::{Inodes, Place};
use crate::open::{Name, Open, Opened, Shown, locked};
use crate::tree::{Facts, PAGE, Tree};

/// How long the system may believe an answer: what is there can change at any time, by other processes too.
const NEVER: Duration = Duration::ZERO;

/// Most bytes of one request: the least that the system asks for. A longer value in one write comes in two requests
/// and would be two values, if the first were not answered short.
const MAX_WRITE: u32 = 128 << 10;

/// Stack of a thread for one access: it reads some files, and there may be many.
const STACK: usize = 256 << 10;

/// A machine's tree as a file system.
#[derive(Debug)]
pub struct MachineFs {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    tree: Tree,
    inodes: Mutex<Inodes>,
    opened: Mutex<Opened>,
}

impl MachineFs {
    /// The file system of this tree.
    pub fn new(tree: Tree) -> Self {
        let inodes = Mutex::new(Inodes::new());
        let opened = Mutex::default();
        let shared = Arc::new(Shared {
            tree,
            inodes,
            opened,
        });
        Self { shared }
    }

    /// Carries out an access that may hang. A thread that cannot be had drops the reply with the access.
    fn aside(&self, access: impl FnOnce(&Shared) + Send + 'static) {
        let shared = Arc::clone(&self.shared);
        let thread = thread::Builder::new().name("kerf-sim-access".to_owned());
        drop(thread.stack_size(STACK).spawn(move || access(&shared)));
    }
}

impl Shared {
    fn place(&self, number: INodeNo) -> Result<Place, Errno> {
        let inodes = locked(&self.inodes);
        inodes.place(number).cloned().ok_or(Errno::ENOENT)
    }

    fn open(&self, handle: FileHandle) -> Result<Arc<Open>, Errno> {
        locked(&self.opened).get(handle).ok_or(Errno::EBADF)
    }

    /// What is at a path now, with its number.
    fn at(&self, path: &str) -> Result<FileAttr, Errno> {
        let facts = self.tree.facts(path).map_err(from_kernel)?;
        let number = locked(&self.inodes).number(path, facts.kind);
        Ok(attributes(number, &facts))
    }

    fn lookup(&self, parent: INodeNo, name: &OsStr) -> Result<FileAttr, Errno> {
        let (folder, _) = self.place(parent)?;
        // No name of a machine's tree is anything but text.
        self.at(&below(&folder, name.to_str().ok_or(Errno::ENOENT)?))
    }

    /// The attributes of what had that number, if it is still there.
    fn attributes(&self, number: INodeNo) -> Result<FileAttr, Errno> {
        let (path, kind) = self.place(number)?;
        let found = self.at(&path)?;
        if found.kind == kind {
            Ok(found)
        } else {
            Err(Errno::ESTALE)
        }
    }

    /// As kernfs has it: who may read or write a file is asked of its mode, also for root.
    fn open_file(&self, number: INodeNo, flags: OpenFlags) -> Result<FileHandle, Errno> {
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

impl Filesystem for MachineFs {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> io::Result<()> {
        // The nearest value that the system takes comes back: any will do.
        config.set_max_write(MAX_WRITE).ok();
        // An older system without it lists a folder and looks a name up one after the other.
        config
            .add_capabilities(InitFlags::FUSE_PARALLEL_DIROPS)
            .ok();
        Ok(())
    }

    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        match self.shared.lookup(parent, name) {
            Ok(found) => reply.entry(&NEVER, &found, Generation(0)),
            Err(errno) => reply.error(errno),
        }
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.shared.attributes(ino) {
            Ok(found) => reply.attr(&NEVER, &found),
            Err(errno) => reply.error(errno),
        }
    }

    /// Sizes and times are taken and forgotten: `O_TRUNC` and `touch` do nothing to a file of sysfs.
    fn setattr(
        &self,
        _: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        _size: Option<u64>,
        _atime: Option<TimeOrNow>,
        _mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        _fh: Option<FileHandle>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _flags: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        if mode.is_some() || uid.is_some() || gid.is_some() {
            return reply.error(Errno::EPERM);
        }
        match self.shared.attributes(ino) {
            Ok(found) => reply.attr(&NEVER, &found),
            Err(errno) => reply.error(errno),
        }
    }

    fn readlink(&self, _: &Request, ino: INodeNo, reply: ReplyData) {
        let target = self.shared.place(ino);
        let target = target.and_then(|(path, _)| self.shared.tree.link(&path).map_err(from_kernel));
        match target {
            Ok(target) => reply.data(&target),
            Err(errno) => reply.error(errno),
        }
    }

    fn open(&self, _: &Request, ino: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        match self.shared.open_file(ino, flags) {
            Ok(handle) => reply.opened(handle, FopenFlags::FOPEN_DIRECT_IO),
            Err(errno) => reply.error(errno),
        }
    }

    fn read(
        &self,
        _: &Request,
        _ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        match self.shared.open(fh).as_deref() {
            Ok(Open::Plain(file)) => {
                let mut bytes = vec![0; size];
                match file.read_at(&mut bytes, offset) {
                    Ok(count) => reply.data(bytes.get(..count).unwrap_or_default()),
                    Err(error) => reply.error(error.into()),
                }
            }
            Ok(Open::Value(_)) => self.aside(move |shared| match shared.value(fh, offset) {
                Ok(value) => {
                    let rest = usize::try_from(offset).ok();
                    let rest = rest.and_then(|offset| value.get(offset..));
                    let rest = rest.unwrap_or_default();
                    reply.data(rest.get(..size).unwrap_or(rest));
                }
                Err(errno) => reply.error(errno),
            }),
            Ok(Open::Folder(_)) => reply.error(Errno::EISDIR),
            Err(errno) => reply.error(*errno),
        }
    }

    /// Each write gives a value, wherever in the file it is: sysfs does not look at the offset of a text.
    fn write(
        &self,
        _: &Request,
        _ino: INodeNo,
        fh: FileHandle,
        _offset: u64,
        data: &[u8],
        _write_flags: WriteFlags,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let value = data.get(..PAGE).unwrap_or(data).to_vec();
        self.aside(move |shared| match shared.give(fh, &value) {
            Ok(taken) => reply.written(taken),
            Err(errno) => reply.error(errno),
        });
    }

    fn release(
        &self,
        _: &Request,
        _ino: INodeNo,
        fh: FileHandle,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        _flush: bool,
        reply: ReplyEmpty,
    ) {
        locked(&self.shared.opened).remove(fh);
        reply.ok();
    }

    fn opendir(&self, _: &Request, ino: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        match self.shared.place(ino) {
            Ok((path, _)) => {
                let open = Open::Folder(Shown::new(path));
                let handle = locked(&self.shared.opened).add(open);
                reply.opened(handle, FopenFlags::empty());
            }
            Err(errno) => reply.error(errno),
        }
    }

    fn readdir(
        &self,
        _: &Request,
        _ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        self.aside(move |shared| match shared.folder(fh, offset) {
            Ok(names) => {
                let rest = usize::try_from(offset).unwrap_or(usize::MAX);
                for (next, name) in (offset + 1..).zip(names.iter().skip(rest)) {
                    if reply.add(name.number, next, name.kind, &name.name) {
                        break;
                    }
                }
                reply.ok();
            }
            Err(errno) => reply.error(errno),
        });
    }

    fn releasedir(
        &self,
        _: &Request,
        _ino: INodeNo,
        fh: FileHandle,
        _flags: OpenFlags,
        reply: ReplyEmpty,
    ) {
        locked(&self.shared.opened).remove(fh);
        reply.ok();
    }

    // Nothing can be made, named or removed in sysfs by any of these; links and nodes are refused by fuser itself.

    fn create(
        &self,
        _: &Request,
        _parent: INodeNo,
        _name: &OsStr,
        _mode: u32,
        _umask: u32,
        _flags: i32,
        reply: ReplyCreate,
    ) {
        reply.error(Errno::EACCES);
    }

    fn mknod(
        &self,
        _: &Request,
        _parent: INodeNo,
        _name: &OsStr,
        _mode: u32,
        _umask: u32,
        _rdev: u32,
        reply: ReplyEntry,
    ) {
        reply.error(Errno::EPERM);
    }

    fn mkdir(
        &self,
        _: &Request,
        _parent: INodeNo,
        _name: &OsStr,
        _mode: u32,
        _umask: u32,
        reply: ReplyEntry,
    ) {
        reply.error(Errno::EPERM);
    }

    fn unlink(&self, _: &Request, _parent: INodeNo, _name: &OsStr, reply: ReplyEmpty) {
        reply.error(Errno::EPERM);
    }

    fn rmdir(&self, _: &Request, _parent: INodeNo, _name: &OsStr, reply: ReplyEmpty) {
        reply.error(Errno::EPERM);
    }

    fn rename(
        &self,
        _: &Request,
        _parent: INodeNo,
        _name: &OsStr,
        _newparent: INodeNo,
        _newname: &OsStr,
        _flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        reply.error(Errno::EPERM);
    }
}

impl Shared {
    fn value(&self, handle: FileHandle, offset: u64) -> Result<Arc<Vec<u8>>, Errno> {
        match &*self.open(handle)? {
            Open::Value(shown) => {
                let make = || self.tree.value(&shown.path).map_err(from_kernel);
                shown.at(offset, make)
            }
            Open::Plain(_) | Open::Folder(_) => Err(Errno::EBADF),
        }
    }

    fn give(&self, handle: FileHandle, value: &[u8]) -> Result<u32, Errno> {
        match &*self.open(handle)? {
            Open::Value(shown) => {
                let taken = self.tree.give(&shown.path, value).map_err(from_kernel)?;
                u32::try_from(taken).map_err(|_| Errno::EIO)
            }
            Open::Plain(_) | Open::Folder(_) => Err(Errno::EBADF),
        }
    }

    fn folder(&self, handle: FileHandle, offset: u64) -> Result<Arc<Vec<Name>>, Errno> {
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

fn from_kernel(errno: nvidia_ml::kernel::Errno) -> Errno {
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
