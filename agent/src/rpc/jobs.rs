//! Jobs over the API.

use kerf_api::v1;
use kerf_api::v1::attach_input::{Input, Size};
use kerf_api::v1::attach_output::Output;
use kerf_types::{HostId, JobId};
use prost::Message;
use std::collections::BTreeMap;
use std::io::Cursor;
use tokio_stream::StreamExt;
use tokio_util::io::StreamReader;
use tonic::{Code, Status, Streaming};

use super::auth::{Peer, Role};
use super::status::with_hint;
use super::{Answers, Service, documents, streams};
use crate::errors::chain;
use crate::jobs::{Asked, JobError, Place};
use crate::launcher::logs::Position;
use crate::launcher::{LauncherError, TerminalSize};
use crate::members::Attachment;
use crate::store::JobRow;

/// Bytes of one page of the list: with the largest job beside it still below the limit of a message.
const PAGE: usize = 1 << 20;

impl Service {
    pub(super) fn take_job(
        &self,
        peer: Peer,
        request: &v1::SubmitJobRequest,
    ) -> Result<v1::Job, Status> {
        let id = parse(&request.id)?;
        let row = self.jobs.submit(peer.submitter(), id, &request.spec_json)?;
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
        Ok(documents::job(&row, peer.owns(row.uid())))
    }

    pub(super) fn end_job(&self, peer: Peer, id: &str) -> Result<v1::Job, Status> {
        let id = parse(id)?;
        self.owned(peer, id)?;
        Ok(documents::job(&self.jobs.cancel(id)?, true))
    }

    /// Whoever may look at a job may know why it is where it is; what it was started with is not told.
    pub(super) fn explanation_of(&self, id: &str) -> Result<v1::JobExplanation, Status> {
        let row = self.jobs.get(parse(id)?)?;
        Ok(v1::JobExplanation {
            job: Some(documents::job(&row, false)),
            explanation_json: row.explanation,
        })
    }

    /// Only a job's owner and admins see its output.
    pub(super) fn logs_of(
        &self,
        peer: Peer,
        request: &v1::ReadLogsRequest,
    ) -> Result<Answers<v1::LogChunk>, Status> {
        let id = parse(&request.id)?;
        self.owned(peer, id)?;
        has_member(&self.jobs.get(id)?, request.member())?;
        let asked = Asked {
            member: request.member(),
            follow: request.follow,
            from: positions(&request.from)?,
        };
        let output = self.jobs.output(id, asked, self.peers.clone())?;
        Ok(Box::pin(output.map(|piece| {
            let (host, chunk) = piece?;
            Ok(v1::LogChunk {
                stream: chunk.stream.number(),
                data: chunk.bytes,
                next: chunk.next,
                host: host.to_string(),
            })
        })))
    }

    /// The next part of the list. It is without arguments and environment, which `kerf jobs ID` shows: with
    /// them the list of a busy host would be hundreds of megabytes.
    pub(super) fn some_jobs(
        &self,
        request: &v1::ListJobsRequest,
    ) -> Result<v1::ListJobsResponse, Status> {
        let after = place(&request.after)?;
        let (mut jobs, mut size) = (Vec::new(), 0);
        let next = self.jobs.visit(request.all, after, |row| {
            let job = documents::job(row, false);
            size += job.encoded_len();
            // The first one is always taken.
            let fits = size <= PAGE || jobs.is_empty();
            if fits {
                jobs.push(job);
            }
            fits
        });
        let next = next.map(|(submitted, id)| format!("{submitted}/{id}"));
        Ok(v1::ListJobsResponse {
            jobs,
            next: next.unwrap_or_default(),
        })
    }

    pub(super) async fn take_image(
        &self,
        peer: Peer,
        parts: Streaming<v1::ImportImageRequest>,
    ) -> Result<v1::ImportImageResponse, Status> {
        let admin = peer.role == Role::Admin;
        let under_way = self.imports.begin(peer.uid, admin)?;
        let parts = parts.map(|part| {
            part.map(|part| Cursor::new(part.data))
                .map_err(std::io::Error::other)
        });
        let archive = StreamReader::new(parts);
        let images = self
            .jobs
            .launcher()
            .import_image(archive, None, peer.submitter())
            .await
            .map_err(JobError::from)?;
        drop(under_way);
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
        let attachment = self.jobs.attach(id).await?;
        let (answers, stream) = streams::channel();
        let jobs = self.jobs.clone();
        tokio::spawn(async move {
            if let Some(attachment) = attachment
                && relay(attachment, input, &answers).await == Relayed::LetGo
            {
                let text = "the terminal was not read for long and was let go";
                drop(answers.send(Err(Status::unavailable(text))).await);
                return;
            }
            tokio::select! {
                row = jobs.wait(id) => if let Ok(row) = row {
                    let job = documents::job(&row, true);
                    let output = Some(Output::Ended(Box::new(job)));
                    drop(answers.send(Ok(v1::AttachOutput { output })).await);
                },
                () = answers.closed() => {}
            }
        });
        Ok(stream)
    }

    fn owned(&self, peer: Peer, id: JobId) -> Result<(), Status> {
        if peer.owns(self.jobs.get(id)?.uid()) {
            return Ok(());
        }
        Err(Status::permission_denied(format!("job {id} is not yours")))
    }
}

/// How a relay ended.
#[derive(Debug, PartialEq, Eq)]
enum Relayed {
    /// The terminal has ended, or the client has left.
    Over,
    /// The client did not read; it may attach again.
    LetGo,
}

/// Carries bytes between a client and a terminal until the terminal ends or the client leaves.
async fn relay(
    mut attachment: Attachment,
    mut input: Streaming<v1::AttachInput>,
    answers: &tokio::sync::mpsc::Sender<Result<v1::AttachOutput, Status>>,
) -> Relayed {
    let Attachment {
        output,
        input: stdin,
        ..
    } = &mut attachment;
    let to_container = async {
        while let Ok(Some(message)) = input.message().await {
            let outcome = match message.input {
                Some(Input::Stdin(bytes)) => match stdin.as_mut() {
                    Some(stdin) => stdin.write(&bytes).await.is_ok(),
                    None => true,
                },
                Some(Input::Resize(size)) => match stdin.as_ref() {
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
        while let Some(data) = output.recv().await {
            let output = Some(Output::Data(data));
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
    if attachment.is_over() || answers.is_closed() {
        Relayed::Over
    } else {
        Relayed::LetGo
    }
}

fn terminal_size(size: Size) -> TerminalSize {
    let narrow = |number: u32| u16::try_from(number).unwrap_or(u16::MAX);
    TerminalSize {
        rows: narrow(size.rows),
        columns: narrow(size.columns),
    }
}

/// Where a page of the list begins.
fn place(text: &str) -> Result<Option<Place>, Status> {
    if text.is_empty() {
        return Ok(None);
    }
    let place = text.split_once('/').and_then(|(submitted, id)| {
        let submitted = submitted.parse().ok()?;
        Some((submitted, id.parse().ok()?))
    });
    let wrong = || Status::invalid_argument(format!("{text:?} is no place in the list of jobs"));
    place.map(Some).ok_or_else(wrong)
}

/// Refuses the number of a member that the job does not have: its output would be another's.
fn has_member(row: &JobRow, member: u32) -> Result<(), Status> {
    // Every spec in the store was parsed before; of one that is not understood the first member is known.
    let members = kerf_api::json::job::parse(&row.spec).map_or(1, |spec| spec.members);
    if member < members {
        return Ok(());
    }
    let id = row.id;
    let text = format!("job {id} has no member {member}: it has {members}, counted from 0");
    let hint = "see `kerf jobs ID` for where each member is";
    Err(with_hint(Code::InvalidArgument, text, hint))
}

/// How far a client has read each log.
fn positions(from: &[v1::LogPosition]) -> Result<BTreeMap<HostId, Position>, Status> {
    let read = |position: &v1::LogPosition| {
        let host = position.host.parse();
        let host = host
            .map_err(|error: kerf_types::ParseError| Status::invalid_argument(error.to_string()))?;
        let (stdout, stderr) = (position.stdout, position.stderr);
        Ok((host, Position { stdout, stderr }))
    };
    from.iter().map(read).collect()
}

pub(super) fn parse(id: &str) -> Result<JobId, Status> {
    id.parse()
        .map_err(|error: kerf_types::ParseError| Status::invalid_argument(error.to_string()))
}

impl From<JobError> for Status {
    fn from(error: JobError) -> Self {
        let (code, hint) = match &error {
            JobError::Unknown { .. } => (Code::NotFound, "see `kerf jobs --all`"),
            JobError::Spec(_) | JobError::Terminals { .. } => {
                (Code::InvalidArgument, "see `kerf schema job`")
            }
            JobError::NotAllowed { .. } => (
                Code::PermissionDenied,
                "an admin can add it to [launch.asks] of kerf.toml, under kerf's own namespace",
            ),
            JobError::OtherSpec { .. } => (Code::AlreadyExists, "choose a new id"),
            JobError::TooMany { .. }
            | JobError::TooManyOfUser { .. }
            | JobError::TooMuch { .. }
            | JobError::TooManyImports { .. } => {
                (Code::ResourceExhausted, "wait until some have ended")
            }
            JobError::Unreadable { .. } => (
                Code::FailedPrecondition,
                "see `kerf status`, or choose a new id",
            ),
            JobError::NoTerminal { .. } | JobError::Attached { .. } => {
                (Code::FailedPrecondition, "see `kerf logs -f`")
            }
            JobError::Output { .. } => (Code::Internal, "see the log of kerfd"),
            // Not unavailable: kerfd is there, and to ask it again at once would be for ever.
            JobError::Away { .. } => (Code::FailedPrecondition, "see `kerf nodes`"),
            JobError::TooManyReaders { .. } => (
                Code::ResourceExhausted,
                "wait until others have stopped to follow jobs there",
            ),
            JobError::Store(_) => (Code::Unavailable, "see `kerf status`"),
            JobError::Launcher(LauncherError::RestrictedImage { .. }) => (
                Code::PermissionDenied,
                "ask an admin to import it; launch.images of kerf.toml is the list",
            ),
            JobError::Launcher(LauncherError::TakenImage { .. }) => {
                (Code::PermissionDenied, "give your image another name")
            }
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
