//! The programs that write packages, in a folder of the build: nobody's `~/.cargo/bin` changes.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::out;
use crate::phase::{cargo, visible};

/// Name and version; a new version takes a look at what the packages hold then.
const TOOLS: [(&str, &str); 2] = [("cargo-deb", "3.8.0"), ("cargo-generate-rpm", "0.21.1")];

/// Where the installed programs are.
#[derive(Debug)]
pub struct Tools {
    folder: PathBuf,
}

impl Tools {
    /// The path of one.
    pub fn program(&self, name: &str) -> PathBuf {
        self.folder.join("bin").join(name)
    }
}

/// Builds what is missing, which takes some minutes once.
pub fn install() -> Result<Tools> {
    let folder = super::folder()?.join("tools");
    // Its own build folder: the release build's is packed from.
    let build = super::folder()?.join("tools-build");
    for (name, version) in TOOLS {
        if is_installed(&folder, name, version) {
            continue;
        }
        let mut install = cargo(&["install", "--locked", "--version", version, name, "--root"]);
        install.arg(&folder).env("CARGO_TARGET_DIR", &build);
        visible(&mut install).with_context(|| format!("{name} {version} is not to be had"))?;
    }
    if build.exists() {
        std::fs::remove_dir_all(&build)
            .with_context(|| format!("cannot remove {}", build.display()))?;
        out::line("the packaging tools are built");
    }
    Ok(Tools { folder })
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
