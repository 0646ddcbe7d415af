//! The other end of a worker's socket, for callers that may block: a request, an answer, a deadline.
//!
//! Owns the worker process that it starts. After a missed deadline the worker may be stuck in a driver call: it is left
//! behind, and ends by itself when the driver lets it go, or is ended by whoever has only looked ([`Client::end`]). What
//! a worker says on its standard error is copied to ours, so that one that is stuck holds nothing open of whoever called
//! this program.

mod words;

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kerf_api::convert::ConvertError;
use kerf_api::frame::{FrameDecoder, FrameError, encode_frame};
use kerf_api::partitioner::v1 as wire;
use kerf_api::partitioner::v1::request::Call;
use kerf_api::partitioner::v1::response::Outcome;
use kerf_types::sample::GpuSample;
use kerf_types::{AmdGpu, Gpu, PciAddress, Step};

use crate::worker::Machine;
use words::Words;

/// Bytes read at once: an answer of a GPU with all its profiles has some KiB.
const READ_BYTES: usize = 16_384;
/// How long a client that is dropped waits for its idle worker to end, so that it leaves no zombie.
const FAREWELL: Duration = Duration::from_secs(2);
/// How long one that was killed is waited for: it is gone at once, or waits inside the kernel.
const KILLED: Duration = Duration::from_millis(200);
const FAREWELL_STEP: Duration = Duration::from_millis(2);

/// How to start a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerCommand {
    /// The `kerf-partitioner` program.
    pub executable: PathBuf,
    /// The machine that it shall serve.
    pub machine: Machine,
}

impl WorkerCommand {
    /// The command line; standard input is still to be set to the worker's end of a socket pair. A group
    /// of its own keeps Ctrl-C in a terminal from reaching it.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.executable);
        let library = self.machine.library.as_ref();
        command
            .arg("worker")
            .arg("--nvml")
            .arg(library.map_or_else(|| "none".into(), |path| path.as_os_str().to_owned()))
            .arg("--sysroot")
            .arg(&self.machine.sysroot)
            .args(simulated_option(self.machine.simulated.as_deref()))
            .stdout(Stdio::null())
            .process_group(0);
        command
    }
}

/// The option that tells a worker that its machine is simulated, where it is.
pub fn simulated_option(folder: Option<&Path>) -> impl Iterator<Item = OsString> {
    let option = |folder: &Path| ["--simulated".into(), folder.as_os_str().to_owned()];
    folder.map(option).into_iter().flatten()
}

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The worker could not be started.
    #[error("start the worker {executable:?}")]
    Spawn {
        /// The program.
        executable: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// The socket failed.
    #[error("talk to the worker")]
    Socket {
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// The worker closed its end.
    #[error("the worker has ended")]
    Gone,
    /// The answer did not come in time. The worker must be left behind.
    #[error("no answer within {deadline_ms} ms")]
    Deadline {
        /// The time that it had.
        deadline_ms: u128,
    },
    /// What came is no answer.
    #[error("read an answer")]
    Frame {
        /// What is wrong with it.
        #[source]
        cause: FrameError,
    },
    /// The answer holds what no worker may say.
    #[error("understand an answer")]
    Convert {
        /// What is wrong with it.
        #[source]
        cause: ConvertError,
    },
    /// The answer is to another question.
    #[error("the answer is of another kind than the request")]
    OtherKind,
    /// The worker answered that it failed.
    #[error("{}", .0.message)]
    Refused(wire::Failure),
}

/// A worker and the way to talk to it.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    worker: Option<Child>,
    words: Option<Words>,
    frames: FrameDecoder,
    last_id: u64,
}

impl Client {
    /// Starts a worker.
    pub fn spawn(command: &WorkerCommand) -> Result<Self, ClientError> {
        let failed = |cause| ClientError::Spawn {
            executable: command.executable.clone(),
            cause,
        };
        let (ours, theirs) = UnixStream::pair().map_err(failed)?;
        let mut worker = command
            .command()
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        Ok(Self {
            stream: ours,
            words: worker.stderr.take().and_then(Words::copy),
            worker: Some(worker),
            frames: FrameDecoder::new(),
            last_id: 0,
        })
    }

    /// Process id of the worker.
    pub fn pid(&self) -> Option<u32> {
        self.worker.as_ref().map(Child::id)
    }

    /// One request. After [`ClientError::Deadline`] the client is of no more use: see
    /// [`Client::abandon`].
    pub fn call(&mut self, call: Call, deadline: Duration) -> Result<Outcome, ClientError> {
        self.last_id += 1;
        let request = wire::Request {
            id: self.last_id,
            call: Some(call),
        };
        let frame = encode_frame(&request).map_err(|cause| ClientError::Frame { cause })?;
        let end = Instant::now() + deadline;
        self.stream
            .set_write_timeout(Some(deadline))
            .map_err(socket)?;
        self.stream
            .write_all(&frame)
            .map_err(|error| missed(error, deadline))?;
        loop {
            let answer = self.frames.pop::<wire::Response>();
            match answer.map_err(|cause| ClientError::Frame { cause })? {
                // An answer to an earlier request, which was given up.
                Some(answer) if answer.id != self.last_id => {}
                Some(answer) => {
                    return match answer.outcome {
                        Some(Outcome::Failure(failure)) => Err(ClientError::Refused(failure)),
                        Some(outcome) => Ok(outcome),
                        None => Err(ClientError::OtherKind),
                    };
                }
                None => self.receive(end, deadline)?,
            }
        }
    }

    fn receive(&mut self, end: Instant, deadline: Duration) -> Result<(), ClientError> {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ClientError::Deadline {
                deadline_ms: deadline.as_millis(),
            });
        }
        self.stream.set_read_timeout(Some(left)).map_err(socket)?;
        let mut bytes = [0; READ_BYTES];
        match self.stream.read(&mut bytes) {
            Ok(0) => Err(ClientError::Gone),
            Ok(count) => {
                self.frames.push(bytes.get(..count).unwrap_or_default());
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(missed(error, deadline)),
        }
    }

    /// Loads the driver library.
    pub fn open(&mut self, deadline: Duration) -> Result<wire::Opened, ClientError> {
        match self.call(Call::Open(wire::Open {}), deadline)? {
            Outcome::Opened(opened) => Ok(opened),
            _ => Err(ClientError::OtherKind),
        }
    }

    /// The host apart from its GPUs.
    pub fn observe_host(&mut self, deadline: Duration) -> Result<wire::HostFacts, ClientError> {
        let ask = wire::ObserveHost {
            deadline_ms: u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX),
            held: Vec::new(),
        };
        match self.call(Call::ObserveHost(ask), deadline)? {
            Outcome::Host(host) => Ok(*host),
            _ => Err(ClientError::OtherKind),
        }
    }

    /// One GPU.
    pub fn observe_gpu(&mut self, index: u32, deadline: Duration) -> Result<Gpu, ClientError> {
        gpu(self.call(
            Call::ObserveGpu(wire::ObserveGpu { index, pci: None }),
            deadline,
        )?)
    }

    /// One AMD GPU.
    pub fn observe_amd(
        &mut self,
        pci: PciAddress,
        deadline: Duration,
    ) -> Result<AmdGpu, ClientError> {
        let pci = pci.to_string();
        amd_gpu(self.call(Call::ObserveAmd(wire::ObserveAmd { pci }), deadline)?)
    }

    /// Carries out a step of an AMD GPU; the GPU as it is then.
    pub fn apply_amd(&mut self, step: &Step, deadline: Duration) -> Result<AmdGpu, ClientError> {
        let step = Some(step.into());
        amd_gpu(self.call(Call::Apply(wire::Apply { step }), deadline)?)
    }

    /// Carries out a step; the GPU as it is then.
    pub fn apply(&mut self, step: &Step, deadline: Duration) -> Result<Gpu, ClientError> {
        gpu(self.call(
            Call::Apply(wire::Apply {
                step: Some(step.into()),
            }),
            deadline,
        )?)
    }

    /// Who may have a context on a GPU.
    pub fn compute_mode(
        &mut self,
        gpu: PciAddress,
        deadline: Duration,
    ) -> Result<wire::ComputeMode, ClientError> {
        let pci = gpu.to_string();
        let call = Call::GetComputeMode(wire::GetComputeMode { pci });
        compute_mode(self.call(call, deadline)?)
    }

    /// Says who may have a context on a GPU; what is read back.
    pub fn set_compute_mode(
        &mut self,
        gpu: PciAddress,
        mode: wire::ComputeMode,
        deadline: Duration,
    ) -> Result<wire::ComputeMode, ClientError> {
        let (pci, mode) = (gpu.to_string(), mode.into());
        let call = Call::SetComputeMode(wire::SetComputeMode { pci, mode });
        compute_mode(self.call(call, deadline)?)
    }

    /// One reading of a GPU.
    pub fn sample(&mut self, index: u32, deadline: Duration) -> Result<GpuSample, ClientError> {
        match self.call(Call::Sample(wire::Sample { index, pci: None }), deadline)? {
            Outcome::Sampled(wire::Sampled {
                sample: Some(sample),
                ..
            }) => sample
                .try_into()
                .map_err(|cause| ClientError::Convert { cause }),
            _ => Err(ClientError::OtherKind),
        }
    }

    /// Device nodes of capabilities.
    pub fn ensure_nodes(
        &mut self,
        capability_minors: Vec<u32>,
        deadline: Duration,
    ) -> Result<Vec<wire::DeviceNode>, ClientError> {
        let call = Call::EnsureNodes(wire::EnsureNodes {
            capability_minors,
            imex_channels: Vec::new(),
        });
        match self.call(call, deadline)? {
            Outcome::Nodes(nodes) => Ok(nodes.nodes),
            _ => Err(ClientError::OtherKind),
        }
    }

    /// Leaves the worker behind. It sees the closed socket when the driver lets it go, and ends.
    pub fn abandon(mut self) {
        self.worker = None;
    }

    /// Ends a worker that is stuck and that nobody waits for any more: it would stay for as long as the GPU hangs, and
    /// one more with every look. It was asked to read alone; one that waits inside the kernel ends when it can.
    pub fn end(mut self) {
        let Some(mut worker) = self.worker.take() else {
            return;
        };
        if worker.kill().is_ok() {
            await_end(&mut worker, KILLED);
        }
    }
}

impl Drop for Client {
    /// Closes the socket, which ends an idle worker, and waits for that. One that is busy is left behind.
    fn drop(&mut self) {
        let Some(mut worker) = self.worker.take() else {
            return;
        };
        if self.stream.shutdown(std::net::Shutdown::Both).is_err() {
            return;
        }
        await_end(&mut worker, FAREWELL);
        if let Some(words) = self.words.take() {
            words.await_last(FAREWELL);
        }
    }
}

/// Waits for a process to end, so that it leaves no zombie.
fn await_end(worker: &mut Child, limit: Duration) {
    let end = Instant::now() + limit;
    while matches!(worker.try_wait(), Ok(None)) && Instant::now() < end {
        std::thread::sleep(FAREWELL_STEP);
    }
}

fn gpu(outcome: Outcome) -> Result<Gpu, ClientError> {
    match outcome {
        Outcome::Gpu(gpu) => gpu
            .try_into()
            .map_err(|cause| ClientError::Convert { cause }),
        _ => Err(ClientError::OtherKind),
    }
}

fn amd_gpu(outcome: Outcome) -> Result<AmdGpu, ClientError> {
    match outcome {
        Outcome::AmdGpu(gpu) => gpu
            .try_into()
            .map_err(|cause| ClientError::Convert { cause }),
        _ => Err(ClientError::OtherKind),
    }
}

fn compute_mode(outcome: Outcome) -> Result<wire::ComputeMode, ClientError> {
    match outcome {
        Outcome::ComputeMode(answer) => Ok(answer.mode()),
        _ => Err(ClientError::OtherKind),
    }
}

fn socket(cause: io::Error) -> ClientError {
    ClientError::Socket { cause }
}

fn missed(error: io::Error, deadline: Duration) -> ClientError {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => ClientError::Deadline {
            deadline_ms: deadline.as_millis(),
        },
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => ClientError::Gone,
        _ => socket(error),
    }
}
