//! A CDI document as the specification has it (cncf-tags/container-device-interface, SPEC.md), read strictly and written
//! with its members in one order. Knows nothing of what the devices are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use kerf_runtime::frame::{DeviceNode, MountEntry};
use serde::{Deserialize, Serialize};

/// What an engine does for a device: devices' own edits after those of the whole document.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Edits {
    /// Groups that the process gets beside its own. Since 0.7.0.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub additional_gids: Vec<u32>,
    /// Device nodes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub device_nodes: Vec<Node>,
    /// `KEY=value` entries.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// Programs that the runtime starts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<Hook>,
    /// Classes of Intel's RDT. Since 0.7.0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intel_rdt: Option<Rdt>,
    /// Mounts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<Mount>,
    /// Network interfaces that move into the container. Since 1.1.0.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub net_devices: Vec<NetDevice>,
}

/// A CDI file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Document {
    /// Since 0.6.0.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Version of the specification that a reader has to know.
    pub cdi_version: String,
    /// What every container gets that has a device of this file, once.
    #[serde(default, skip_serializing_if = "Edits::is_empty")]
    pub container_edits: Edits,
    /// The devices.
    pub devices: Vec<Device>,
    /// `vendor/class`.
    pub kind: String,
}

/// One name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Device {
    /// Since 0.6.0.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// What it stands for.
    pub container_edits: Edits,
    /// What comes after the `=` of a qualified name.
    pub name: String,
}

/// A device node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Node {
    /// Permission bits in the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_mode: Option<u32>,
    /// Group in the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
    /// Path on the host, where it is another one. Since 0.5.0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_path: Option<PathBuf>,
    /// Major number; read from the node where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub major: Option<i64>,
    /// Minor number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minor: Option<i64>,
    /// Path in the container.
    pub path: PathBuf,
    /// Letters of `rwm`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<String>,
    /// `c`, `b`, `u` or `p`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#type: Option<String>,
    /// Owner in the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
}

/// A mount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Mount {
    /// Where in the container.
    pub container_path: PathBuf,
    /// What of the host.
    pub host_path: PathBuf,
    /// Its options.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    /// Its file system. Since 0.4.0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#type: Option<String>,
}

/// A program that the runtime starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Hook {
    /// Its arguments, its own name first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Its environment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// When it is started.
    pub hook_name: String,
    /// The program.
    pub path: PathBuf,
    /// Seconds that it may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<i64>,
}

/// Classes of Intel's Resource Director Technology.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rdt {
    /// Name of the class.
    #[serde(default, rename = "closID", skip_serializing_if = "Option::is_none")]
    pub clos_id: Option<String>,
    /// Whether cache occupancy is monitored. Up to 1.0.0.
    #[serde(default, rename = "enableCMT", skip_serializing_if = "Option::is_none")]
    pub enable_cmt: Option<bool>,
    /// Whether memory bandwidth is monitored. Up to 1.0.0.
    #[serde(default, rename = "enableMBM", skip_serializing_if = "Option::is_none")]
    pub enable_mbm: Option<bool>,
    /// Whether the container is monitored. Since 1.1.0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_monitoring: Option<bool>,
    /// Schema of the L3 cache.
    #[serde(
        default,
        rename = "l3CacheSchema",
        skip_serializing_if = "Option::is_none"
    )]
    pub l3_cache_schema: Option<String>,
    /// Schema of memory bandwidth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mem_bw_schema: Option<String>,
    /// Schemata of any kind. Since 1.1.0.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schemata: Vec<String>,
}

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NetDevice {
    /// Its name on the host.
    pub host_interface_name: String,
    /// Its name in the container.
    pub name: String,
}

impl Edits {
    /// Whether it does nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl From<&DeviceNode> for Node {
    fn from(node: &DeviceNode) -> Self {
        Self {
            file_mode: None,
            gid: None,
            host_path: Some(node.host_path.clone()).filter(|path| *path != node.path),
            major: Some(node.major.into()),
            minor: Some(node.minor.into()),
            path: node.path.clone(),
            permissions: Some("rw".to_owned()),
            r#type: Some("c".to_owned()),
            uid: None,
        }
    }
}

impl From<&MountEntry> for Mount {
    fn from(mount: &MountEntry) -> Self {
        Self {
            container_path: mount.destination.clone(),
            host_path: mount.source.clone(),
            options: mount.options.clone(),
            // Engines take a mount with the option `bind` for one; the member would ask more of a reader.
            r#type: None,
        }
    }
}

/// The lowest version of the specification that has everything in a document: a reader of an older one takes it as well,
/// and one that is younger than its members is refused by every reader.
pub fn lowest_version(document: &Document) -> &'static str {
    let all = || {
        let own = std::iter::once(&document.container_edits);
        own.chain(
            document
                .devices
                .iter()
                .map(|device| &device.container_edits),
        )
    };
    let nodes = || all().flat_map(|edits| &edits.device_nodes);
    let of_1_1 = |rdt: &Rdt| rdt.enable_monitoring.is_some() || !rdt.schemata.is_empty();
    let digit = |name: &str| name.starts_with(|c: char| c.is_ascii_digit());
    let class = document.kind.split_once('/').map_or("", |(_, class)| class);
    let has_annotations = !document.annotations.is_empty()
        || document
            .devices
            .iter()
            .any(|device| !device.annotations.is_empty());
    if all()
        .any(|edits| !edits.net_devices.is_empty() || edits.intel_rdt.as_ref().is_some_and(of_1_1))
    {
        "1.1.0"
    } else if all().any(|edits| edits.intel_rdt.is_some() || !edits.additional_gids.is_empty()) {
        "0.7.0"
    } else if has_annotations || class.contains('.') {
        "0.6.0"
    } else if nodes().any(|node| node.host_path.is_some())
        || document.devices.iter().any(|device| digit(&device.name))
    {
        "0.5.0"
    } else if all()
        .flat_map(|edits| &edits.mounts)
        .any(|mount| mount.r#type.is_some())
    {
        "0.4.0"
    } else {
        "0.3.0"
    }
}

/// A path as text, which JSON has to be.
pub(super) fn text(path: &Path) -> std::io::Result<&str> {
    let failed = || std::io::Error::other(format!("{} is not UTF-8", path.display()));
    path.to_str().ok_or_else(failed)
}
