//! One partitioner process and the socket to it.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use kerf_api::frame::{FrameDecoder, encode_frame};
use kerf_api::partitioner::v1::{Request, Response, request};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};

use crate::process;

/// Bytes taken from the socket at once; a GPU with every profile is about 20 KiB.
const READ_SIZE: usize = 32 << 10;

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
    decoder: FrameDecoder,
    next_id: u64,
    record: PathBuf,
    /// Taken when it is dropped, by the task that waits for its end.
    child: Option<Child>,
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
        Ok(Self {
            stream,
            decoder: FrameDecoder::new(),
            next_id: 1,
            record,
            child: Some(child),
        })
    }

    /// Sends a call and waits for its answer. Cancel-safe: when the caller gives up, a later
    /// [`Worker::late_answer`] still finds the answer.
    pub async fn call(&mut self, call: request::Call) -> io::Result<Response> {
        let id = self.next_id;
        self.next_id += 1;
        let frame = encode_frame(&Request {
            id,
            call: Some(call),
        })
        .map_err(io::Error::other)?;
        self.stream.write_all(&frame).await?;
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
        let mut part = vec![0; READ_SIZE];
        loop {
            if let Some(response) = self.decoder.pop().map_err(io::Error::other)? {
                return Ok(response);
            }
            let count = self.stream.read(&mut part).await?;
            if count == 0 {
                self.decoder.finish().map_err(io::Error::other)?;
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
            }
            self.decoder.push(part.get(..count).unwrap_or_default());
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Its record goes only with the process: the next kerfd waits for what is still in a driver call. The
        // process itself ends after the socket, which is closed when this returns, so somebody has to wait.
        let Some(mut child) = self.child.take() else {
            return;
        };
        let record = std::mem::take(&mut self.record);
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            if matches!(child.try_wait(), Ok(Some(_))) {
                remove_record(&record);
            }
            return;
        };
        runtime.spawn(async move {
            if child.wait().await.is_ok() {
                remove_record(&record);
            }
        });
    }
}

fn remove_record(record: &Path) {
    if let Err(error) = crate::files::remove(record) {
        // The next kerfd sees that no such process runs, and removes it then.
        tracing::debug!(path = %record.display(), %error, "record of an ended worker stays");
    }
}

fn record(program: &WorkerProgram, child: &Child) -> io::Result<PathBuf> {
    let pid = child
        .id()
        .ok_or_else(|| io::Error::other("the worker ended at once"))?;
    let path = program.records.join(pid.to_string());
    let start = process::identify(pid)
        .map(|process| process.start_ticks)
        .unwrap_or_default();
    let volatile = crate::files::Durability::Volatile;
    crate::files::replace(&path, start.to_string().as_bytes(), volatile)?;
    Ok(path)
}

/// Waits for workers of a kerfd before us to end: one of them may be inside a driver call whose effect we
/// would not see yet. Returns the pids of those that did not end in time.
pub async fn await_earlier(records: &Path, patience: std::time::Duration) -> Vec<u32> {
    let mut stuck = Vec::new();
    let Ok(entries) = std::fs::read_dir(records) else {
        return stuck;
    };
    let deadline = tokio::time::Instant::now() + patience;
    for entry in entries.flatten() {
        let path = entry.path();
        let pid: Option<u32> = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        let start: Option<u64> = std::fs::read_to_string(&path)
            .ok()
            .and_then(|text| text.trim().parse().ok());
        if let (Some(pid), Some(start)) = (pid, start)
            && let Some(found) = process::identify(pid)
            && found.start_ticks == start
        {
            // This is also asked while we run, and then our own workers are written down there too.
            if process::parent(pid) == Some(std::process::id()) {
                continue;
            }
            let ended = tokio::time::timeout_at(deadline, process::wait_for(&found)).await;
            if ended.is_err() {
                stuck.push(pid);
                continue;
            }
        }
        drop(crate::files::remove(&path));
    }
    stuck
}
