//! Engines of other versions than the machine's own, side by side: where they lie once `cargo xtask setup` has
//! unpacked them.
//!
//! Each suite of Debian has a folder below the build folder: `root` holds its packages as they were unpacked, `bin`
//! names the programs in it, and a note says that they are complete. Nothing of the machine is replaced, and no
//! package is installed. This module finds them; it fetches nothing.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::tree;

/// A suite of Debian whose engines are tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Suite {
    /// Debian 12: containerd 1.6, which knows no CDI; podman 4.3.
    Bookworm,
    /// Debian 13: containerd 1.7, which knows CDI for CRI when it is told to.
    Trixie,
    /// What is developed: containerd 2, runc and crun with a newer specification; Docker and podman of today.
    Sid,
}

/// A program of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Program {
    /// Its file name.
    pub name: &'static str,
    /// The argument with which it says its version and ends.
    pub version: &'static str,
}

const fn program(name: &'static str) -> Program {
    let version = "--version";
    Program { name, version }
}

/// What every suite has.
const CONTAINERD: [Program; 5] = [
    program("containerd"),
    program("ctr"),
    Program {
        name: "containerd-shim-runc-v2",
        version: "-v",
    },
    program("runc"),
    program("crun"),
];

/// podman and the program that holds its containers.
const PODMAN: [Program; 2] = [program("podman"), program("conmon")];

/// Docker, with what its daemon starts.
const DOCKER: [Program; 3] = [
    program("dockerd"),
    program("docker"),
    program("docker-proxy"),
];

impl Suite {
    /// Every suite, the oldest first.
    pub const ALL: [Self; 3] = [Self::Bookworm, Self::Trixie, Self::Sid];

    /// Its name in an archive of Debian.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bookworm => "bookworm",
            Self::Trixie => "trixie",
            Self::Sid => "sid",
        }
    }

    /// The packages that are fetched, each with what it depends on.
    #[must_use]
    pub fn packages(self) -> &'static [&'static str] {
        match self {
            // The oldest patchelf runs on every later machine.
            Self::Bookworm => &["containerd", "runc", "crun", "podman", "patchelf"],
            Self::Trixie => &["containerd", "runc", "crun"],
            Self::Sid => &[
                "containerd",
                "runc",
                "crun",
                "podman",
                "docker.io",
                "docker-cli",
            ],
        }
    }

    /// The programs that are used of it.
    #[must_use]
    pub fn programs(self) -> Vec<Program> {
        let (podman, docker) = match self {
            Self::Bookworm => (&PODMAN[..], &[][..]),
            Self::Trixie => (&[][..], &[][..]),
            Self::Sid => (&PODMAN[..], &DOCKER[..]),
        };
        [&CONTAINERD, podman, docker].concat()
    }

    /// Its folder.
    ///
    /// # Errors
    /// When the build folder cannot be found.
    pub fn folder(self) -> Result<PathBuf> {
        Ok(folder()?.join(self.name()))
    }

    /// A program of it.
    ///
    /// # Errors
    /// When it was not unpacked.
    pub fn program(self, name: &str) -> Result<PathBuf> {
        let path = self.folder()?.join("bin").join(name);
        let suite = self.name();
        ensure!(path.exists(), "no {name} of {suite} (cargo xtask setup)");
        Ok(path)
    }

    /// A `PATH` with its programs before those of the machine, for an engine that looks for its own there.
    ///
    /// # Errors
    /// When the build folder cannot be found.
    pub fn path(self) -> Result<OsString> {
        let own = self.folder()?.join("bin");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let all = std::iter::once(own).chain(std::env::split_paths(&path));
        std::env::join_paths(all).context("a folder of PATH has a colon in its name")
    }

    /// Whether all of it lies there.
    ///
    /// # Errors
    /// Says what is missing.
    pub fn probe(self) -> Result<()> {
        let folder = self.folder()?;
        let complete = std::fs::read_to_string(folder.join(NOTE)).unwrap_or_default();
        let suite = self.name();
        ensure!(
            complete == self.note(&folder),
            "the engines of {suite} are not unpacked (cargo xtask setup)"
        );
        let mut programs = self.programs().into_iter();
        programs.try_for_each(|program| self.program(program.name).map(drop))
    }

    /// What stands in the file [`NOTE`] of a complete folder. The folder is named because programs name their loader
    /// by its full path.
    #[must_use]
    pub fn note(self, folder: &Path) -> String {
        let packages = self.packages().join(" ");
        format!("{}: {packages}\n", folder.display())
    }
}

/// The file of a suite's folder that is written last.
pub const NOTE: &str = "complete";

/// The folder of all suites.
///
/// # Errors
/// When the build folder cannot be found.
pub fn folder() -> Result<PathBuf> {
    Ok(tree::target_dir()?.join("engines"))
}

/// Whether every suite lies there.
///
/// # Errors
/// Says what is missing.
pub fn probe() -> Result<()> {
    Suite::ALL.into_iter().try_for_each(Suite::probe)
}
