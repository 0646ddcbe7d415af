//! Where things lie: the workspace, the build output, the reference data.
//!
//! Every path is found from the running executable or from this package's own folder, so that
//! tests run from any working directory and with any `CARGO_TARGET_DIR`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The root of the workspace: the folder that holds `Cargo.lock`.
#[must_use]
pub fn workspace_root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_path_buf()
}

/// Real captures and data sets for tests: `shared/data` beside the checkout.
///
/// They are too large for the repository; a test that needs them asks for [`crate::Capability::Data`].
#[must_use]
pub fn data_dir() -> PathBuf {
    let root = workspace_root();
    root.parent().unwrap_or(&root).join("shared/data")
}

/// The folder of fixtures that belong to the repository.
#[must_use]
pub fn fixtures_dir() -> PathBuf {
    workspace_root().join("tests/fixtures")
}

/// The folder with the built binaries of this profile, for example `target/debug`.
///
/// # Errors
/// When the path of the running executable cannot be read.
pub fn profile_dir() -> Result<PathBuf> {
    let exe = std::env::current_exe().context("cannot find the path of the running executable")?;
    profile_dir_of(&exe).with_context(|| format!("{} lies in no build folder", exe.display()))
}

/// The build folder itself, for example `target`.
///
/// # Errors
/// When the path of the running executable cannot be read.
pub fn target_dir() -> Result<PathBuf> {
    let profile = profile_dir()?;
    let parent = profile.parent().context("the build folder has no parent")?;
    Ok(parent.to_path_buf())
}

/// Test executables lie in `<profile>/deps`, binaries in `<profile>`.
fn profile_dir_of(exe: &Path) -> Option<PathBuf> {
    let folder = exe.parent()?;
    let is_deps = folder.file_name().is_some_and(|name| name == "deps");
    if is_deps {
        folder.parent().map(Path::to_path_buf)
    } else {
        Some(folder.to_path_buf())
    }
}

#[cfg(test)]
mod tests;
