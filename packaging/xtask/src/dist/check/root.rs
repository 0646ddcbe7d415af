//! A Debian root to install into: made once by debootstrap, kept as an archive, and laid out anew for each check.
//!
//! Commands run in it in mount and process namespaces of their own. So nothing that they mount is ever seen
//! outside, and nothing that they start outlives them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use kerf_tests::{Scratch, process};

use crate::out;
use crate::phase::visible;

/// The laid out root; it goes with its owner.
#[derive(Debug)]
pub struct Root {
    _scratch: Scratch,
    folder: PathBuf,
}

impl Root {
    /// Lays one out, of the Debian that this is: what was built here needs its libraries.
    pub fn new() -> Result<Self> {
        let suite = suite()?;
        let archive = super::super::folder()?.join(format!("root-{suite}.tar"));
        if !archive.exists() {
            bootstrap(&suite, &archive)?;
        }
        let scratch = Scratch::new("kerf-root")?;
        let folder = scratch.folder("root")?;
        let mut tar = Command::new("tar");
        tar.arg("--extract")
            .arg("--numeric-owner")
            .arg("--file")
            .arg(&archive);
        process::run(tar.arg("--directory").arg(&folder))?;
        // A folder of the scratch's own mode would keep others than root out of the whole system.
        process::run(Command::new("chmod").arg("755").arg(&folder))?;
        out::line(&format!("  Debian {suite} in {}", folder.display()));
        Ok(Self {
            _scratch: scratch,
            folder,
        })
    }

    /// Its path out here.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// A command in it, with a `/proc` of its own. Killing it ends all that it started.
    pub fn command(&self, program: &str) -> Command {
        let mut mount = std::ffi::OsString::from("--mount-proc=");
        mount.push(self.folder.join("proc"));
        let mut command = isolated();
        command.args(["--pid", "--fork", "--kill-child"]).arg(mount);
        command.arg("chroot").arg(&self.folder).arg(program);
        command.env_clear();
        command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command.env("LC_ALL", "C");
        command
    }

    /// Runs a shell command in it to its end.
    pub fn shell(&self, line: &str) -> Result<String> {
        process::run(self.command("/bin/sh").args(["-c", line]))
            .with_context(|| format!("in the clean root: {line}"))
    }
}

/// In a mount namespace from which nothing comes back.
pub fn isolated() -> Command {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private"]);
    command
}

fn suite() -> Result<String> {
    let text = std::fs::read_to_string("/etc/os-release").context("no /etc/os-release")?;
    let suite = text
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    let suite = suite.context("/etc/os-release names no Debian suite")?;
    Ok(suite.trim_matches('"').to_owned())
}

fn bootstrap(suite: &str, archive: &Path) -> Result<()> {
    let scratch = Scratch::new("kerf-boot")?;
    let folder = scratch.join("root");
    let mut debootstrap = isolated();
    debootstrap.args([
        "debootstrap",
        "--variant=minbase",
        "--include=systemd",
        suite,
    ]);
    visible(debootstrap.arg(&folder)).context("no Debian root could be made")?;
    // Under another name until it is whole.
    let part = archive.with_extension("part");
    let mut tar = Command::new("tar");
    tar.arg("--create")
        .arg("--numeric-owner")
        .arg("--file")
        .arg(&part);
    process::run(tar.arg("--directory").arg(&folder).arg("."))?;
    std::fs::rename(&part, archive).context("cannot keep the root")
}
