//! The fuzzers as programs, by cargo-fuzz.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::phase::{cargo, visible};
use crate::setup::packages::{self, Need, has};
use crate::setup::programs;

const CARGO_FUZZ: (&str, &str) = ("cargo-fuzz", "0.13.2");

/// What the build of libFuzzer needs beside the build's own.
const NEEDS: [Need; 1] = [Need {
    package: "g++",
    files: "g++",
    is_there: || has("g++"),
}];

/// The machine that they are built for, in a folder of its name. Not the static one of kerf-runtime: the checks of
/// addresses are a shared library's.
const MACHINE: &str = "x86_64-unknown-linux-gnu";

/// Installs what builds them.
pub fn install(folder: &Path) -> Result<()> {
    packages::install(&NEEDS)?;
    programs::install(&[CARGO_FUZZ], &folder.join("tools"))
}

/// Builds one fuzzer or all of them; returns the folder with the programs.
pub fn build(folder: &Path, target: Option<&str>) -> Result<PathBuf> {
    let mut build = cargo(&["fuzz", "build", "--fuzz-dir", "fuzz/engine"]);
    build
        .args(["--target", MACHINE, "--target-dir"])
        .arg(folder);
    build.args(target);
    let tools = folder.join("tools/bin");
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let paths = std::iter::once(tools).chain(std::env::split_paths(&paths));
    build.env(
        "PATH",
        std::env::join_paths(paths).context("a path has a colon")?,
    );
    // Coverage and checks of addresses are options of the compiler that only a nightly one takes otherwise.
    build.env("RUSTC_BOOTSTRAP", "1");
    visible(&mut build)?;
    Ok(folder.join(MACHINE).join("release"))
}
