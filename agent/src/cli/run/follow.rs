//! Follows a job without a terminal: its output to ours, to its end, over restarts of kerfd.

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

use kerf_api::v1;

use super::signals::Signals;
use crate::cli::Context;
use crate::cli::client::{Client, soon};
use crate::cli::fail::Failure;
use crate::cli::print;
use crate::errors::chain;

/// How long a kerfd that went away is waited for: a restart with an upgrade takes some seconds, and the job
/// goes on meanwhile.
const AWAY_LIMIT: Duration = Duration::from_secs(60);

/// Pause between two tries to reach it.
const RETRY: Duration = Duration::from_millis(500);

/// After this time a job that has not started is said to wait, with its reason.
const QUIET: Duration = Duration::from_secs(2);

/// Follows a job to its end; `None` when a second signal asks to leave it.
pub async fn follow(
    context: &Context,
    client: Client,
    id: &str,
    signals: &mut Signals,
) -> Result<Option<v1::Job>, Failure> {
    let mut output = Output::default();
    let mut patience = Patience::new(context, client, id);
    loop {
        match until_ended(&mut patience, &mut output, signals).await {
            Err(failure) if failure.is_away() => patience.reconnect(failure).await?,
            other => return other,
        }
    }
}

/// Asks for the end of a job.
pub async fn cancel(client: &mut Client, id: &str) -> Result<v1::Job, Failure> {
    let request = soon(v1::CancelJobRequest { id: id.to_owned() });
    Ok(client
        .cancel_job(request)
        .await
        .map_err(Failure::call("cancel the job"))?
        .into_inner())
}

/// The way to a kerfd that may go away and come back.
#[derive(Debug)]
pub struct Patience<'a> {
    /// The context.
    pub context: &'a Context,
    /// The present connection.
    pub client: Client,
    /// The job that it is about.
    pub id: String,
}

impl<'a> Patience<'a> {
    /// For one job.
    pub fn new(context: &'a Context, client: Client, id: &str) -> Self {
        Self {
            context,
            client,
            id: id.to_owned(),
        }
    }

    /// Waits for kerfd to come back; gives up with the failure that it went with.
    pub async fn reconnect(&mut self, failure: Failure) -> Result<(), Failure> {
        let begun = Instant::now();
        self.context
            .print
            .note("kerfd has gone away; waiting for it, the job goes on meanwhile");
        while begun.elapsed() < AWAY_LIMIT {
            tokio::time::sleep(RETRY).await;
            let Ok(mut client) = self.context.connect().await else {
                continue;
            };
            // It listens before it has taken up its jobs, or still drains: only an answer counts.
            if self.job_of(&mut client, false).await.is_ok() {
                self.client = client;
                return Ok(());
            }
        }
        Err(failure)
    }

    /// The job, at once or when it has ended.
    pub async fn job(&mut self, wait: bool) -> Result<v1::Job, Failure> {
        let mut client = self.client.clone();
        self.job_of(&mut client, wait).await
    }

    async fn job_of(&self, client: &mut Client, wait: bool) -> Result<v1::Job, Failure> {
        let message = v1::GetJobRequest {
            id: self.id.clone(),
            wait,
        };
        let request = if wait {
            tonic::Request::new(message)
        } else {
            soon(message)
        };
        Ok(client
            .get_job(request)
            .await
            .map_err(Failure::call("look at the job"))?
            .into_inner())
    }

    /// A signal has come: the first cancels the job; the answer to a later one is to leave.
    pub async fn interrupted(&mut self, first: bool) -> Result<bool, Failure> {
        if first {
            cancel(&mut self.client, &self.id).await?;
            let again = "the job was asked to end; once more leaves it to end by itself";
            self.context.print.note(again);
        }
        Ok(first)
    }

    /// Says why a job does not start yet.
    pub async fn say_why_it_waits(&mut self) -> Result<(), Failure> {
        let job = self.job(false).await?;
        if job.state == "pending" {
            self.context
                .print
                .note(&format!("job {} waits: {}", job.id, job.reason));
        }
        Ok(())
    }
}

/// How far the log of each host was written already, so that one that is read again goes on where it was.
#[derive(Debug, Default)]
struct Output(BTreeMap<String, v1::LogPosition>);

impl Output {
    fn write(&mut self, chunk: &v1::LogChunk) -> Result<(), Failure> {
        write_chunk(chunk.stream, &chunk.data)?;
        self.pass(chunk);
        Ok(())
    }

    /// Goes behind a piece. A kerfd that is older than kerf does not say where that is.
    fn pass(&mut self, chunk: &v1::LogChunk) {
        if chunk.host.is_empty() {
            return;
        }
        let position = self.0.entry(chunk.host.clone()).or_default();
        position.host.clone_from(&chunk.host);
        match chunk.stream {
            2 => position.stderr = chunk.next,
            _ => position.stdout = chunk.next,
        }
    }
}

/// Writes a piece of a job's output to the stream of ours that it belongs to.
pub fn write_chunk(stream: u32, data: &[u8]) -> Result<(), Failure> {
    match stream {
        2 => print::bytes(&mut io::stderr().lock(), data),
        _ => print::bytes(&mut io::stdout().lock(), data),
    }
}

/// What the call is called when it fails.
const WHAT: &str = "follow the job";

async fn until_ended(
    patience: &mut Patience<'_>,
    output: &mut Output,
    signals: &mut Signals,
) -> Result<Option<v1::Job>, Failure> {
    match until_read(patience, output, signals).await {
        Ok(true) => {}
        Ok(false) => return Ok(None),
        // kerfd is there and cannot show it. The job is what was asked for, and its end is known all the same.
        Err(failure @ Failure::Call { .. }) if !failure.is_away() => {
            let why = chain(&failure);
            let print = patience.context.print;
            print.note(&format!("the output cannot be read to its end: {why}"));
        }
        Err(failure) => return Err(failure),
    }
    // The log ends with the job, and the job's end is written down right after.
    loop {
        let mut waiting = Patience::new(patience.context, patience.client.clone(), &patience.id);
        tokio::select! {
            job = waiting.job(true) => return job.map(Some),
            first = signals.next() => if !patience.interrupted(first).await? {
                return Ok(None);
            },
        }
    }
}

/// Passes the output on to its end; false when a second signal asks to leave the job.
async fn until_read(
    patience: &mut Patience<'_>,
    output: &mut Output,
    signals: &mut Signals,
) -> Result<bool, Failure> {
    let request = v1::ReadLogsRequest {
        id: patience.id.clone(),
        follow: true,
        // A run follows the one member that it is there for.
        member: None,
        from: output.0.values().cloned().collect(),
    };
    let logs = patience
        .client
        .read_logs(request)
        .await
        .map_err(Failure::call(WHAT))?;
    let mut logs = logs.into_inner();
    let quiet = tokio::time::sleep(QUIET);
    tokio::pin!(quiet);
    loop {
        tokio::select! {
            chunk = logs.message() => match chunk.map_err(Failure::call(WHAT))? {
                Some(chunk) => output.write(&chunk)?,
                None => return Ok(true),
            },
            first = signals.next() => if !patience.interrupted(first).await? {
                return Ok(false);
            },
            () = &mut quiet, if !quiet.is_elapsed() => patience.say_why_it_waits().await?,
        }
    }
}

#[cfg(test)]
mod tests;
