//! `cargo xtask dist`: a deb and an rpm of kerf, and of its simulator apart.
//!
//! What goes into them stands in the manifests of `agent` and `partitioner/nvml-sim`; the rest of it in
//! `packaging` and `systemd`. With `--check` they are also installed, used and purged in a clean root.

mod build;
mod check;
mod package;
mod stage;
mod tools;

use std::path::PathBuf;

use anyhow::{Context, Result};
use kerf_tests::tree;

use crate::out;
use crate::phase::phase;
use crate::setup::packages::{self, Need, has};

/// Options of the verb.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Check them too: contents, units, and a life in a clean Debian root (as root, with debootstrap)
    #[arg(long)]
    check: bool,
}

/// What making a deb needs beside the build's own.
const NEEDS: [Need; 1] = [Need {
    package: "dpkg-dev",
    files: "dpkg-shlibdeps and dpkg-deb",
    is_there: || has("dpkg-shlibdeps") && has("dpkg-deb"),
}];

/// Builds, packs, and says where the packages are.
pub fn run(options: &Options) -> Result<()> {
    phase("setup", || {
        crate::setup::run()?;
        packages::install(&NEEDS)?;
        if options.check {
            check::install_needs()?;
        }
        Ok(())
    })?;
    let tools = phase("packaging tools", tools::install)?;
    phase("release build", build::build)?;
    phase("pages and completions", stage::stage)?;
    let made = phase("packages", || {
        package::all(&tools, &folder()?.join("packages"))
    })?;
    for package in made.all() {
        let bytes = package.metadata().context("a package is gone")?.len();
        out::line(&format!("{}  {bytes} bytes", package.display()));
    }
    if options.check {
        check::run(&tools, &made)?;
    }
    Ok(())
}

/// Everything of this command but the build itself.
fn folder() -> Result<PathBuf> {
    let folder = tree::target_dir()?.join("dist");
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}
