//! What jobs print: two files in a folder of the job, written by the shim and read here.
//!
//! The shim appends to the files by itself, so nothing is lost while kerfd is away. Both are polled
//! and not watched: a poll works on every file system and is cheap for the few jobs of a host.
//!
//! A log that grows past its bound loses its beginning: see [`bound`].

mod bound;

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio::sync::{mpsc, watch};
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;

use super::error::LauncherError;
pub use bound::{bound, usage};

/// Pause between two looks at files that did not grow: what a person does not notice.
const POLL: Duration = Duration::from_millis(100);

/// Most bytes of one piece.
const CHUNK: usize = 64 << 10;

/// Pieces on their way to a slow reader.
const IN_FLIGHT: usize = 4;

/// Which of its two outputs a job wrote to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogStream {
    /// Standard output; everything of a job with a terminal.
    Stdout,
    /// Standard error.
    Stderr,
}

impl LogStream {
    /// Its number as programs know it.
    pub fn number(self) -> u32 {
        match self {
            Self::Stdout => 1,
            Self::Stderr => 2,
        }
    }

    /// The one with this number; what has an unknown one is shown all the same.
    pub fn of(number: u32) -> Self {
        if number == Self::Stderr.number() {
            Self::Stderr
        } else {
            Self::Stdout
        }
    }
}

/// A piece of a job's output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogChunk {
    /// Where it was written to.
    pub stream: LogStream,
    /// The bytes; they may end in the middle of a line or of a character.
    pub bytes: Vec<u8>,
    /// The offset in the file behind this piece. In the place of a hole the bytes are not what was there.
    pub next: u64,
}

/// How far the two logs of a folder were read: offsets in the files, from which a reader that comes back goes on.
/// Bytes that were heard would be another number, since a log loses its beginning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Position {
    /// Of standard output.
    pub stdout: u64,
    /// Of standard error.
    pub stderr: u64,
}

impl Position {
    /// Goes behind a piece.
    pub fn pass(&mut self, chunk: &LogChunk) {
        match chunk.stream {
            LogStream::Stdout => self.stdout = chunk.next,
            LogStream::Stderr => self.stderr = chunk.next,
        }
    }
}

/// The file with a job's standard output.
pub(super) fn stdout(log_dir: &Path) -> PathBuf {
    log_dir.join("stdout.log")
}

/// The file with a job's standard error.
pub(super) fn stderr(log_dir: &Path) -> PathBuf {
    log_dir.join("stderr.log")
}

/// Makes the folder of a job, readable by its owner's group and nobody else.
pub(super) fn make_folder(log_dir: &Path) -> Result<(), LauncherError> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o750)
        .create(log_dir)
        .map_err(LauncherError::io("make the folder", log_dir))
}

/// Opens a log for appending, and makes it if need be.
pub(super) fn open(path: &Path) -> Result<File, LauncherError> {
    File::options()
        .create(true)
        .append(true)
        .mode(0o640)
        .open(path)
        .map_err(LauncherError::io("open", path))
}

/// What a job has printed behind `from`, in the order of each output.
///
/// With `ended` the stream goes on until the flag is true (or its sender is gone) and no more comes;
/// set it after the container was removed, since the shim may still be writing before. Without it
/// the stream ends with what is there now. A file that is cut to nothing is read from its start again, and so is one
/// that is shorter than `from`.
///
/// Must be called within an async runtime; the work ends when the stream is dropped.
pub fn follow(
    log_dir: PathBuf,
    from: Position,
    ended: Option<watch::Receiver<bool>>,
) -> impl Stream<Item = io::Result<LogChunk>> + Send + 'static {
    let (sender, receiver) = mpsc::channel(IN_FLIGHT);
    tokio::spawn(async move {
        if let Err(error) = pump(&log_dir, from, ended, &sender).await {
            // The reader may be gone as well, and then nobody wants to know.
            drop(sender.send(Err(error)).await);
        }
    });
    ReceiverStream::new(receiver)
}

async fn pump(
    log_dir: &Path,
    from: Position,
    ended: Option<watch::Receiver<bool>>,
    sender: &mpsc::Sender<io::Result<LogChunk>>,
) -> io::Result<()> {
    let mut tails = [
        Tail::new(LogStream::Stdout, stdout(log_dir), from.stdout),
        Tail::new(LogStream::Stderr, stderr(log_dir), from.stderr),
    ];
    loop {
        // Asked before the files are read: what was written until then is seen.
        let last = ended.as_ref().is_none_or(is_over);
        let mut grown = false;
        for tail in &mut tails {
            while let Some(chunk) = tail.read().await? {
                grown = true;
                if sender.send(Ok(chunk)).await.is_err() {
                    return Ok(());
                }
            }
        }
        if last {
            return Ok(());
        }
        if !grown {
            tokio::select! {
                () = tokio::time::sleep(POLL) => {}
                () = sender.closed() => return Ok(()),
            }
        }
    }
}

fn is_over(ended: &watch::Receiver<bool>) -> bool {
    *ended.borrow() || ended.has_changed().is_err()
}

/// One file and how far it has been read.
struct Tail {
    stream: LogStream,
    path: PathBuf,
    file: Option<tokio::fs::File>,
    position: u64,
}

impl Tail {
    fn new(stream: LogStream, path: PathBuf, position: u64) -> Self {
        Self {
            stream,
            path,
            file: None,
            position,
        }
    }

    /// The next piece, or none for now. A file that is not there has nothing.
    async fn read(&mut self) -> io::Result<Option<LogChunk>> {
        if self.file.is_none() {
            match tokio::fs::File::open(&self.path).await {
                Ok(file) => self.file = Some(file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        let Some(file) = &mut self.file else {
            return Ok(None);
        };
        if file.metadata().await?.len() < self.position {
            self.position = file.seek(io::SeekFrom::Start(0)).await?;
        }
        if let Some(data) = bound::data_from(file.as_fd(), self.position)
            && data > self.position
        {
            let bytes = bound::marker(data - self.position);
            self.position = data;
            return Ok(Some(self.piece(bytes)));
        }
        let mut bytes = vec![0; CHUNK];
        let count = file.read(&mut bytes).await?;
        if count == 0 {
            return Ok(None);
        }
        self.position += u64::try_from(count).unwrap_or_default();
        bytes.truncate(count);
        Ok(Some(self.piece(bytes)))
    }

    /// What ends where this is now.
    fn piece(&self, bytes: Vec<u8>) -> LogChunk {
        LogChunk {
            stream: self.stream,
            bytes,
            next: self.position,
        }
    }
}

#[cfg(test)]
mod tests;
