//! Jobs over the API.

use kerf_api::v1;
use kerf_api::v1::attach_input::{Input, Size};
use kerf_api::v1::attach_output::Output;
use kerf_types::JobId;
use std::io::Cursor;
use std::time::Duration;
use tokio::sync::watch;
use tokio_stream::StreamExt;
use tokio_util::io::StreamReader;
use tonic::{Code, Status, Streaming};

use super::auth::Peer;
use super::status::with_hint;
use super::{Answers, Service, documents, streams};
use crate::errors::chain;
use crate::jobs::JobError;
use crate::launcher::logs::{self, LogStream};
use crate::launcher::{LauncherError, TerminalIo, TerminalSize};

/// Time for the container of an ended job to go, which takes well under a second where containerd is well.
const CLEARING: Duration = Duration::from_secs(10);

impl Service {
    pub(super) fn take_job(
        &self,
        peer: Peer,
        request: &v1::SubmitJobRequest,
    ) -> Result<v1::Job, Status> {
        let id = parse(&request.id)?;
        let row = self.jobs.submit(peer.uid, id, &request.spec_json)?;
        Ok(documents::job(&row, true))
    }

    pub(super) async fn find_job(
        &self,
        peer: Peer,
        request: &v1::GetJobRequest,
    ) -> Result<v1::Job, Status> {
        let id = parse(&request.id)?;
        let row = if request.wait {
            self.jobs.wait(id).await?
        } else {
            self.jobs.get(id)?
        };
        Ok(documents::job(&row, peer.owns(row.uid)))
    }

    pub(super) fn end_job(&self, peer: Peer, id: &str) -> Result<v1::Job, Status> {
        let id = parse(id)?;
        self.owned(peer, id)?;
        Ok(documents::job(&self.jobs.cancel(id)?, true))
    }

    /// Only a job's owner and admins see its output.
    pub(super) fn logs_of(
        &self,
        peer: Peer,
        request: &v1::ReadLogsRequest,
    ) -> Result<Answers<v1::LogChunk>, Status> {
        let id = parse(&request.id)?;
        self.owned(peer, id)?;
        let ended = request.follow.then(|| self.ended(id)).transpose()?;
        let chunks = logs::follow(self.jobs.log_dir(id), ended);
        Ok(Box::pin(chunks.map(|chunk| match chunk {
            Ok(chunk) => Ok(v1::LogChunk {
                stream: number(chunk.stream),
                data: chunk.bytes,
            }),
            Err(error) => Err(Status::internal(format!("the log cannot be read: {error}"))),
        })))
    }

    pub(super) async fn take_image(
        &self,
        parts: Streaming<v1::ImportImageRequest>,
    ) -> Result<v1::ImportImageResponse, Status> {
        let parts = parts.map(|part| {
            part.map(|part| Cursor::new(part.data))
                .map_err(std::io::Error::other)
        });
        let archive = StreamReader::new(parts);
        let images = self
            .jobs
            .launcher()
            .import_image(archive, None)
            .await
            .map_err(JobError::from)?;
        Ok(v1::ImportImageResponse { images })
    }

    pub(super) async fn attach_to(
        &self,
        peer: Peer,
        mut input: Streaming<v1::AttachInput>,
    ) -> Result<Answers<v1::AttachOutput>, Status> {
        let first = input.message().await?.and_then(|message| message.input);
        let Some(Input::Job(id)) = first else {
            return Err(Status::invalid_argument(
                "the first message must name the job",
            ));
        };
        let id = parse(&id)?;
        self.owned(peer, id)?;
        let mut row = self.jobs.watch(id)?;
        let settled = row
            .wait_for(|row| row.started.is_some() || row.state.is_final())
            .await;
        drop(settled.map_err(|_| JobError::Unknown { id })?);
        let terminal = self.terminal(id).await?;
        if terminal.is_none() && !self.jobs.get(id)?.state.is_final() {
            let text = format!("job {id} has no terminal, or somebody is attached to it");
            return Err(with_hint(
                Code::FailedPrecondition,
                text,
                "see `kerf logs -f`",
            ));
        }
        let (answers, stream) = streams::channel();
        let jobs = self.jobs.clone();
        tokio::spawn(async move {
            if let Some(terminal) = terminal {
                relay(terminal, input, &answers).await;
            }
            tokio::select! {
                row = jobs.wait(id) => if let Ok(row) = row {
                    let output = Some(Output::Ended(documents::job(&row, true)));
                    drop(answers.send(Ok(v1::AttachOutput { output })).await);
                },
                () = answers.closed() => {}
            }
        });
        Ok(stream)
    }

    /// The terminal of a job: the one that it was started with, or the same one opened again after a restart
    /// of kerfd or a client that went away.
    async fn terminal(&self, id: JobId) -> Result<Option<TerminalIo>, Status> {
        if let Some(terminal) = self.jobs.take_terminal(id) {
            return Ok(Some(terminal));
        }
        let row = self.jobs.get(id)?;
        let Some(container) = row.container.filter(|_| !row.state.is_final()) else {
            return Ok(None);
        };
        let launcher = self.jobs.launcher();
        let container = launcher.container(&container).map_err(JobError::from)?;
        match launcher.attach(&container).await {
            Ok(terminal) => Ok(Some(terminal)),
            Err(LauncherError::NoTerminal { .. }) => Ok(None),
            Err(error) => Err(JobError::from(error).into()),
        }
    }

    /// A flag that turns true when the job is over and its container is gone, with which its output is
    /// whole; a container that cannot be taken away is not waited for.
    fn ended(&self, id: JobId) -> Result<watch::Receiver<bool>, Status> {
        let mut row = self.jobs.watch(id)?;
        let mut cleared = self.jobs.cleared(id)?;
        let (sender, receiver) = watch::channel(false);
        tokio::spawn(async move {
            let over = async {
                // An error means that the job was forgotten, and then it is over too.
                drop(row.wait_for(|row| row.state.is_final()).await);
                let cleared = cleared.wait_for(|cleared| *cleared);
                drop(tokio::time::timeout(CLEARING, cleared).await);
            };
            tokio::select! {
                () = over => { sender.send_replace(true); }
                // The reader has left.
                () = sender.closed() => {}
            }
        });
        Ok(receiver)
    }

    fn owned(&self, peer: Peer, id: JobId) -> Result<(), Status> {
        if peer.owns(self.jobs.get(id)?.uid) {
            return Ok(());
        }
        Err(Status::permission_denied(format!("job {id} is not yours")))
    }
}

/// Carries bytes between a client and a terminal until the terminal ends or the client leaves.
async fn relay(
    terminal: TerminalIo,
    mut input: Streaming<v1::AttachInput>,
    answers: &tokio::sync::mpsc::Sender<Result<v1::AttachOutput, Status>>,
) {
    let TerminalIo {
        mut output,
        input: stdin,
    } = terminal;
    let mut stdin = Some(stdin);
    let to_container = async {
        while let Ok(Some(message)) = input.message().await {
            let outcome = match message.input {
                Some(Input::Stdin(bytes)) => match &mut stdin {
                    Some(stdin) => stdin.write(&bytes).await.is_ok(),
                    None => true,
                },
                Some(Input::Resize(size)) => match &stdin {
                    Some(stdin) => stdin.resize(terminal_size(size)).await.is_ok(),
                    None => true,
                },
                Some(Input::CloseStdin(_)) => match stdin.take() {
                    Some(stdin) => stdin.close().await.is_ok(),
                    None => true,
                },
                Some(Input::Job(_)) | None => true,
            };
            if !outcome {
                break;
            }
        }
        std::future::pending::<()>().await;
    };
    let to_client = async {
        while let Ok(Some(data)) = output.read().await {
            let output = Some(Output::Data(data.to_vec()));
            if answers.send(Ok(v1::AttachOutput { output })).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = to_container => {}
        () = to_client => {}
        () = answers.closed() => {}
    }
}

fn terminal_size(size: Size) -> TerminalSize {
    let narrow = |number: u32| u16::try_from(number).unwrap_or(u16::MAX);
    TerminalSize {
        rows: narrow(size.rows),
        columns: narrow(size.columns),
    }
}

/// The number of an output as programs know it.
fn number(stream: LogStream) -> u32 {
    match stream {
        LogStream::Stdout => 1,
        LogStream::Stderr => 2,
    }
}

fn parse(id: &str) -> Result<JobId, Status> {
    id.parse()
        .map_err(|error: kerf_types::ParseError| Status::invalid_argument(error.to_string()))
}

impl From<JobError> for Status {
    fn from(error: JobError) -> Self {
        let (code, hint) = match &error {
            JobError::Unknown { .. } => (Code::NotFound, "see `kerf jobs --all`"),
            JobError::Spec(_) | JobError::Members { .. } => {
                (Code::InvalidArgument, "see `kerf schema job`")
            }
            JobError::OtherSpec { .. } => (Code::AlreadyExists, "choose a new id"),
            JobError::TooMany { .. } => (Code::ResourceExhausted, "wait until some have ended"),
            JobError::Store(_) => (Code::Unavailable, "see `kerf status`"),
            JobError::Launcher(error) => (launcher_code(error), "see `kerf status`"),
        };
        with_hint(code, chain(&error), hint)
    }
}

fn launcher_code(error: &LauncherError) -> Code {
    if error.is_transient() {
        Code::Unavailable
    } else {
        Code::FailedPrecondition
    }
}
