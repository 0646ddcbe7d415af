//! `kerf logs`: what a job has printed, each stream to its own.

use kerf_api::v1;

use super::fail::Failure;
use super::run::write_chunk;
use super::{Context, Exit, jobs};

/// `kerf logs`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Go on until the job has ended
    #[arg(short, long)]
    follow: bool,
    /// Whose output of a job with several members, counted from 0
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    member: u32,
    /// The job, by its id or the beginning of it
    #[arg(value_name = "ID")]
    id: String,
}

/// Prints a job's log.
pub async fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    const WHAT: &str = "read the log";
    let mut client = context.connect().await?;
    let id = jobs::resolve(&mut client, &args.id).await?;
    let request = v1::ReadLogsRequest {
        id,
        follow: args.follow,
        member: Some(args.member),
        from: Vec::new(),
    };
    let logs = client
        .read_logs(request)
        .await
        .map_err(Failure::call(WHAT))?;
    let mut logs = logs.into_inner();
    while let Some(chunk) = logs.message().await.map_err(Failure::call(WHAT))? {
        write_chunk(chunk.stream, &chunk.data)?;
    }
    Ok(Exit::Done)
}
