//! `kerf discover`: looks at the hardware anew, through kerfd, or without it for any library and root.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use kerf_api::json::Inventory;

use super::fail::Failure;
use super::print::Format;
use super::topology::pick::check_sysroot;
use super::{Context, Exit, inventory};
use crate::config::file::find_partitioner;

/// `kerf discover`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Look without kerfd, through this driver library: a path, auto, or none
    #[arg(long, value_name = "LIB")]
    nvml: Option<PathBuf>,
    /// Look without kerfd, under this folder as /
    #[arg(long, value_name = "DIR")]
    sysroot: Option<PathBuf>,
}

/// Discovers what this host has.
pub async fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    if args.nvml.is_some() || args.sysroot.is_some() {
        return without_daemon(args, context);
    }
    let mut client = context.connect().await?;
    let found = inventory::ask(&mut client, true).await?;
    context
        .print
        .document(&Inventory::from(&found), inventory::render)?;
    Ok(Exit::Done)
}

/// Only the worker opens a driver library, so that one that hangs never hangs kerf. It prints for itself.
fn without_daemon(args: &Args, context: &Context) -> Result<Exit, Failure> {
    args.sysroot.as_deref().map_or(Ok(()), check_sysroot)?;
    let program = partitioner();
    let mut command = Command::new(&program);
    command.arg("discover").arg("--nvml");
    command.arg(args.nvml.as_deref().unwrap_or("none".as_ref()));
    if let Some(sysroot) = &args.sysroot {
        command.arg("--sysroot").arg(sysroot);
    }
    let format = if context.print.is_table() {
        "table"
    } else {
        "json"
    };
    command.args(["--output", format]).stdout(Stdio::piped());
    let failure = |source| Failure::Program {
        program: program.clone(),
        source,
    };
    let output = command
        .spawn()
        .and_then(std::process::Child::wait_with_output);
    let output = output.map_err(failure)?;
    let text = String::from_utf8_lossy(&output.stdout);
    if context.print.format == Format::Yaml && output.status.success() {
        let document: serde_json::Value = serde_json::from_str(&text).map_err(Failure::json)?;
        context.print.document(&document, |_, _| String::new())?;
    } else {
        context.print.text(&text)?;
    }
    let code = output
        .status
        .code()
        .and_then(|code| u8::try_from(code).ok());
    Ok(Exit::Code(code.unwrap_or(1)))
}

/// The worker's program of the same package; the linker's or the shell's path is never asked.
pub(super) fn partitioner() -> PathBuf {
    let own = std::env::current_exe().ok();
    let folder = own.as_deref().and_then(std::path::Path::parent);
    find_partitioner(folder.unwrap_or("/".as_ref()))
}
