//! CDI files: how a runtime that knows nothing of kerf learns which device nodes a name means.
//!
//! `kerf.dev/lease=<id>` exists only while its lease does. Standing names (`kerf.dev/slice=…`,
//! `kerf.dev/gpu=…`) carry a createRuntime hook that takes the lease for the container or fails the start.
//! Files are replaced by rename, so that a reader never sees half of one.

mod spec;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use kerf_runtime::frame::{DeviceNode, MountEntry};
use kerf_types::VENDOR;

use crate::files::{self, Durability};
use spec::{Device, Hook, Spec};

/// Lowest version that has what we use: `hostPath` of device nodes, and names that begin with a digit.
const CDI_VERSION: &str = "0.5.0";

/// The environment of the hook. runc hands its own one down to a hook that has none, and that is what the
/// engine was started with; an empty list does not survive the way through a container's `config.json`. So
/// there is one variable, which `kerf-runtime` does not read.
const HOOK_ENV: [&str; 1] = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"];

/// A device under a CDI name: its nodes and mounts, and what its hook claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CdiDevice {
    /// Device nodes.
    pub nodes: Vec<DeviceNode>,
    /// Mounts.
    pub mounts: Vec<MountEntry>,
    /// Environment.
    pub env: Vec<String>,
}

/// The classes of names that kerf gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// One file for each lease.
    Lease,
    /// Every slice, in one file.
    Slice,
    /// Every GPU, in one file.
    Gpu,
}

impl Class {
    /// Its word in names.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lease => "lease",
            Self::Slice => "slice",
            Self::Gpu => "gpu",
        }
    }
}

/// The folder in which our CDI files lie.
#[derive(Debug)]
pub struct CdiFolder {
    folder: PathBuf,
    hook: PathBuf,
    socket: PathBuf,
}

impl CdiFolder {
    /// `hook` is the `kerf-runtime` program, `socket` the runtime socket that its hook talks to.
    pub fn new(folder: &Path, hook: &Path, socket: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            hook: hook.to_owned(),
            socket: socket.to_owned(),
        }
    }

    /// Writes the standing names of a class; none at all removes the file.
    pub fn write_standing(
        &self,
        class: Class,
        devices: &BTreeMap<String, CdiDevice>,
    ) -> io::Result<()> {
        let path = self
            .folder
            .join(format!("{VENDOR}-{}.json", class.as_str()));
        if devices.is_empty() {
            return files::remove(&path);
        }
        self.write(&path, class, devices)
    }

    /// Writes the name of one lease.
    pub fn write_lease(&self, id: &str, device: &CdiDevice) -> io::Result<()> {
        let devices = BTreeMap::from([(id.to_owned(), device.clone())]);
        self.write(&self.lease_path(id), Class::Lease, &devices)
    }

    /// Withdraws the name of a lease.
    pub fn remove_lease(&self, id: &str) -> io::Result<()> {
        files::remove(&self.lease_path(id))
    }

    /// Removes files of leases that are not among these: left behind by a kerfd that was killed.
    pub fn keep_only_leases(&self, ids: &BTreeSet<String>) -> io::Result<()> {
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            if files::unfinished(&name).is_some_and(|name| name.starts_with(VENDOR)) {
                files::remove(&entry.path())?;
            }
            let id = name
                .to_str()
                .and_then(|name| name.strip_prefix(VENDOR)?.strip_prefix("-lease-"))
                .and_then(|rest| rest.strip_suffix(".json"));
            if let Some(id) = id
                && !ids.contains(id)
            {
                self.remove_lease(id)?;
            }
        }
        Ok(())
    }

    fn lease_path(&self, id: &str) -> PathBuf {
        self.folder.join(format!("{VENDOR}-lease-{id}.json"))
    }

    fn write(
        &self,
        path: &Path,
        class: Class,
        devices: &BTreeMap<String, CdiDevice>,
    ) -> io::Result<()> {
        let socket = self.socket.to_str().ok_or_else(|| not_utf8(&self.socket))?;
        let claims: Vec<String> = devices
            .keys()
            .map(|name| format!("{}={name}", class.as_str()))
            .collect();
        let claimed = devices.iter().zip(&claims);
        let spec = Spec {
            cdi_version: CDI_VERSION,
            devices: claimed
                .map(|((name, device), claim)| Device::new(name, device, self.hook(socket, claim)))
                .collect(),
            kind: format!("{VENDOR}/{}", class.as_str()),
        };
        let mut text = serde_json::to_vec_pretty(&spec)?;
        text.push(b'\n');
        files::replace(path, &text, Durability::Volatile)
    }

    fn hook<'a>(&'a self, socket: &'a str, claim: &'a str) -> Hook<'a> {
        Hook {
            args: vec!["kerf-runtime", "claim", "--socket", socket, claim],
            env: &HOOK_ENV,
            hook_name: "createRuntime",
            path: &self.hook,
        }
    }
}

fn not_utf8(path: &Path) -> io::Error {
    io::Error::other(format!("{} is not UTF-8", path.display()))
}
