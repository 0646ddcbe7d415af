//! The release build of what is shipped.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use kerf_tests::{bins, tree};

use crate::phase::{cargo, visible};

/// The folder that both packaging tools mean by `target/release/`.
pub fn release_dir() -> Result<PathBuf> {
    Ok(tree::target_dir()?.join("release"))
}

/// The static wrapper.
pub fn runtime() -> Result<PathBuf> {
    let folder = tree::target_dir()?.join(bins::RUNTIME_TARGET);
    Ok(folder.join("release-runtime/kerf-runtime"))
}

/// Builds the programs and the simulator, and the wrapper for its own target and profile.
pub fn build() -> Result<()> {
    let programs = [
        "build",
        "--release",
        "--locked",
        "--package=kerf-agent",
        "--package=kerf-partitioner",
        "--package=kerf-nvml-sim",
        "--package=kerf-sim-tools",
    ];
    visible(&mut portable(&programs, &[])?)?;
    let target = format!("--target={}", bins::RUNTIME_TARGET);
    let wrapper = [
        "build",
        "--profile=release-runtime",
        "--locked",
        "--package=kerf-runtime",
        &target,
    ];
    visible(&mut portable(&wrapper, &[FIXED])?)
}

/// What `.cargo/config.toml` says for the wrapper's target, which the flags of this build take the place of.
const FIXED: &str = "-Crelocation-model=static";

/// cargo that writes no path of the building machine into what it makes: the same sources give the same
/// bytes in any folder, and a panic names a place that means something to others.
fn portable(arguments: &[&str], more: &[&str]) -> Result<Command> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let home = home.context("neither CARGO_HOME nor HOME is set")?;
    let root = tree::workspace_root();
    let target = tree::target_dir()?;
    let mut command = cargo(arguments);
    command.env("CARGO_TARGET_DIR", &target);
    let flags = [flags(&home, &root, &target)]
        .into_iter()
        .chain(more.iter().map(ToString::to_string));
    let flags: Vec<String> = flags.collect();
    command.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));
    Ok(command)
}

/// A later prefix wins over an earlier one, and the build folder may lie in the sources.
fn flags(home: &Path, root: &Path, target: &Path) -> String {
    let places = [(home, "cargo"), (root, "kerf"), (target, "kerf-target")];
    let flags = places
        .map(|(path, name)| format!("--remap-path-prefix={}=/usr/src/{name}", path.display()));
    flags.join("\u{1f}")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::flags;

    #[test]
    fn every_place_of_the_build_has_a_name_of_its_own() {
        let flags = flags(Path::new("/h"), Path::new("/w"), Path::new("/w/target"));
        let flags: Vec<&str> = flags.split('\u{1f}').collect();
        assert_eq!(
            flags,
            [
                "--remap-path-prefix=/h=/usr/src/cargo",
                "--remap-path-prefix=/w=/usr/src/kerf",
                "--remap-path-prefix=/w/target=/usr/src/kerf-target",
            ]
        );
    }
}
