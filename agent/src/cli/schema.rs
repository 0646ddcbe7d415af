//! `kerf schema`: the open description of hardware, fleet and work.

use kerf_api::json::schema::{SchemaKind, schema};

use super::fail::Failure;
use super::{Context, Exit};

/// `kerf schema`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// checkpoint, explanation, history, inventory, job, layout or nodes
    #[arg(value_name = "DOCUMENT")]
    kind: SchemaKind,
}

/// Prints a schema. It is a JSON document also for people.
pub fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let schema = schema(args.kind);
    let pretty = serde_json::to_string_pretty(&schema).map_err(Failure::json)?;
    context.print.document(&schema, |_, _| pretty + "\n")?;
    Ok(Exit::Done)
}
