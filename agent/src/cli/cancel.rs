//! `kerf cancel`: asks for the end of a job. It has its grace; `kerf jobs ID` says when it is over.

use kerf_api::json::Job;

use super::fail::Failure;
use super::run::cancel;
use super::style::{Ink, Style};
use super::{Context, Exit, jobs};

/// `kerf cancel`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The job, by its id or the beginning of it
    #[arg(value_name = "ID")]
    id: String,
}

/// Cancels a job.
pub async fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let mut client = context.connect().await?;
    let id = jobs::resolve(&mut client, &args.id).await?;
    let job = cancel(&mut client, &id).await?;
    let job = Job::try_from(&job).map_err(Failure::AnsweredJob)?;
    context.print.document(&job, render)?;
    Ok(Exit::Done)
}

/// What became of the request.
pub fn render(job: &Job, style: Style) -> String {
    let id = &job.job.id;
    match (job.job.state.as_str(), &job.job.ended_at) {
        (state, Some(_)) => format!("{id} has ended already: {state}\n"),
        (state, None) => {
            format!(
                "{id} is asked to end ({})\n",
                style.paint(Ink::of_state(state), state)
            )
        }
    }
}
