//! A fuse in a machine's library, and in its kernel: counts the calls that clients make and the values that they write
//! under `/sys`, and at the chosen one stops the client as its death would, or answers in the driver's place.
//!
//! ```text
//! counting --the chosen call--> blown: that call waits, before it has done anything
//! blown --resume--> counting     the call goes on
//! blown --kill----> dead         this call and every later one fails and does nothing
//! ```
//! Owns the file `machine.fuse`, which library and kernel look for once, when they are opened: a machine without
//! the file pays nothing. Initialising, ending and words for codes do not count, for they reach no GPU. It
//! knows nothing of what calls mean.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Name of the file in a machine's folder.
const FUSE_FILE: &str = "machine.fuse";
/// Calls, those to come before the chosen one, what happens at it, state, nanoseconds in calls: 8 bytes each.
const HEADER_BYTES: usize = 40;
/// Where the name of the function stands that the chosen call is of; none where any call is.
const CHOSEN_NAME: u64 = 64;
/// Where the names of calls begin.
const FIRST_NAME: u64 = 128;
/// Room of a name; the longest of NVML has 51 letters.
const NAME_BYTES: usize = 64;
/// How often a call that waits looks whether it may go on.
const WAIT_POLL: Duration = Duration::from_micros(200);
/// No call is chosen.
const NEVER: u64 = u64::MAX;
/// The chosen call blows the fuse rather than having an answer.
const BLOW: u64 = u64::MAX;
/// What a dead client's calls answer; nobody reads it.
const DEAD_ANSWER: u32 = 999;

/// Calls that reach no GPU.
const FREE: [&str; 4] = [
    "nvmlInit_v2",
    "nvmlInitWithFlags",
    "nvmlShutdown",
    "nvmlErrorString",
];

/// The fuse of a machine.
#[derive(Debug)]
pub struct Fuse {
    file: Mutex<File>,
    /// Nanoseconds in calls that are over and not in the file yet: the next call takes them there. A write of its own
    /// would cost each client as much as many a call does, outside of the time that it tells.
    over_ns: AtomicU64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Counting,
    Blown,
    Dead,
}

struct Header {
    calls: u64,
    /// Calls of the chosen function that come before the chosen one.
    left: u64,
    action: u64,
    state: State,
    busy_ns: u64,
}

impl Header {
    const FRESH: Self = Self {
        calls: 0,
        left: NEVER,
        action: BLOW,
        state: State::Counting,
        busy_ns: 0,
    };

    fn read(file: &File) -> io::Result<Self> {
        let mut bytes = [0; HEADER_BYTES];
        file.read_exact_at(&mut bytes, 0)?;
        let mut fields = bytes.chunks_exact(8).map(|field| {
            let field: [u8; 8] = field.try_into().unwrap_or_default();
            u64::from_le_bytes(field)
        });
        let mut next = || fields.next().unwrap_or_default();
        Ok(Self {
            calls: next(),
            left: next(),
            action: next(),
            state: match next() {
                0 => State::Counting,
                1 => State::Blown,
                _ => State::Dead,
            },
            busy_ns: next(),
        })
    }

    fn write(&self, file: &File) -> io::Result<()> {
        let state = match self.state {
            State::Counting => 0,
            State::Blown => 1,
            State::Dead => 2,
        };
        let mut bytes = [0; HEADER_BYTES];
        let fields = [self.calls, self.left, self.action, state, self.busy_ns];
        for (place, field) in bytes.chunks_exact_mut(8).zip(fields) {
            place.copy_from_slice(&u64::to_le_bytes(field));
        }
        file.write_all_at(&bytes, 0)
    }
}

impl Fuse {
    /// Puts a fuse into the machine in `dir`; libraries that are initialised from now on obey it.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn lay(dir: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        let file = options.open(dir.join(FUSE_FILE))?;
        Header::FRESH.write(&file)?;
        Ok(Self::new(file))
    }

    /// The fuse of the machine in `dir`, if it has one.
    pub(crate) fn of(dir: &Path) -> Option<Self> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).open(dir.join(FUSE_FILE));
        Some(Self::new(file.ok()?))
    }

    fn new(file: File) -> Self {
        Self {
            file: Mutex::new(file),
            over_ns: AtomicU64::new(0),
        }
    }

    /// Counts from zero again, with no call chosen.
    ///
    /// # Errors
    /// When the file cannot be used, here and below.
    pub fn reset(&self) -> io::Result<()> {
        self.change(|header| *header = Header::FRESH)
    }

    /// Calls since the last reset.
    pub fn calls(&self) -> io::Result<u64> {
        self.change(|header| header.calls)
    }

    /// Time that clients spent in calls since the last reset, with the fuse's own. Of each client the last call is
    /// not told before its next one.
    pub fn busy(&self) -> io::Result<Duration> {
        self.change(|header| Duration::from_nanos(header.busy_ns))
    }

    /// Blows at the call after the next `calls`.
    pub fn blow_after(&self, calls: u64) -> io::Result<()> {
        self.choose("", calls, BLOW)
    }

    /// The call of this function after the next `calls` of it answers this code and does nothing: a lie, where it
    /// is 0.
    pub fn answer_to(&self, function: &str, calls: u64, code: u32) -> io::Result<()> {
        self.choose(function, calls, code.into())
    }

    /// Whether a call is chosen that has not come.
    pub fn awaits(&self) -> io::Result<bool> {
        self.change(|header| header.left != NEVER)
    }

    fn choose(&self, function: &str, calls: u64, action: u64) -> io::Result<()> {
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let _unlock = Locked::new(&file)?;
        let mut header = Header::read(&file)?;
        (header.left, header.action) = (calls, action);
        file.write_all_at(&padded(function), CHOSEN_NAME)?;
        header.write(&file)
    }

    /// Whether a call waits.
    pub fn is_blown(&self) -> io::Result<bool> {
        self.change(|header| header.state == State::Blown)
    }

    /// Lets the call that waits go on, and every later one.
    pub fn resume(&self) -> io::Result<()> {
        self.change(|header| {
            header.left = NEVER;
            header.state = State::Counting;
        })
    }

    /// Lets the call that waits fail, and every later one, until the next reset.
    pub fn kill(&self) -> io::Result<()> {
        self.change(|header| header.state = State::Dead)
    }

    /// Names of the calls since the last reset, in order.
    pub fn names(&self) -> io::Result<Vec<String>> {
        let calls = self.calls()?;
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let name = |call: u64| name_at(&file, name_offset(call));
        (0..calls).map(name).collect()
    }

    /// What stands in the way of a call: the code that it answers with.
    pub(crate) fn stops(&self, function: &str) -> Option<u32> {
        if FREE.contains(&function) {
            return None;
        }
        loop {
            // A fuse that cannot be read is none: the machine goes on.
            match self.pass(function).ok()? {
                Pass::Go => return None,
                Pass::Answer(code) => return Some(code),
                Pass::Wait => thread::sleep(WAIT_POLL),
            }
        }
    }

    /// Adds the time of a call that is over.
    pub(crate) fn spent(&self, function: &str, time: Duration) {
        if FREE.contains(&function) {
            return;
        }
        let time_ns = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.over_ns.fetch_add(time_ns, Ordering::Relaxed);
    }

    fn pass(&self, function: &str) -> io::Result<Pass> {
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let _unlock = Locked::new(&file)?;
        let mut header = Header::read(&file)?;
        match header.state {
            State::Dead => return Ok(Pass::Answer(DEAD_ANSWER)),
            State::Blown => return Ok(Pass::Wait),
            State::Counting => {}
        }
        let pass = match header.left {
            NEVER => Pass::Go,
            _ if !is_chosen(&file, function)? => Pass::Go,
            0 if header.action == BLOW => {
                header.state = State::Blown;
                header.write(&file)?;
                return Ok(Pass::Wait);
            }
            0 => {
                header.left = NEVER;
                Pass::Answer(u32::try_from(header.action).unwrap_or(DEAD_ANSWER))
            }
            left => {
                header.left = left - 1;
                Pass::Go
            }
        };
        file.write_all_at(&padded(function), name_offset(header.calls))?;
        header.calls += 1;
        let over_ns = self.over_ns.swap(0, Ordering::Relaxed);
        header.busy_ns = header.busy_ns.saturating_add(over_ns);
        header.write(&file)?;
        Ok(pass)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Header) -> T) -> io::Result<T> {
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let _unlock = Locked::new(&file)?;
        let mut header = Header::read(&file)?;
        let answer = change(&mut header);
        header.write(&file)?;
        Ok(answer)
    }
}

/// What a call does.
enum Pass {
    Go,
    Answer(u32),
    Wait,
}

/// The lock of the file, against clients in other processes.
struct Locked<'a>(&'a File);

impl<'a> Locked<'a> {
    fn new(file: &'a File) -> io::Result<Self> {
        file.lock()?;
        Ok(Self(file))
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        // A file that cannot be unlocked is closed with its process, which unlocks it.
        self.0.unlock().ok();
    }
}

/// Whether the chosen call may be one of this function.
fn is_chosen(file: &File, function: &str) -> io::Result<bool> {
    let chosen = name_at(file, CHOSEN_NAME)?;
    Ok(chosen.is_empty() || chosen == function)
}

fn name_at(file: &File, offset: u64) -> io::Result<String> {
    let mut bytes = [0; NAME_BYTES];
    file.read_exact_at(&mut bytes, offset)?;
    let end = bytes.iter().position(|byte| *byte == 0);
    let text = bytes.get(..end.unwrap_or(NAME_BYTES)).unwrap_or_default();
    Ok(String::from_utf8_lossy(text).into_owned())
}

fn padded(name: &str) -> [u8; NAME_BYTES] {
    let mut bytes = [0; NAME_BYTES];
    for (place, byte) in bytes.iter_mut().zip(name.bytes()) {
        *place = byte;
    }
    bytes
}

fn name_offset(call: u64) -> u64 {
    let size = u64::try_from(NAME_BYTES).unwrap_or_default();
    FIRST_NAME + call * size
}
