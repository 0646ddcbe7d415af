//! `kerf run`: submits a job, follows it to its end, and ends as it ended.
//!
//! ```text
//!  submit ─► follow (logs) ────────► ended ─► the job's exit code
//!      └───► attach (terminal, -t) ──┘
//! ```
//! Ctrl-C asks for the job's end and waits for it; a second one leaves it to kerfd. A kerfd that is restarted
//! under way is waited for: the job has gone on meanwhile, and nothing that it printed is lost or shown twice.

mod attach;
mod follow;
pub mod image;
mod signals;
mod terminal;

use std::io;
use std::path::PathBuf;

use kerf_api::v1;

use super::fail::Failure;
use super::spec::SpecArgs;
use super::submit;
use super::{Context, Exit};
pub use follow::{cancel, write_chunk};
use signals::Signals;

/// Exit code of kerf's own failures: no shell gives it to a command that it could run (126 and 127 are taken).
pub const FAILED: u8 = 125;

/// Exit code of a job that Ctrl-C has ended before it gave one: 128 and the number of SIGINT, as in shells.
const INTERRUPTED: u8 = 130;

/// Exit code when nobody reads the output any more, and the job is ended as SIGPIPE would end a process.
const UNREAD: u8 = 141;

/// `kerf run`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Hand standard input to the job; it needs -t
    #[arg(short, long, requires = "tty")]
    interactive: bool,
    /// Give the job a terminal: this one
    #[arg(short, long)]
    tty: bool,
    #[command(flatten)]
    spec: SpecArgs,
}

/// Why a job could not be run or followed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// No image was named.
    #[error("no image was named{}", if imported.is_empty() { "" } else { ", and the archive has several" })]
    NoImage {
        /// What the archive has.
        imported: Vec<String>,
    },
    /// The archive cannot be read.
    #[error("cannot read the image archive {}", path.display())]
    Archive {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The system gave no randomness for an id.
    #[error("the system gave no random number for the job's id")]
    Random(#[source] getrandom::Error),
    /// Signals cannot be received.
    #[error("cannot receive signals")]
    Signals {
        /// Why.
        source: io::Error,
    },
    /// The terminal cannot be put into raw mode.
    #[error("cannot put the terminal into raw mode")]
    Terminal {
        /// Why.
        source: nix::Error,
    },
    /// The job ended without an exit code of its own.
    #[error("job {id} {state}: {reason}")]
    Ended {
        /// The job.
        id: String,
        /// `has failed`, `was cancelled`, `was lost`.
        state: &'static str,
        /// Why.
        reason: String,
    },
}

impl RunError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoImage { imported } if imported.is_empty() => {
                Some("name it with --image, or bring it with --image-archive".to_owned())
            }
            Self::NoImage { imported } => {
                Some(format!("choose one with --image: {}", imported.join(", ")))
            }
            Self::Ended { id, .. } => Some(format!("see `kerf jobs {id}` and `kerf logs {id}`")),
            _ => None,
        }
    }
}

/// Runs a job.
pub async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let Args {
        interactive,
        tty,
        spec,
    } = args;
    // From here on Ctrl-C is ours, so that it never leaves a job behind that was just submitted.
    let mut signals = Signals::new()?;
    let mut client = context.connect().await?;
    let document = submit::described(spec, tty, &mut client).await?;
    let job = submit::send(&mut client, document).await?;
    let ended = if tty {
        attach::attach(context, client, &job.id, interactive, &mut signals).await
    } else {
        follow::follow(context, client, &job.id, &mut signals).await
    };
    match ended {
        Ok(Some(job)) => exit_of(&job, signals.seen()),
        Ok(None) => Ok(Exit::Code(INTERRUPTED)),
        Err(Failure::OutputClosed) => {
            cancel(&mut context.connect().await?, &job.id).await?;
            Ok(Exit::Code(UNREAD))
        }
        Err(failure) => Err(failure),
    }
}

/// The exit code of an ended job.
fn exit_of(job: &v1::Job, interrupted: bool) -> Result<Exit, Failure> {
    if let Some(code) = job.exit_code {
        // The kernel gives eight bits; another number is a fault of whoever reported it.
        return Ok(Exit::Code(u8::try_from(code).unwrap_or(FAILED)));
    }
    let state = match job.state.as_str() {
        "succeeded" => return Ok(Exit::Code(0)),
        "cancelled" if interrupted => return Ok(Exit::Code(INTERRUPTED)),
        "cancelled" => "was cancelled",
        "lost" => "was lost",
        _ => "has failed",
    };
    Err(RunError::Ended {
        id: job.id.clone(),
        state,
        reason: job.reason.clone(),
    }
    .into())
}

#[cfg(test)]
mod tests;
