//! The terminal of a container, and the input of one without: FIFOs between kerfd and the shim.
//!
//! ```text
//!  client ─► TerminalInput ─► in  ─► shim ─► console ─► job
//!  client ◄─ TerminalOutput ◄─ out ◄─ shim ◄─ console ◄─ job
//!                 └─► stdout.log
//! ```
//! The shim keeps both FIFOs open, so kerfd can go and come back. Somebody must read the output all
//! the same: when the FIFO is full (64 KiB) the job waits.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use containerd_client::services::v1::{CloseIoRequest, ResizePtyRequest};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;

use super::engine::{Engine, QUICK};
use super::error::LauncherError;
use super::logs;

/// Most bytes of one read.
const CHUNK: usize = 16 << 10;

/// Rows and columns of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TerminalSize {
    /// Lines.
    pub rows: u16,
    /// Characters in a line.
    pub columns: u16,
}

/// Both directions of a container's terminal.
#[derive(Debug)]
pub struct TerminalIo {
    /// What the job prints.
    pub output: TerminalOutput,
    /// What is typed.
    pub input: TerminalInput,
}

/// What a job with a terminal prints. Everything read is written to the job's log as well.
#[derive(Debug)]
pub struct TerminalOutput {
    fifo: pipe::Receiver,
    log: File,
    buffer: Vec<u8>,
}

impl TerminalOutput {
    /// The next bytes; `None` when the job has closed its terminal. A call that is given up has
    /// taken nothing.
    ///
    /// # Errors
    /// When the FIFO cannot be read. A log that cannot be written is told to kerfd's own log alone:
    /// a full disk must not stop a job.
    pub async fn read(&mut self) -> io::Result<Option<&[u8]>> {
        let count = self.fifo.read(&mut self.buffer).await?;
        let bytes = self.buffer.get(..count).unwrap_or_default();
        // Written at once, into the page cache: after an await the bytes could be lost.
        if let Err(error) = self.log.write_all(bytes) {
            tracing::warn!(%error, "job log not written");
        }
        Ok((count > 0).then_some(bytes))
    }
}

#[cfg(test)]
impl TerminalOutput {
    /// What comes out of a pipe, without a container or a log.
    pub fn of_pipe(fifo: pipe::Receiver) -> Self {
        let log = File::options().write(true).open("/dev/null");
        Self {
            fifo,
            log: log.expect("every system has it"),
            buffer: vec![0; CHUNK],
        }
    }
}

/// What is typed into a job's terminal, or fed to its standard input.
pub struct TerminalInput {
    fifo: pipe::Sender,
    engine: Engine,
    container: String,
}

impl std::fmt::Debug for TerminalInput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TerminalInput")
            .field("container", &self.container)
            .finish_non_exhaustive()
    }
}

impl TerminalInput {
    /// Hands bytes to the job; waits while it does not read.
    ///
    /// # Errors
    /// When the FIFO cannot be written to.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.fifo.write_all(bytes).await
    }

    /// Tells the job the size of its terminal.
    ///
    /// # Errors
    /// When containerd does not answer or the job is over.
    pub async fn resize(&self, size: TerminalSize) -> Result<(), LauncherError> {
        let request = ResizePtyRequest {
            container_id: self.container.clone(),
            exec_id: String::new(),
            width: size.columns.into(),
            height: size.rows.into(),
        };
        let mut tasks = self.engine.tasks();
        self.engine
            .ask("resize the terminal", QUICK, tasks.resize_pty(request))
            .await
    }

    /// What is typed into one end of a pipe, without a container.
    #[cfg(test)]
    pub fn of_pipe(fifo: pipe::Sender) -> Self {
        Self {
            fifo,
            engine: Engine::new(Path::new("/dev/null"), "none"),
            container: "none".to_owned(),
        }
    }

    /// Ends the job's standard input: it reads what is on its way and then the end.
    ///
    /// # Errors
    /// When containerd does not answer or the job is over.
    pub async fn close(self) -> Result<(), LauncherError> {
        let request = CloseIoRequest {
            container_id: self.container.clone(),
            exec_id: String::new(),
            stdin: true,
        };
        drop(self.fifo);
        let mut tasks = self.engine.tasks();
        self.engine
            .ask("close the standard input", QUICK, tasks.close_io(request))
            .await
    }
}

/// The files through which a container speaks, in its log folder.
#[derive(Debug, Clone)]
pub(super) struct Files {
    folder: PathBuf,
}

impl Files {
    pub fn new(log_dir: &Path) -> Self {
        Self {
            folder: log_dir.to_path_buf(),
        }
    }

    pub fn input(&self) -> PathBuf {
        self.folder.join("in")
    }

    pub fn output(&self) -> PathBuf {
        self.folder.join("out")
    }

    /// Makes one of the FIFOs anew.
    pub fn make(path: &Path) -> Result<(), LauncherError> {
        Self::remove(path)?;
        mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR)
            .map_err(|error| LauncherError::io("make", path)(error.into()))
    }

    /// Removes the FIFOs; the logs stay.
    pub fn clear(&self) -> Result<(), LauncherError> {
        Self::remove(&self.input()).and(Self::remove(&self.output()))
    }

    fn remove(path: &Path) -> Result<(), LauncherError> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(LauncherError::io("remove", path)(error))
            }
            _ => Ok(()),
        }
    }
}

/// Opens the input. Both ends, so that it opens before the shim has opened its own.
pub(super) fn open_input(
    engine: &Engine,
    container: &str,
    files: &Files,
) -> Result<TerminalInput, LauncherError> {
    let path = files.input();
    let fifo = pipe::OpenOptions::new()
        .read_write(true)
        .open_sender(&path)
        .map_err(LauncherError::io("open", &path))?;
    Ok(TerminalInput {
        fifo,
        engine: engine.clone(),
        container: container.to_owned(),
    })
}

/// Opens the output, which the shim waits for; it must be read only after the shim has its end.
pub(super) fn open_output(log_dir: &Path, files: &Files) -> Result<TerminalOutput, LauncherError> {
    let path = files.output();
    let fifo = pipe::OpenOptions::new()
        .open_receiver(&path)
        .map_err(LauncherError::io("open", &path))?;
    let log = logs::open(&logs::stdout(log_dir))?;
    Ok(TerminalOutput {
        fifo,
        log,
        buffer: vec![0; CHUNK],
    })
}
