//! `kerf restore`: brings back exactly what a checkpoint kept, each slice in its place.

use std::path::PathBuf;

use kerf_api::json::Checkpoint;
use kerf_api::json::layout::DOCUMENT_LIMIT;
use kerf_api::v1;
use kerf_types::layout::Layout;

use super::apply::{How, follow};
use super::fail::Failure;
use super::input::Source;
use super::{Context, Exit};

/// `kerf restore`
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("from").required(true))]
pub struct Args {
    /// What `kerf checkpoint` wrote; - for standard input
    #[arg(value_name = "FILE", group = "from")]
    file: Option<PathBuf>,
    /// The same
    #[arg(short = 'f', long = "file", value_name = "FILE", group = "from")]
    named_file: Option<PathBuf>,
    /// Accept the reset of a GPU where a change of MIG mode needs one
    #[arg(long)]
    allow_reset: bool,
    #[command(flatten)]
    how: How,
}

/// Applies the checkpoint as a layout of exact places.
pub async fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let path = args.file.as_ref().or(args.named_file.as_ref());
    let source = Source::read(path.map_or(std::path::Path::new("-"), PathBuf::as_path))?;
    let source = source.within(DOCUMENT_LIMIT)?;
    let checkpoint: Checkpoint = source.parse()?;
    let layout = Layout::try_from(checkpoint).map_err(|error| Failure::Checkpoint {
        name: source.name().to_owned(),
        source: error,
    })?;
    let request = args
        .how
        .request(v1::Layout::from(&layout), args.allow_reset);
    let mut client = context.connect().await?;
    follow(&mut client, request, context).await
}
