//! What a test needs of the machine, and what happens when it is not there.
//!
//! A test asks with [`require`] and returns when the answer is no; one line then says why it was
//! skipped. Where `KERF_REQUIRE` names the capability the skip is a failure: so a build server
//! cannot go green by lacking something.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use nix::unistd::Uid;

use crate::{bins, engines, mounts, tree, world};

/// The environment variable with the capabilities that must be there, separated by commas.
pub const REQUIRE_ENV: &str = "KERF_REQUIRE";

/// Something that a test needs and not every machine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Capability {
    /// The test runs as root.
    Root,
    /// containerd, its `ctr`, runc and a static busybox are installed, and root may start them.
    Containerd,
    /// Device access can be ruled by a cgroup: v1 `devices`, or a v2 tree that takes new groups.
    Cgroup,
    /// The reference data lies beside the checkout, see [`tree::data_dir`].
    Data,
    /// The Python environment with gpustat, nvitop and prometheus-client is set up.
    Python,
    /// promtool, the checker of Prometheus text, is installed.
    Promtool,
    /// `lstopo-no-graphics`, the reader of topologies that ours is held against, is installed.
    Lstopo,
    /// `lspci`, which lists a tree's PCI functions as a real machine's, is installed.
    Lspci,
    /// Chromium is installed: a browser that can run without a screen.
    Chromium,
    /// A file system of user space can be mounted, by root in a mount namespace of its own.
    Fuse,
    /// The reference implementation of CDI is built.
    Oracle,
    /// Engines of other versions than the machine's lie unpacked below the build folder.
    Engines,
    /// Network namespaces with TAP devices can be made, and a switch between them runs.
    Netns,
    /// nft is installed, and its rules hold in such a namespace.
    Nft,
}

impl Capability {
    /// Every capability there is.
    pub const ALL: [Self; 14] = [
        Self::Root,
        Self::Containerd,
        Self::Cgroup,
        Self::Data,
        Self::Python,
        Self::Promtool,
        Self::Lstopo,
        Self::Lspci,
        Self::Chromium,
        Self::Fuse,
        Self::Oracle,
        Self::Engines,
        Self::Netns,
        Self::Nft,
    ];

    /// The word that stands for it in `KERF_REQUIRE`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Containerd => "containerd",
            Self::Cgroup => "cgroup",
            Self::Data => "data",
            Self::Python => "python",
            Self::Promtool => "promtool",
            Self::Lstopo => "lstopo",
            Self::Lspci => "lspci",
            Self::Chromium => "chromium",
            Self::Fuse => "fuse",
            Self::Oracle => "oracle",
            Self::Engines => "engines",
            Self::Netns => "netns",
            Self::Nft => "nft",
        }
    }

    /// Looks whether the machine has it.
    ///
    /// # Errors
    /// Says what is missing.
    pub fn probe(self) -> Result<()> {
        match self {
            Self::Root => probe_root(),
            Self::Containerd => probe_containerd(),
            Self::Cgroup => probe_cgroup(),
            Self::Data => probe_data(),
            Self::Python => bins::python_tool("gpustat").map(drop),
            Self::Promtool => program("promtool"),
            Self::Lstopo => program("lstopo-no-graphics"),
            Self::Lspci => program("lspci"),
            Self::Chromium => program("chromium"),
            Self::Oracle => bins::cdi_oracle().map(drop),
            Self::Fuse => probe_root().and_then(|()| mounts::probe_fuse()),
            Self::Engines => engines::probe(),
            Self::Netns => probe_root().and_then(|()| world::network::probe()),
            Self::Nft => probe_root().and_then(|()| world::network::probe_nft()),
        }
    }
}

/// Whether the calling test can run here; if not, prints why it is skipped.
///
/// # Panics
/// When the capability is missing although `KERF_REQUIRE` names it, and when `KERF_REQUIRE` holds
/// a word that is no capability: a misspelt demand must not become no demand.
#[must_use]
pub fn require(capability: Capability) -> bool {
    let demanded = demanded_here().unwrap_or_else(|error| panic!("{error:#}"));
    let Err(missing) = capability.probe() else {
        return true;
    };
    refuse_or_note(capability, &demanded, &format!("{missing:#}"));
    false
}

/// [`require`] for a test that has found out by itself that it cannot run, and why.
///
/// # Panics
/// As [`require`].
pub fn skip(capability: Capability, why: &str) {
    let demanded = demanded_here().unwrap_or_else(|error| panic!("{error:#}"));
    refuse_or_note(capability, &demanded, why);
}

fn refuse_or_note(capability: Capability, demanded: &BTreeSet<Capability>, why: &str) {
    let test = std::thread::current().name().unwrap_or("test").to_owned();
    let line = format!("{test} needs {}: {why}", capability.word());
    assert!(!demanded.contains(&capability), "{line}");
    note(&format!("skipped: {line}"));
}

/// Says something about a test that passes. The harness keeps what `println` of such a test says to
/// itself, so the line goes to the stream directly.
pub fn note(line: &str) {
    // Nobody may be listening; that is no reason to fail.
    drop(writeln!(std::io::stderr(), "{line}"));
}

/// The capabilities that `KERF_REQUIRE` names.
///
/// # Errors
/// When it holds a word that is no capability.
pub fn demanded_here() -> Result<BTreeSet<Capability>> {
    demanded(&std::env::var(REQUIRE_ENV).unwrap_or_default()).context(REQUIRE_ENV)
}

fn demanded(list: &str) -> Result<BTreeSet<Capability>> {
    let words = list
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty());
    words.map(from_word).collect()
}

fn from_word(word: &str) -> Result<Capability> {
    let found = Capability::ALL
        .into_iter()
        .find(|capability| capability.word() == word);
    found.with_context(|| format!("no capability is called {word:?}"))
}

fn probe_root() -> Result<()> {
    let uid = Uid::effective();
    ensure!(uid.is_root(), "the user id is {uid}");
    Ok(())
}

fn probe_containerd() -> Result<()> {
    probe_root()?;
    ["containerd", "ctr", "containerd-shim-runc-v2", "runc"]
        .into_iter()
        .try_for_each(program)?;
    world::static_busybox().map(drop)
}

fn program(name: &str) -> Result<()> {
    bins::system(name)
        .map(drop)
        .with_context(|| format!("{name} is not installed"))
}

fn probe_cgroup() -> Result<()> {
    let devices_v1 = Path::new("/sys/fs/cgroup/devices");
    let unified = Path::new("/sys/fs/cgroup");
    let parent = if devices_v1.join("devices.allow").exists() {
        devices_v1
    } else if unified.join("cgroup.controllers").exists() {
        unified
    } else {
        bail!("neither a v1 devices hierarchy nor a v2 tree is mounted on /sys/fs/cgroup");
    };
    let group = parent.join(format!("kerf-probe-{}", std::process::id()));
    match std::fs::create_dir(&group) {
        Ok(()) => std::fs::remove_dir(&group).context("the probe group cannot be removed"),
        // Another thread of this process is probing at this moment: the tree takes groups.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error).with_context(|| format!("no group can be made in {parent:?}")),
    }
}

fn probe_data() -> Result<()> {
    let folder = tree::data_dir();
    ensure!(folder.is_dir(), "{} does not exist", folder.display());
    Ok(())
}

#[cfg(test)]
mod tests;
