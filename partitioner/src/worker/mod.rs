//! The worker process: answers requests on a socket, one at a time, until the other end closes it.
//!
//! ```text
//! idle --request--> in the driver --answer--> idle --end of stream--> exit 0
//!                        | (hangs: the client leaves this process behind and starts another)
//! ```
//! It keeps nothing between requests but the loaded library, what a reading compares with, and what no step can
//! change of a GPU. It never dies inside a driver call: a process killed there has frozen GPUs. So it takes signals
//! only while idle and is not tied to its parent's death; deadlines are the client's. (One that hangs in a look
//! without kerfd is killed by who looked: nothing was being changed, and nobody would ever wait for it.)

mod answer;
mod bounded;
mod confine;
mod failure;
mod host;

use std::cell::OnceCell;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use kerf_api::frame::{FrameDecoder, FrameError, encode_frame};
use kerf_api::partitioner::v1::{Request, Response};
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::signal::SigSet;
use nvidia_ml::kernel::Kernel;

use crate::sysfs::{Root, SysfsError};
use crate::systree::{RealTree, SimTree, SysTree};
use answer::Worker;
pub use confine::confine;

/// Bytes read at once; requests are smaller.
const READ_BYTES: usize = 4_096;

/// Which machine a worker serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// The driver library; `None` for a host without one.
    pub library: Option<PathBuf>,
    /// The folder that stands for `/`.
    pub sysroot: PathBuf,
    /// The folder of the simulated machine whose `root` that is. What is written goes through its kernel then;
    /// nothing but this leads there.
    pub simulated: Option<PathBuf>,
}

impl Machine {
    /// The machine under a folder with a driver library: a path, `auto` for the installed driver's, or `none`. Paths are
    /// taken from the present folder.
    pub fn under(sysroot: &Path, nvml: &Path) -> io::Result<Self> {
        let library = match nvml.to_str() {
            Some("none") => None,
            Some("auto") => crate::library::usual(),
            _ => Some(std::path::absolute(nvml)?),
        };
        Ok(Self {
            library,
            sysroot: std::path::absolute(sysroot)?,
            simulated: None,
        })
    }

    /// The simulated kernel that it has, if it has one.
    fn kernel(&self) -> Result<Option<Kernel>, WorkerError> {
        let Some(folder) = &self.simulated else {
            return Ok(None);
        };
        let other = || WorkerError::OtherRoot {
            machine: folder.clone(),
            sysroot: self.sysroot.clone(),
        };
        let own = folder.join("root").canonicalize().map_err(|_| other())?;
        if self.sysroot.canonicalize().ok() != Some(own) {
            return Err(other());
        }
        let kernel = Kernel::open(folder);
        Ok(Some(kernel.map_err(|cause| WorkerError::Kernel { cause })?))
    }
}

/// Why a worker ended before its client did.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The machine's root could not be opened.
    #[error("open the machine")]
    Sysroot {
        /// Why.
        #[source]
        cause: SysfsError,
    },
    /// The simulated machine is not the one whose root was named.
    #[error("{sysroot:?} is not the root of the simulated machine in {machine:?}")]
    OtherRoot {
        /// The machine's folder.
        machine: PathBuf,
        /// The root that was named.
        sysroot: PathBuf,
    },
    /// The simulated machine's kernel could not be used.
    #[error("open the simulated kernel")]
    Kernel {
        /// Why.
        #[source]
        cause: nvidia_ml::StoreError,
    },
    /// The socket failed.
    #[error("{operation} the socket")]
    Socket {
        /// What was tried.
        operation: &'static str,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// What came is no request.
    #[error("read a request")]
    Frame {
        /// What is wrong with it.
        #[source]
        cause: FrameError,
    },
}

/// Serves one client until it closes its end.
pub fn serve(stream: UnixStream, machine: &Machine) -> Result<(), WorkerError> {
    let root = Root::open(&machine.sysroot).map_err(|cause| WorkerError::Sysroot { cause })?;
    let kernel = machine.kernel()?;
    // Declared before the worker, so that what borrows from the library goes first.
    let library = OnceCell::new();
    let tree: Box<dyn SysTree + '_> = match kernel {
        Some(kernel) => Box::new(SimTree::new(kernel)),
        None => Box::new(RealTree::new(&root)),
    };
    let programs = machine.simulated.is_none().then(|| root.path());
    let library_path = machine.library.as_deref();
    let mut worker = Worker::new(library_path, &root, &*tree, programs, &library);
    converse(stream, |request| worker.answer(request))
}

/// Answers a client's requests, one after the other, until it closes its end. Signals are let in between two of them.
pub(crate) fn converse(
    mut stream: UnixStream,
    mut answer: impl FnMut(Request) -> Response,
) -> Result<(), WorkerError> {
    SigSet::all()
        .thread_block()
        .map_err(|errno| WorkerError::Socket {
            operation: "keep signals off",
            cause: errno.into(),
        })?;
    let mut frames = FrameDecoder::new();
    let frame_error = |cause| WorkerError::Frame { cause };
    loop {
        while let Some(request) = frames.pop::<Request>().map_err(frame_error)? {
            let answer = encode_frame(&answer(request)).map_err(frame_error)?;
            match stream.write_all(&answer) {
                Ok(()) => {}
                // The client gave up on this answer and on this worker.
                Err(error) if is_gone(&error) => return Ok(()),
                Err(cause) => {
                    return Err(WorkerError::Socket {
                        operation: "write",
                        cause,
                    });
                }
            }
        }
        wait(&stream)?;
        let mut bytes = [0; READ_BYTES];
        match stream.read(&mut bytes) {
            Ok(0) => return frames.finish().map_err(frame_error),
            Ok(count) => frames.push(bytes.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if is_gone(&error) => return Ok(()),
            Err(cause) => {
                return Err(WorkerError::Socket {
                    operation: "read",
                    cause,
                });
            }
        }
    }
}

/// Waits for bytes with signals let in: here, and only here, one may end the process.
fn wait(stream: &UnixStream) -> Result<(), WorkerError> {
    let mut sockets = [PollFd::new(stream.as_fd(), PollFlags::POLLIN)];
    match ppoll(&mut sockets, None, Some(SigSet::empty())) {
        Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
        Err(errno) => Err(WorkerError::Socket {
            operation: "wait on",
            cause: errno.into(),
        }),
    }
}

fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
    )
}

#[cfg(test)]
mod tests;
