//! CDI files: how a runtime that knows nothing of kerf learns which device nodes a name means.
//!
//! `kerf.dev/lease=<id>` exists only while its lease does, and means it as it is: whoever made the lease knows for whom.
//! Standing names (`kerf.dev/slice=…`, `kerf.dev/gpu=…`, `kerf.dev/device=…`) carry a createRuntime hook that takes the lease for the
//! container or fails the start. Files are replaced by rename, so that a reader never sees half of one.

pub mod check;
pub mod registry;
pub mod spec;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use kerf_runtime::frame::{DeviceNode, MountEntry};
use kerf_types::VENDOR;

use crate::files::{self, Durability};
use spec::{Device, Document, Edits, Hook, Mount, Node};

/// The environment of the hook. runc hands its own one down to a hook that has none, and that is what the
/// engine was started with; an empty list does not survive the way through a container's `config.json`. So
/// there is one variable, which `kerf-runtime` does not read.
const HOOK_ENV: &str = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";

/// The name that stands for every GPU which is not cut, at once.
pub const ALL: &str = "all";

/// A device under a CDI name: its nodes and mounts, and what its hook claims.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CdiDevice {
    /// Device nodes.
    pub nodes: Vec<DeviceNode>,
    /// Mounts of its own.
    pub mounts: Vec<MountEntry>,
    /// Environment.
    pub env: Vec<String>,
    /// Groups that may open its nodes, where not everybody may.
    pub gids: Vec<u32>,
    /// Whether a program locks memory without a bound to use it. No document says so: the specification has no member
    /// for limits.
    pub memlock: bool,
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
    /// Every device of another maker, in one file.
    Device,
}

impl Class {
    /// Its word in names.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lease => "lease",
            Self::Slice => "slice",
            Self::Gpu => "gpu",
            Self::Device => "device",
        }
    }

    /// Whether its names are for whoever comes, and so have to be claimed.
    fn is_claimed(self) -> bool {
        self != Self::Lease
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

    /// Writes the standing names of a class; none at all removes the file. `common` is what every container gets with
    /// any of them.
    pub fn write_standing(
        &self,
        class: Class,
        devices: &BTreeMap<String, CdiDevice>,
        common: &[MountEntry],
    ) -> io::Result<()> {
        let path = self
            .folder
            .join(format!("{VENDOR}-{}.json", class.as_str()));
        if devices.is_empty() {
            return files::remove(&path);
        }
        write(&path, &self.document(class, devices, common)?)
    }

    /// Writes the name of one lease.
    pub fn write_lease(
        &self,
        id: &str,
        device: &CdiDevice,
        common: &[MountEntry],
    ) -> io::Result<()> {
        let devices = BTreeMap::from([(id.to_owned(), device.clone())]);
        let document = self.document(Class::Lease, &devices, common)?;
        write(&self.lease_path(id), &document)
    }

    /// Whether the name of a lease is there. What cannot be looked at may be.
    pub fn has_lease(&self, id: &str) -> bool {
        self.lease_path(id).try_exists().unwrap_or(true)
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

    /// The document of a class, in the lowest version that has what it uses.
    pub fn document(
        &self,
        class: Class,
        devices: &BTreeMap<String, CdiDevice>,
        common: &[MountEntry],
    ) -> io::Result<Document> {
        let devices: io::Result<Vec<Device>> = devices
            .iter()
            .map(|(name, device)| self.device(class, name, device))
            .collect();
        let mut document = Document {
            annotations: BTreeMap::new(),
            cdi_version: String::new(),
            container_edits: Edits {
                mounts: common.iter().map(Mount::from).collect(),
                ..Edits::default()
            },
            devices: devices?,
            kind: format!("{VENDOR}/{}", class.as_str()),
        };
        spec::lowest_version(&document).clone_into(&mut document.cdi_version);
        Ok(document)
    }

    fn device(&self, class: Class, name: &str, device: &CdiDevice) -> io::Result<Device> {
        let hooks = match class.is_claimed() {
            true => vec![self.hook(&format!("{}={name}", class.as_str()))?],
            false => Vec::new(),
        };
        Ok(Device {
            annotations: BTreeMap::new(),
            container_edits: Edits {
                additional_gids: device.gids.clone(),
                device_nodes: device.nodes.iter().map(Node::from).collect(),
                env: device.env.clone(),
                hooks,
                mounts: device.mounts.iter().map(Mount::from).collect(),
                ..Edits::default()
            },
            name: name.to_owned(),
        })
    }

    fn hook(&self, claim: &str) -> io::Result<Hook> {
        let socket = spec::text(&self.socket)?;
        let args = ["kerf-runtime", "claim", "--socket", socket, claim];
        Ok(Hook {
            args: args.map(str::to_owned).to_vec(),
            env: vec![HOOK_ENV.to_owned()],
            hook_name: "createRuntime".to_owned(),
            path: self.hook.clone(),
            timeout: None,
        })
    }

    fn lease_path(&self, id: &str) -> PathBuf {
        self.folder.join(file_name(Class::Lease, id))
    }
}

/// The name of the file of a class, or of one lease.
pub fn file_name(class: Class, lease: &str) -> String {
    match class {
        Class::Lease => format!("{VENDOR}-lease-{lease}.json"),
        other => format!("{VENDOR}-{}.json", other.as_str()),
    }
}

fn write(path: &Path, document: &Document) -> io::Result<()> {
    let mut text = serde_json::to_vec_pretty(document)?;
    text.push(b'\n');
    files::replace(path, &text, Durability::Volatile)
}
