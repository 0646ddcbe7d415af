//! `kerf checkpoint`: keeps exactly what lies where, for `kerf restore`.

use std::path::PathBuf;

use kerf_api::json::Checkpoint;

use super::fail::Failure;
use super::output::{self, Syntax};
use super::words::count;
use super::{Context, Exit, export};

/// `kerf checkpoint`
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("to").required(true))]
pub struct Args {
    /// Where to; its ending says the syntax, - is standard output
    #[arg(value_name = "FILE", group = "to")]
    file: Option<PathBuf>,
    /// The same
    #[arg(short = 'f', long = "file", value_name = "FILE", group = "to")]
    named_file: Option<PathBuf>,
}

/// Writes the checkpoint.
pub async fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let mut client = context.connect().await?;
    let inventory = export::inventory(&mut client).await?;
    let shared = export::shared(&mut client).await?;
    let checkpoint = Checkpoint::of(&inventory, &shared, crate::host::now())?;
    let file = args.file.as_deref().or(args.named_file.as_deref());
    let syntax = Syntax::of(file, context.print.format);
    output::put(file, &output::written(&checkpoint, syntax)?, context)?;
    let slices: usize = checkpoint.gpus.iter().map(|gpu| gpu.instances.len()).sum();
    let (gpus, slices) = (count(checkpoint.gpus.len(), "GPU"), count(slices, "slice"));
    context.print.note(&format!("{slices} on {gpus} kept"));
    Ok(Exit::Done)
}
