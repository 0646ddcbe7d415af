//! The command line as the kernel laid it out, and the system calls of the quick way: without an allocation, and
//! with C strings as they came.

use std::ffi::{CStr, OsString, c_char, c_int};
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStringExt;
use std::ptr;

/// The arguments and the environment of this process, as C's `main` gets them.
pub struct Start {
    count: usize,
    args: *mut *const c_char,
    env: *mut *const c_char,
}

impl Start {
    /// Takes what C's `main` was called with.
    ///
    /// # Safety
    /// `args` must hold `count` C strings and a null pointer after them, `env` C strings up to a null pointer.
    /// All of them stay for ever, no other thread runs, and nobody else changes them while the value lives.
    pub unsafe fn new(count: c_int, args: *mut *const c_char, env: *mut *const c_char) -> Self {
        let count = usize::try_from(count).unwrap_or(0);
        Self { count, args, env }
    }

    /// The arguments after the program's name.
    pub fn args(&self) -> impl Iterator<Item = &CStr> {
        (1..self.count).map(|at| {
            // SAFETY: `at` is below the count, up to which `new` was promised C strings that stay.
            unsafe { CStr::from_ptr(*self.args.add(at)) }
        })
    }

    /// The same, owned.
    pub fn owned_args(&self) -> Vec<OsString> {
        let owned = |arg: &CStr| OsString::from_vec(arg.to_bytes().to_vec());
        self.args().map(owned).collect()
    }

    /// Takes the entries that are not to be kept out of the environment, of this process and of what it becomes.
    pub fn keep_env(&mut self, is_kept: impl Fn(&[u8]) -> bool) {
        let (mut from, mut to) = (self.env, self.env);
        // SAFETY: both pointers stay within the list, which ends at the first null: `to` never overtakes `from`, and
        // the null that ends the shorter list is written to a place that was in the longer one. The strings stay.
        // There is one thread, so nobody reads the environment meanwhile.
        unsafe {
            while !(*from).is_null() {
                if is_kept(CStr::from_ptr(*from).to_bytes()) {
                    *to = *from;
                    to = to.add(1);
                }
                from = from.add(1);
            }
            *to = ptr::null();
        }
    }

    /// What Rust's start-up does for a program with a `main` of Rust, as far as it is needed here: a file that is opened
    /// never becomes a standard stream that was closed, and a peer that is gone is an error instead of the end.
    pub fn settle() {
        for stream in 0..=2 {
            // SAFETY: integers and a C string in. Where the stream is open nothing happens; else the lowest free
            // descriptor is this one, as those below it are open.
            unsafe {
                if libc::fcntl(stream, libc::F_GETFD) < 0 {
                    libc::open(c"/dev/null".as_ptr(), libc::O_RDWR);
                }
            }
        }
        // SAFETY: to ignore a signal runs no code of ours.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
    }

    /// Becomes `program`, with these arguments and this environment. Returns where that failed.
    pub fn exec(&mut self, program: &CStr) {
        if self.count == 0 {
            return;
        }
        // SAFETY: there is a first argument, `program` outlives the call, and after a call that failed nobody reads
        // the first argument. Both lists end with a null pointer.
        unsafe {
            *self.args = program.as_ptr();
            libc::execve(program.as_ptr(), self.args, self.env.cast_const());
        }
    }
}

/// What the quick way wants to know of a file.
pub(super) struct Facts {
    /// Device and inode.
    pub(super) identity: (u64, u64),
    /// Owner.
    pub(super) uid: u32,
    /// Whether it is a symbolic link.
    pub(super) is_link: bool,
    /// Whether it is a regular file that somebody may execute.
    pub(super) is_program: bool,
}

/// Whether there is a file.
pub(super) enum Kind {
    /// There is one.
    There(Facts),
    /// There is none.
    Absent,
    /// It cannot be told.
    Unclear,
}

/// Looks at a file, or at the link itself unless told to follow it.
pub(super) fn facts(path: &CStr, follow: bool) -> Kind {
    let mut stat = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the path is a C string, and there is room for one stat.
    let failed = unsafe {
        match follow {
            true => libc::stat(path.as_ptr(), stat.as_mut_ptr()),
            false => libc::lstat(path.as_ptr(), stat.as_mut_ptr()),
        }
    };
    if failed != 0 {
        return match std::io::Error::last_os_error().raw_os_error() {
            Some(libc::ENOENT) => Kind::Absent,
            _ => Kind::Unclear,
        };
    }
    // SAFETY: the call has filled it.
    let stat = unsafe { stat.assume_init() };
    let is = |kind| stat.st_mode & libc::S_IFMT == kind;
    Kind::There(Facts {
        identity: (stat.st_dev, stat.st_ino),
        uid: stat.st_uid,
        is_link: is(libc::S_IFLNK),
        is_program: is(libc::S_IFREG) && stat.st_mode & 0o111 != 0,
    })
}

/// The length of what the link `path` holds, which is put into `room` with a zero after it. Nothing where it is no
/// link, or does not fit.
pub(super) fn read_link(path: &CStr, room: &mut [u8]) -> Option<usize> {
    // SAFETY: the path is a C string, and no more is written than there is room.
    let length = unsafe { libc::readlink(path.as_ptr(), room.as_mut_ptr().cast(), room.len()) };
    let length = usize::try_from(length).ok()?;
    *room.get_mut(length)? = 0;
    Some(length)
}

/// Whether a file of this owner may say what runs next.
pub(super) fn is_trusted(uid: u32) -> bool {
    uid == 0 || uid == crate::sys::effective_uid()
}
