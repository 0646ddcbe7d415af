//! `cargo xtask dist --check`: what a person would look at before giving the packages to others.

mod boot;
mod contents;
mod exposure;
mod life;
mod listing;
mod metric;
mod root;

use std::path::Path;

use anyhow::{Context, Result, ensure};
use nix::unistd::Uid;

use super::package::{self, Packages};
use super::tools::Tools;
use crate::out;
use crate::phase::phase;
use crate::setup::packages::{self, Need, has};

/// What the checks run.
const NEEDS: [Need; 4] = [
    Need {
        package: "debootstrap",
        files: "debootstrap",
        is_there: || has("debootstrap"),
    },
    Need {
        package: "rpm",
        files: "rpm",
        is_there: || has("rpm"),
    },
    Need {
        package: "systemd",
        files: "systemd-analyze",
        is_there: || has("systemd-analyze"),
    },
    Need {
        package: "systemd-container",
        files: "systemd-nspawn",
        is_there: || has("systemd-nspawn"),
    },
];

/// Installs what the checks run.
pub fn install_needs() -> Result<()> {
    ensure!(
        Uid::effective().is_root(),
        "the checks make a Debian root to install into, and so have to be run by root"
    );
    packages::install(&NEEDS)
}

/// All checks; the first that fails ends it.
pub fn run(tools: &Tools, made: &Packages) -> Result<()> {
    phase("contents of the packages", || contents::check(made))?;
    phase("the same bytes a second time", || same_again(tools, made))?;
    phase("exposure of the units", exposure::check)?;
    let root = phase("a clean Debian root", root::Root::new)?;
    phase("install, run, remove, purge", || life::check(&root, made))?;
    phase("under a booted systemd", || boot::check(&root, made))
}

/// Packs the same build again.
fn same_again(tools: &Tools, made: &Packages) -> Result<()> {
    let again = package::all(tools, &super::folder()?.join("again"))?;
    for (first, second) in made.all().into_iter().zip(again.all()) {
        let name = first.file_name().unwrap_or_default().to_string_lossy();
        ensure!(read(first)? == read(second)?, "{name} differs");
        out::line(&format!("  same  {name}"));
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}
