//! `kerf export`: what is there as a layout, which applied again changes nothing.

mod document;
#[cfg(test)]
mod tests;

pub use document::kerf;

use std::path::PathBuf;

use clap::ValueEnum;
use kerf_api::v1;
use kerf_types::Inventory;

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
    let syntax = args
        .syntax
        .unwrap_or_else(|| Syntax::of(args.file.as_deref(), context.print.format));
    let text = match args.format {
        Kind::Kerf => output::written(&kerf(&inventory)?, syntax)?,
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
