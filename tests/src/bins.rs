//! Finds the programs that tests start: those that this workspace builds, and those of the system.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::tree;

/// The target that `kerf-runtime` is built for: static, so that it starts fast and needs no loader.
pub const RUNTIME_TARGET: &str = "x86_64-unknown-linux-musl";

/// Names the static `kerf-runtime` to test; `cargo xtask test` sets it.
pub const RUNTIME_ENV: &str = "KERF_RUNTIME_BIN";

/// Names a folder with other programs to test than those of this build: an installed or a kept one.
pub const PROGRAMS_ENV: &str = "KERF_PROGRAMS";

/// The host daemon.
///
/// # Errors
/// When it has not been built.
pub fn kerfd() -> Result<PathBuf> {
    built("kerfd")
}

/// The command line.
///
/// # Errors
/// When it has not been built.
pub fn kerf() -> Result<PathBuf> {
    built("kerf")
}

/// The privileged worker.
///
/// # Errors
/// When it has not been built.
pub fn partitioner() -> Result<PathBuf> {
    built("kerf-partitioner")
}

/// The simulated driver, as cargo names it (machines carry it as `libnvidia-ml.so.1`).
///
/// # Errors
/// When it has not been built.
pub fn simulator_library() -> Result<PathBuf> {
    built("libnvidia_ml.so")
}

/// The vendor's tools on simulated machines, as cargo names their one program.
///
/// # Errors
/// When it has not been built.
pub fn simulator_tools() -> Result<PathBuf> {
    built("kerf-sim-tools")
}

/// The switch between network namespaces.
///
/// # Errors
/// When it has not been built.
pub fn tap_switch() -> Result<PathBuf> {
    let path = tree::profile_dir()?.join("kerf-tap-switch");
    existing(path, "cargo build --package kerf-tap-switch")
}

/// The static OCI runtime wrapper: what `KERF_RUNTIME_BIN` names, else what cargo built for musl.
///
/// # Errors
/// When it has not been built.
pub fn runtime() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os(RUNTIME_ENV) {
        return existing(PathBuf::from(path), "KERF_RUNTIME_BIN names it");
    }
    if let Some(folder) = std::env::var_os(PROGRAMS_ENV) {
        return existing(
            Path::new(&folder).join("kerf-runtime"),
            "KERF_PROGRAMS names its folder",
        );
    }
    let path = tree::target_dir()?
        .join(RUNTIME_TARGET)
        .join("debug/kerf-runtime");
    existing(
        path,
        "cargo build -p kerf-runtime --target x86_64-unknown-linux-musl",
    )
}

/// A program of the Python environment that `cargo xtask setup` makes: `python`, `gpustat`, `nvitop`.
///
/// # Errors
/// When the environment is not there.
pub fn python_tool(name: &str) -> Result<PathBuf> {
    existing(python_env()?.join("bin").join(name), "cargo xtask setup")
}

/// The folder of the Python environment with other people's NVML and metrics clients.
///
/// # Errors
/// When the build folder cannot be found.
pub fn python_env() -> Result<PathBuf> {
    Ok(tree::target_dir()?.join("pyenv"))
}

/// The reference implementation of CDI as a program (`tests/cdi-oracle`), which `cargo xtask setup` builds.
///
/// # Errors
/// When it has not been built.
pub fn cdi_oracle() -> Result<PathBuf> {
    existing(
        cdi_oracle_target()?.join("debug/cdi-oracle"),
        "cargo xtask setup",
    )
}

/// Where it is built.
///
/// # Errors
/// When the build folder cannot be found.
pub fn cdi_oracle_target() -> Result<PathBuf> {
    Ok(tree::target_dir()?.join("cdi-oracle"))
}

/// A program of the system, looked for in `PATH` and in the folders for administrators, which
/// are not in everybody's `PATH` although Debian puts `runc` there.
#[must_use]
pub fn system(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    find_in(name, &path)
}

fn find_in(name: &str, path: &OsStr) -> Option<PathBuf> {
    let administrators = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(path)
        .chain(administrators)
        .map(|folder| folder.join(name))
        .find(|candidate| is_executable(candidate))
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata()
        .is_ok_and(|facts| facts.is_file() && facts.permissions().mode() & 0o111 != 0)
}

fn built(name: &str) -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os(PROGRAMS_ENV) {
        return existing(
            Path::new(&folder).join(name),
            "KERF_PROGRAMS names its folder",
        );
    }
    existing(tree::profile_dir()?.join(name), "cargo build --workspace")
}

fn existing(path: PathBuf, made_by: &str) -> Result<PathBuf> {
    if !path.exists() {
        bail!("{} does not exist (made by: {made_by})", path.display());
    }
    Ok(path)
}

#[cfg(test)]
mod tests;
