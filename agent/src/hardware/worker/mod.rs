//! One partitioner process and the socket to it.
//!
//! Where a service manager offers workers on a socket, a worker comes from there ([`connect`]): it has the
//! rights that its unit gives it, and kerfd needs none of them. Elsewhere kerfd starts the process itself.
//! Both are the same from then on, down to the record that the next kerfd waits by ([`records`]).

mod connect;
mod records;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use kerf_api::frame::{FrameDecoder, encode_frame};
use kerf_api::partitioner::v1::{Request, Response, request, response};
use kerf_partitioner::client::simulated_option;
use kerf_types::lease::InitProcess;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};

use crate::process;
use connect::ConnectError;
pub use records::{await_earlier, await_last_call, end_earlier, running};

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
    /// The folder of the simulated machine whose root that is, where it is one.
    pub simulated: Option<PathBuf>,
    /// Folder in which running workers are written down.
    pub records: PathBuf,
    /// Socket on which a service manager offers workers; it need not be there.
    pub socket: PathBuf,
    /// What they are for.
    pub kind: Kind,
}

/// What a worker is for; each kind has a socket and records of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// The hardware.
    Hardware,
    /// Processes and containers; it has no library, and processes are always the real ones.
    Processes {
        /// kerf-runtime, which it starts as guard.
        runtime: PathBuf,
    },
}

impl WorkerProgram {
    /// What follows the program's name.
    fn arguments(&self) -> Vec<OsString> {
        let sysroot = ["--sysroot".into(), self.sysroot.as_os_str().to_owned()];
        match &self.kind {
            Kind::Hardware => {
                let nvml = self.nvml.as_deref().unwrap_or(Path::new("none"));
                let nvml = ["worker".into(), "--nvml".into(), nvml.into()];
                let simulated = simulated_option(self.simulated.as_deref());
                nvml.into_iter().chain(sysroot).chain(simulated).collect()
            }
            Kind::Processes { runtime } => {
                let runtime = ["--runtime".into(), runtime.as_os_str().to_owned()];
                let verb = ["process-worker".into()];
                verb.into_iter().chain(sysroot).chain(runtime).collect()
            }
        }
    }
}

/// A partitioner process. Dropping it closes its socket, and it ends by itself after the call it is in; one for hardware
/// is never killed, since a kill inside a driver call has frozen GPUs in the field.
#[derive(Debug)]
pub struct Worker {
    stream: UnixStream,
    decoder: FrameDecoder,
    next_id: u64,
    /// Taken when it is dropped, by the task that waits for its end; absent until the process is known.
    run: Option<Run>,
}

/// A running worker process and its record.
#[derive(Debug)]
struct Run {
    process: Process,
    record: PathBuf,
    /// Folders of devices in which a thread of it is stuck, as the record says.
    held: Vec<String>,
}

impl Run {
    fn new(process: Process, record: PathBuf) -> Self {
        let held = Vec::new();
        Self {
            process,
            record,
            held,
        }
    }
}

#[derive(Debug)]
enum Process {
    /// Started here.
    Child(Child),
    /// Started by the service manager.
    Other(InitProcess),
}

impl Process {
    async fn ended(&mut self) -> io::Result<()> {
        match self {
            Self::Child(child) => child.wait().await.map(drop),
            Self::Other(process) => {
                process::wait_for(process).await;
                Ok(())
            }
        }
    }

    fn has_ended(&mut self) -> bool {
        match self {
            Self::Child(child) => matches!(child.try_wait(), Ok(Some(_))),
            Self::Other(process) => !process::is_alive(process),
        }
    }
}

impl Worker {
    /// A worker from the socket, or one started here where nobody offers a fit one.
    pub async fn start(program: &WorkerProgram) -> io::Result<Self> {
        match connect::connect(program).await {
            Ok(worker) => return Ok(worker),
            Err(ConnectError::Absent) => {}
            Err(error) => {
                let (path, why) = (program.socket.display(), crate::errors::chain(&error));
                tracing::warn!(%path, error = why, "offered worker not used, starting one");
            }
        }
        Self::spawn(program)
    }

    fn new(stream: UnixStream) -> Self {
        Self {
            stream,
            decoder: FrameDecoder::new(),
            next_id: 1,
            run: None,
        }
    }

    fn spawn(program: &WorkerProgram) -> io::Result<Self> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let mut command = Command::new(&program.program);
        command
            .args(program.arguments())
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .process_group(0)
            .kill_on_drop(false);
        let child = command.spawn()?;
        let pid = child
            .id()
            .ok_or_else(|| io::Error::other("the worker ended at once"))?;
        let record = records::write(&program.records, pid, process::identify(pid).as_ref())?;
        let mut worker = Self::new(UnixStream::from_std(ours)?);
        let process = Process::Child(child);
        worker.run = Some(Run::new(process, record));
        Ok(worker)
    }

    /// Sends a call and waits for its answer. Cancel-safe: when the caller gives up, a later
    /// [`Worker::late_answer`] still finds the answer. One that looks at the host is told which devices hold a thread of
    /// other workers.
    pub async fn call(&mut self, mut call: request::Call) -> io::Result<Response> {
        let id = self.next_id;
        self.next_id += 1;
        if let (request::Call::ObserveHost(ask), Some(run)) = (&mut call, &self.run) {
            ask.held = records::held_by_others(&run.record);
        }
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

    /// Whether it runs still: one that waited for its next call may have been ended meanwhile.
    pub fn is_running(&mut self) -> bool {
        let run = self.run.as_mut();
        run.is_some_and(|run| !run.process.has_ended())
    }

    /// Its process id, where that is known.
    pub fn pid(&self) -> Option<u32> {
        match &self.run.as_ref()?.process {
            Process::Child(child) => child.id(),
            Process::Other(process) => Some(process.pid),
        }
    }

    /// Ends it in the middle of a call, and returns when it has ended. For workers that open no driver alone. Never this
    /// very process, which tests have answer as a worker.
    pub async fn end(&mut self) {
        let Some(run) = &mut self.run else {
            return;
        };
        let killed = match &mut run.process {
            Process::Child(child) => child.start_kill(),
            Process::Other(process) if process.pid == std::process::id() => return,
            Process::Other(process) => process::kill(process),
        };
        if let Err(error) = killed.and(run.process.ended().await) {
            tracing::warn!(%error, "worker not ended");
        }
    }

    /// Waits until an abandoned worker answers after all, or ends.
    pub async fn late_answer(&mut self) -> io::Result<Response> {
        self.read().await
    }

    /// Writes down in which devices a thread of it is stuck, for the next worker: this one may be let go of and cannot
    /// end then.
    fn note_held(&mut self, held: &[String]) {
        let Some(run) = self.run.as_mut().filter(|run| run.held != held) else {
            return;
        };
        match records::note_held(&run.record, held) {
            Ok(()) => run.held = held.to_owned(),
            // It is tried again with the next answer.
            Err(error) => {
                tracing::warn!(path = %run.record.display(), %error, "held devices not noted")
            }
        }
    }

    async fn read(&mut self) -> io::Result<Response> {
        let mut part = vec![0; READ_SIZE];
        loop {
            if let Some(response) = self.decoder.pop::<Response>().map_err(io::Error::other)? {
                if let Some(response::Outcome::Host(facts)) = &response.outcome {
                    self.note_held(&facts.held);
                }
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
        let Some(Run {
            mut process,
            record,
            ..
        }) = self.run.take()
        else {
            return;
        };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            if process.has_ended() {
                records::remove(&record);
            }
            return;
        };
        runtime.spawn(async move {
            if process.ended().await.is_ok() {
                records::remove(&record);
            }
        });
    }
}
