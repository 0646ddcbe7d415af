//! Calls the packaging tools; gives the paths of what they made.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use kerf_tests::{process, tree};

use super::tools::Tools;

/// As in the manifests.
pub const MAINTAINER: &str = "kerf authors <packages@kerf.dev>";

/// The time that everything in a package gets, where no other is asked for and there is no history.
const OLDEST: u64 = 315_532_800;

/// The four packages.
#[derive(Debug)]
pub struct Packages {
    /// kerf for Debian.
    pub deb: PathBuf,
    /// The simulator for Debian.
    pub sim_deb: PathBuf,
    /// kerf as an rpm.
    pub rpm: PathBuf,
    /// The simulator as an rpm.
    pub sim_rpm: PathBuf,
}

impl Packages {
    /// All of them.
    pub fn all(&self) -> [&Path; 4] {
        [&self.deb, &self.sim_deb, &self.rpm, &self.sim_rpm]
    }
}

/// Makes all packages in a folder that holds nothing else afterwards.
pub fn all(tools: &Tools, folder: &Path) -> Result<Packages> {
    if folder.exists() {
        std::fs::remove_dir_all(folder)?;
    }
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(Packages {
        deb: deb(tools, folder, "kerf-agent")?,
        sim_deb: deb(tools, folder, "kerf-nvml-sim")?,
        rpm: rpm(tools, folder, "agent")?,
        sim_rpm: rpm(tools, folder, "partitioner/nvml-sim")?,
    })
}

fn deb(tools: &Tools, folder: &Path, package: &str) -> Result<PathBuf> {
    let mut command = Command::new(tools.program("cargo-deb"));
    command.args(["deb", "--no-build", "--no-strip", "--no-dbgsym"]);
    // xz would save 3 MB of 10, and take twice the time to install: more than everything else together.
    command.args(["--compress-type", "gz", "--compress-system", "--package"]);
    command.arg(package).arg("--output").arg(folder);
    made(&mut command, folder)
}

fn rpm(tools: &Tools, folder: &Path, package: &str) -> Result<PathBuf> {
    let mut command = Command::new(tools.program("cargo-generate-rpm"));
    // Its own reading of what a program needs: the one of rpm's scripts differs from host to host.
    command.args([
        "generate-rpm",
        "--auto-req",
        "builtin",
        "--package",
        package,
    ]);
    command.arg("--target-dir").arg(tree::target_dir()?);
    command.arg("--output").arg(folder);
    made(&mut command, folder)
}

/// Runs a tool and finds the file that it added to the folder.
fn made(command: &mut Command, folder: &Path) -> Result<PathBuf> {
    let before = files(folder)?;
    command.current_dir(tree::workspace_root());
    command.env("CARGO_TARGET_DIR", tree::target_dir()?);
    command.env("SOURCE_DATE_EPOCH", epoch()?.to_string());
    process::run(command)?;
    let mut added = files(folder)?;
    added.retain(|file| !before.contains(file));
    match added.as_slice() {
        [file] => Ok(file.clone()),
        other => bail!("{} made {other:?}", process::shell_line(command)),
    }
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder)?.flatten();
    Ok(entries.map(|entry| entry.path()).collect())
}

/// The time of everything in the packages, in seconds: what `SOURCE_DATE_EPOCH` asks for, else the last
/// commit's.
pub fn epoch() -> Result<u64> {
    if let Ok(asked) = std::env::var("SOURCE_DATE_EPOCH") {
        return asked
            .trim()
            .parse()
            .context("SOURCE_DATE_EPOCH is no number of seconds");
    }
    let mut git = Command::new("git");
    git.args(["log", "-1", "--format=%ct"]);
    match process::run(git.current_dir(tree::workspace_root())) {
        Ok(seconds) => seconds.trim().parse().context("git gives no time"),
        // A source archive has no history.
        Err(_) => Ok(OLDEST),
    }
}
