//! Answers the system's questions about a mounted machine.
//!
//! Nothing is remembered by the system: every entry and attribute is asked for again, and every read and write comes
//! here. What may hang has a thread of its own, so a file that does not answer keeps nobody from the others. There
//! are no more such threads than threads of other processes that wait for them; where the system has none left, the
//! access fails with EIO, which is fuser's answer for a reply that is dropped.

use std::ffi::OsStr;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};

use fuser::{
    BsdFileFlags, Errno, FileHandle, Filesystem, FopenFlags, Generation, INodeNo, InitFlags,
    KernelConfig, LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData,
    ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyWrite, Request, TimeOrNow, WriteFlags,
};

use crate::open::{Open, Shown, locked};
use crate::shared::{Shared, from_kernel};
use crate::tree::Tree;

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

impl MachineFs {
    /// The file system of this tree.
    pub fn new(tree: Tree) -> Self {
        let shared = Arc::new(Shared::new(tree));
        Self { shared }
    }

    /// Carries out an access that may hang. A thread that cannot be had drops the reply with the access.
    fn aside(&self, access: impl FnOnce(&Shared) + Send + 'static) {
        let shared = Arc::clone(&self.shared);
        let thread = thread::Builder::new().name("kerf-sim-access".to_owned());
        drop(thread.stack_size(STACK).spawn(move || access(&shared)));
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
        request: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        _size: Option<u64>,
        _atime: Option<TimeOrNow>,
        _mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        fh: Option<FileHandle>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _flags: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        if mode.is_some() || uid.is_some() || gid.is_some() {
            return reply.error(Errno::EPERM);
        }
        self.getattr(request, ino, fh, reply);
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
        let value = data.to_vec();
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
