//! A process that computes through MPS: it comes to the daemon, stays as long as it holds the connection, and
//! loses its context when the server does.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// What a client wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientRequest {
    /// The daemon's pipe directory.
    pub pipe: PathBuf,
    /// The device, by ordinal or UUID.
    pub device: String,
    /// Device memory that it takes.
    pub memory_bytes: u64,
    /// SMs that it would keep busy, percent; it gets no more than the server lets it have.
    pub sm_percent: u32,
}

/// Why a client did not get in, or has lost its context.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No daemon listens there.
    #[error("no MPS control daemon answers in {}", .pipe.display())]
    NoDaemon {
        /// The pipe directory.
        pipe: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The daemon turned it away.
    #[error("the MPS control daemon refuses: {said}")]
    Refused {
        /// Its words.
        said: String,
    },
    /// The connection ended: the context is lost.
    #[error("the MPS server is gone")]
    Lost,
}

/// A client with a context. Dropping it ends the context.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<UnixStream>,
    server: u32,
}

impl Client {
    /// Comes to the daemon and waits until it has a context: another user's clients are waited for.
    ///
    /// # Errors
    /// Each reason of `ClientError`.
    pub fn connect(request: &ClientRequest) -> Result<Self, ClientError> {
        Self::connect_at(&request.pipe.join("control"), request)
    }

    /// As `connect`, with the control socket at another path than the pipe directory's.
    ///
    /// # Errors
    /// Each reason of `ClientError`.
    pub fn connect_at(socket: &Path, request: &ClientRequest) -> Result<Self, ClientError> {
        let absent = |source| ClientError::NoDaemon {
            pipe: request.pipe.clone(),
            source,
        };
        let mut stream = UnixStream::connect(socket).map_err(absent)?;
        let ClientRequest {
            device,
            memory_bytes,
            sm_percent,
            ..
        } = request;
        let line = format!("client {device} {memory_bytes} {sm_percent}\n");
        stream.write_all(line.as_bytes()).map_err(absent)?;
        let mut stream = BufReader::new(stream);
        let mut answer = String::new();
        stream
            .read_line(&mut answer)
            .map_err(|_| ClientError::Lost)?;
        let answer = answer.trim_end();
        match answer.split_once(' ') {
            Some(("server", pid)) => {
                let server = pid.parse().map_err(|_| ClientError::Lost)?;
                Ok(Self { stream, server })
            }
            Some(("refused", said)) => Err(ClientError::Refused {
                said: said.to_owned(),
            }),
            _ => Err(ClientError::Lost),
        }
    }

    /// Its server.
    pub fn server(&self) -> u32 {
        self.server
    }

    /// Does what no kernel should: all clients of the server lose their contexts, this one too.
    ///
    /// # Errors
    /// `Lost` where that has happened already.
    pub fn fault(&mut self) -> Result<(), ClientError> {
        let told = self.stream.get_mut().write_all(b"fault\n");
        told.map_err(|_| ClientError::Lost)
    }

    /// Returns when the context is lost.
    pub fn wait(mut self) -> ClientError {
        let mut line = String::new();
        // Whatever comes, a word or the end: the daemon says nothing to a client that is well.
        match self.stream.read_line(&mut line) {
            Ok(_) | Err(_) => ClientError::Lost,
        }
    }
}
