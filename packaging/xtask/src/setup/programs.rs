//! Programs that cargo builds, in a folder of the build: nobody's `~/.cargo/bin` changes.

use std::path::Path;

use anyhow::{Context, Result};

use crate::out;
use crate::phase::{cargo, visible};

/// Builds those of `programs` (name and version) that are missing in `folder`, which takes some minutes once. They lie
/// in its `bin`.
pub fn install(programs: &[(&str, &str)], folder: &Path) -> Result<()> {
    // Its own build folder: what else is built there may be packed or run.
    let build = folder.join("build");
    for (name, version) in programs {
        if is_installed(folder, name, version) {
            continue;
        }
        let mut install = cargo(&["install", "--locked", "--version", version, name, "--root"]);
        install.arg(folder).env("CARGO_TARGET_DIR", &build);
        visible(&mut install).with_context(|| format!("{name} {version} is not to be had"))?;
    }
    if build.exists() {
        std::fs::remove_dir_all(&build)
            .with_context(|| format!("cannot remove {}", build.display()))?;
        let names: Vec<&str> = programs.iter().map(|(name, _)| *name).collect();
        out::line(&format!("{} built", names.join(", ")));
    }
    Ok(())
}

/// cargo notes what it has installed in a file of the root.
fn is_installed(folder: &Path, name: &str, version: &str) -> bool {
    let notes = std::fs::read_to_string(folder.join(".crates.toml")).unwrap_or_default();
    notes.contains(&format!("\"{name} {version} ("))
}

#[cfg(test)]
mod tests {
    use kerf_tests::Scratch;

    use super::is_installed;

    #[test]
    fn another_version_is_not_the_one() {
        let scratch = Scratch::new("kx").expect("/tmp takes folders");
        assert!(!is_installed(scratch.path(), "cargo-deb", "3.8.0"));
        let notes = "[v1]\n\"cargo-deb 3.8.0 (registry+https://example.org)\" = [\"cargo-deb\"]\n";
        std::fs::write(scratch.join(".crates.toml"), notes).expect("a file");
        assert!(is_installed(scratch.path(), "cargo-deb", "3.8.0"));
        assert!(!is_installed(scratch.path(), "cargo-deb", "3.8"));
        assert!(!is_installed(scratch.path(), "cargo-deb", "3.9.0"));
        assert!(!is_installed(scratch.path(), "cargo-generate-rpm", "3.8.0"));
    }
}
