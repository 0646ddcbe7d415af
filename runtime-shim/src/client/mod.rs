//! One round trip to kerfd within a deadline.
//!
//! A kerfd that is not there fails at once; one that is there and silent fails when the deadline passes.
//! Either way nothing is granted.
//!
//! A kerfd that is being restarted is waited for: its socket is there and nobody listens, or it went a moment
//! ago and left word ([`STOPPED`]), or it went while it was asked. The request is then sent again, to a kerfd
//! that knows what the one before it has granted to this very process. One that lives is never asked twice.

#[cfg(test)]
mod tests;

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::frame::{self, FrameError, LaunchReply, LaunchRequest};
use crate::sys;

/// Extension of the file that kerfd leaves beside its socket when it ends.
pub const STOPPED: &str = "stopped";

/// Time between two tries: short beside a restart, and long beside a connect.
const PAUSE: Duration = Duration::from_millis(10);

/// How long to wait for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For everything together.
    pub limit: Duration,
    /// For a kerfd that is being restarted; none fails at once.
    pub restart: Duration,
}

/// A round trip that brought no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error("kerfd does not answer at {}", socket.display())]
    Connect {
        /// The socket's path.
        socket: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Somebody else than kerfd listens.
    #[error("the process behind {} runs as user {uid}, kerfd runs as root", socket.display())]
    Peer {
        /// The socket's path.
        socket: PathBuf,
        /// The peer's user.
        uid: u32,
    },
    /// kerfd took the request and gave no answer in time.
    #[error("kerfd gave no answer within {limit_ms} ms")]
    Deadline {
        /// The deadline that passed.
        limit_ms: u128,
    },
    /// The frames failed.
    #[error("the talk with kerfd failed")]
    Frame(#[source] FrameError),
}

impl ClientError {
    /// What the user can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            ClientError::Connect { .. } => "start kerfd, or see `socket` in kerf-runtime.toml",
            ClientError::Peer { .. } => "see who made the socket; nothing was sent to it",
            ClientError::Deadline { .. } => "see `kerf status`; timeout_ms is in kerf-runtime.toml",
            ClientError::Frame(_) => "see kerfd's log; both sides may be of different versions",
        }
    }
}

/// Sends `request` to the kerfd at `socket` and reads its reply, all within the patience.
pub fn ask(
    socket: &Path,
    patience: Patience,
    request: &LaunchRequest,
) -> Result<LaunchReply, ClientError> {
    let until = Instant::now() + patience.limit;
    let mut restarted_by = None;
    loop {
        let error = match ask_once(socket, patience.limit, until, request) {
            Err(error) if is_away(&error) => error,
            outcome => return outcome,
        };
        let wait = || Instant::now() + wait_for_restart(socket, patience.restart, &error);
        let last = until.min(*restarted_by.get_or_insert_with(wait));
        if Instant::now() + PAUSE > last {
            return Err(error);
        }
        thread::sleep(PAUSE);
    }
}

/// Whether nobody is there to answer, or whoever was has gone.
fn is_away(error: &ClientError) -> bool {
    let kind = match error {
        ClientError::Connect { source, .. } => source.kind(),
        ClientError::Frame(FrameError::Io(source)) => source.kind(),
        ClientError::Frame(FrameError::Closed) => return true,
        _ => return false,
    };
    matches!(
        kind,
        io::ErrorKind::NotFound
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe
    )
}

/// How long a kerfd that is away may still be on its way back. Without its socket it is away for good, unless it
/// went a moment ago.
fn wait_for_restart(socket: &Path, longest: Duration, error: &ClientError) -> Duration {
    let is_absent = matches!(
        error,
        ClientError::Connect { source, .. } if source.kind() == io::ErrorKind::NotFound
    );
    if !is_absent {
        return longest;
    }
    let word = fs::symlink_metadata(socket.with_extension(STOPPED));
    // A moment that lies ahead is of a clock that was set back: nobody knows how long ago it was.
    let since = word.and_then(|word| word.modified());
    let since = since.ok().and_then(|since| since.elapsed().ok());
    since.map_or(Duration::ZERO, |since| longest.saturating_sub(since))
}

fn ask_once(
    socket: &Path,
    limit: Duration,
    until: Instant,
    request: &LaunchRequest,
) -> Result<LaunchReply, ClientError> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(deadline(limit));
    }
    let stream = sys::connect(socket, left).map_err(|source| match source.kind() {
        io::ErrorKind::WouldBlock => deadline(limit),
        _ => ClientError::Connect {
            socket: socket.to_owned(),
            source,
        },
    })?;
    check_peer(socket, &stream)?;
    let mut timed = Timed { stream, until };
    let exchanged =
        frame::write_to(&mut timed, request).and_then(|()| frame::decode_from(&mut timed));
    exchanged.map_err(|error| match error {
        FrameError::Io(io) if is_timeout(&io) => deadline(limit),
        other => ClientError::Frame(other),
    })
}

/// kerfd is root, or the user of this process where that is not root (a whole rootless set-up).
fn check_peer(socket: &Path, stream: &UnixStream) -> Result<(), ClientError> {
    let uid = sys::peer_uid(stream).map_err(|source| ClientError::Connect {
        socket: socket.to_owned(),
        source,
    })?;
    if uid == 0 || uid == sys::effective_uid() {
        return Ok(());
    }
    Err(ClientError::Peer {
        socket: socket.to_owned(),
        uid,
    })
}

fn deadline(limit: Duration) -> ClientError {
    ClientError::Deadline {
        limit_ms: limit.as_millis(),
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

/// A stream whose every call ends at one point in time; a socket's own timeout starts anew with each.
struct Timed {
    stream: UnixStream,
    until: Instant,
}

impl Timed {
    fn left(&self) -> io::Result<Duration> {
        let left = self.until.saturating_duration_since(Instant::now());
        match left.is_zero() {
            true => Err(io::ErrorKind::TimedOut.into()),
            false => Ok(left),
        }
    }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(self.left()?))?;
        self.stream.read(buffer)
    }
}

impl Write for Timed {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.left()?))?;
        self.stream.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
