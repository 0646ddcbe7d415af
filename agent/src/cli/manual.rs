//! `kerf manual`: the pages of the manual that come from the grammars of `kerf` and `kerfd`, for packages.
//!
//! It is a verb since the shipped program has both grammars, and so its pages never say what another version
//! can do. Pages that no grammar knows lie in `packaging/man`.

use std::io;
use std::path::PathBuf;

use clap::{Command, CommandFactory};
use clap_mangen::Man;

use super::fail::Failure;
use super::{Cli, Exit};
use crate::daemon;

/// `kerf manual`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder; it is made
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

/// A page: its file's name, and its text in roff.
pub type Page = (String, Vec<u8>);

/// Writes the pages.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    std::fs::create_dir_all(&args.dir).map_err(Failure::file("write", &args.dir))?;
    for (name, text) in pages().map_err(Failure::file("write", &args.dir))? {
        let path = args.dir.join(name);
        std::fs::write(&path, text).map_err(Failure::file("write", &path))?;
    }
    Ok(Exit::Done)
}

/// One page for each verb, one for `kerf`, one for `kerfd`.
pub fn pages() -> io::Result<Vec<Page>> {
    let mut pages = Vec::new();
    let mut kerf = Cli::command().disable_help_subcommand(true);
    kerf.build();
    add(&kerf, "1", "User Commands", &mut pages)?;
    let mut kerfd = daemon::Args::command();
    kerfd.build();
    add(&kerfd, "8", "System Administration", &mut pages)?;
    Ok(pages)
}

fn add(command: &Command, section: &str, manual: &str, pages: &mut Vec<Page>) -> io::Result<()> {
    for inner in command
        .get_subcommands()
        .filter(|inner| !inner.is_hide_set())
    {
        add(inner, section, manual, pages)?;
    }
    // No date: the pages of one source are the same whenever they are made.
    let page = Man::new(command.clone())
        .section(section)
        .source(concat!("kerf ", env!("CARGO_PKG_VERSION")))
        .manual(manual);
    let mut text = Vec::new();
    page.render(&mut text)?;
    pages.push((page.get_filename(), text));
    Ok(())
}
