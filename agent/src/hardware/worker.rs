//! One partitioner process and the socket to it.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use kerf_api::partitioner::v1::{Request, Response, request};
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};

use crate::process;

/// Largest frame in either direction: a GPU with every profile is about 20 KiB.
const FRAME_LIMIT: u32 = 4 << 20;

/// What a worker is started with.
#[derive(Debug, Clone)]
pub struct WorkerProgram {
    /// The program.
    pub program: PathBuf,
    /// The driver's library, `None` for a host without one.
    pub nvml: Option<PathBuf>,
    /// Root of the machine.
    pub sysroot: PathBuf,
    /// Folder in which running workers are written down.
    pub records: PathBuf,
}

/// A partitioner process. Dropping it closes its socket, and it ends by itself after the call it is in; it is
/// never killed, since a kill inside a driver call has frozen GPUs in the field.
#[derive(Debug)]
pub struct Worker {
    stream: UnixStream,
    buffer: Vec<u8>,
    next_id: u64,
    record: PathBuf,
    child: Child,
}

impl Worker {
    /// Starts one.
    pub fn spawn(program: &WorkerProgram) -> io::Result<Self> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let nvml = program.nvml.as_deref().unwrap_or(Path::new("none"));
        let mut command = Command::new(&program.program);
        command
            .arg("worker")
            .arg("--nvml")
            .arg(nvml)
            .arg("--sysroot")
            .arg(&program.sysroot)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .process_group(0)
            .kill_on_drop(false);
        let child = command.spawn()?;
        let record = record(program, &child)?;
        let stream = UnixStream::from_std(ours)?;
        Ok(Self { stream, buffer: Vec::new(), next_id: 1, record, child })
    }

    /// Sends a call and waits for its answer. Cancel-safe: when the caller gives up, a later
    /// [`Worker::late_answer`] still finds the answer.
    pub async fn call(&mut self, call: request::Call) -> io::Result<Response> {
        let id = self.next_id;
        self.next_id += 1;
        let message = Request { id, call: Some(call) }.encode_to_vec();
        let length = u32::try_from(message.len()).map_err(io::Error::other)?;
        self.stream.write_all(&[&length.to_be_bytes(), message.as_slice()].concat()).await?;
        loop {
            let response = self.read().await?;
            if response.id == id {
                return Ok(response);
            }
        }
    }

    /// Waits until an abandoned worker answers after all, or ends.
    pub async fn late_answer(&mut self) -> io::Result<Response> {
        self.read().await
    }

    async fn read(&mut self) -> io::Result<Response> {
        loop {
            if let Some(response) = self.take_frame()? {
                return Ok(response);
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
            }
        }
    }

    fn take_frame(&mut self) -> io::Result<Option<Response>> {
        let Some((head, rest)) = self.buffer.split_first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_be_bytes(*head);
        if length > FRAME_LIMIT {
            return Err(io::Error::other(format!("the worker announced {length} bytes")));
        }
        let length = usize::try_from(length).map_err(io::Error::other)?;
        let Some(body) = rest.get(..length) else { return Ok(None) };
        let response = Response::decode(body).map_err(io::Error::other)?;
        self.buffer.drain(..4 + length);
        Ok(Some(response))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Its record goes only with the process: the next kerfd waits for what is still in a driver call.
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            drop(crate::files::remove(&self.record));
        }
    }
}

fn record(program: &WorkerProgram, child: &Child) -> io::Result<PathBuf> {
    let pid = child.id().ok_or_else(|| io::Error::other("the worker ended at once"))?;
    let path = program.records.join(pid.to_string());
    let start = process::identify(pid).map(|process| process.start_ticks).unwrap_or_default();
    let volatile = crate::files::Durability::Volatile;
    crate::files::replace(&path, start.to_string().as_bytes(), volatile)?;
    Ok(path)
}

/// Waits for workers of a kerfd before us to end: one of them may be inside a driver call whose effect we
/// would not see yet. Returns the pids of those that did not end in time.
pub async fn await_earlier(records: &Path, patience: std::time::Duration) -> Vec<u32> {
    let mut stuck = Vec::new();
    let Ok(entries) = std::fs::read_dir(records) else { return stuck };
    let deadline = tokio::time::Instant::now() + patience;
    for entry in entries.flatten() {
        let path = entry.path();
        let pid: Option<u32> = entry.file_name().to_str().and_then(|name| name.parse().ok());
        let start: Option<u64> =
            std::fs::read_to_string(&path).ok().and_then(|text| text.trim().parse().ok());
        if let (Some(pid), Some(start)) = (pid, start)
            && process::identify(pid).is_some_and(|found| found.start_ticks == start)
        {
            let ended = tokio::time::timeout_at(deadline, process::wait_for_exit(pid)).await;
            if ended.is_err() {
                stuck.push(pid);
                continue;
            }
        }
        drop(crate::files::remove(&path));
    }
    stuck
}
