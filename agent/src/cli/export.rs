//! `kerf export`: what is there as a layout, which applied again changes nothing.

mod document;
#[cfg(test)]
mod tests;

pub use document::kerf;

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::ValueEnum;
use kerf_api::json::sharing_by_gpu;
use kerf_api::v1;
use kerf_types::{Inventory, PciAddress, Sharing};

use super::client::{Client, soon};
use super::fail::Failure;
use super::output::{self, Syntax};
use super::{Context, Exit};

/// `kerf export`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Write into this file instead of standard output; its ending says the syntax
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    file: Option<PathBuf>,
    /// Whose file it is to be
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "kerf")]
    format: Kind,
    /// yaml, toml or json; what the file's ending says, else yaml
    #[arg(long, value_enum, value_name = "SYNTAX")]
    syntax: Option<Syntax>,
}

/// Whose file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// A kerf.v1.Layout.
    Kerf,
    /// A file of mig-parted, `version: v1`, with one configuration: `current`.
    MigParted,
}

/// Writes the layout.
pub async fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let mut client = context.connect().await?;
    let inventory = inventory(&mut client).await?;
    let shared = shared(&mut client).await?;
    let syntax = args
        .syntax
        .unwrap_or_else(|| Syntax::of(args.file.as_deref(), context.print.format));
    let text = match args.format {
        Kind::Kerf => output::written(&kerf(&inventory, &shared)?, syntax)?,
        Kind::MigParted if !shared.is_empty() => {
            return Err(Failure::NotMigParted {
                gpus: shared.keys().map(ToString::to_string).collect(),
            });
        }
        Kind::MigParted => output::written(&document::mig_parted(&inventory)?, syntax)?,
    };
    output::put(args.file.as_deref(), &text, context)?;
    Ok(Exit::Done)
}

/// What is there now.
pub async fn inventory(client: &mut Client) -> Result<Inventory, Failure> {
    let request = soon(v1::GetInventoryRequest { refresh: true });
    let inventory = client.get_inventory(request).await;
    let inventory = inventory.map_err(Failure::call("read the inventory"))?;
    Ok(Inventory::try_from(inventory.into_inner())?)
}

/// How GPUs are shared now.
pub async fn shared(client: &mut Client) -> Result<BTreeMap<PciAddress, Sharing>, Failure> {
    let slices = client.list_slices(soon(v1::ListSlicesRequest {})).await;
    let slices = slices.map_err(Failure::call("list the slices"))?;
    Ok(sharing_by_gpu(slices.get_ref())?)
}
