//! The document as the specification has it, borrowed from what it tells. Members stand in the order of their names.

use std::path::Path;

use kerf_runtime::frame::{DeviceNode, MountEntry};
use serde::Serialize;

use super::CdiDevice;

/// A CDI file.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Spec<'a> {
    pub cdi_version: &'a str,
    pub devices: Vec<Device<'a>>,
    pub kind: String,
}

/// One name.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Device<'a> {
    container_edits: Edits<'a>,
    name: &'a str,
}

impl<'a> Device<'a> {
    pub fn new(name: &'a str, device: &'a CdiDevice, hook: Hook<'a>) -> Self {
        let container_edits = Edits {
            device_nodes: device.nodes.iter().map(Node::from).collect(),
            env: &device.env,
            hooks: [hook],
            mounts: device.mounts.iter().map(Mount::from).collect(),
        };
        Self {
            container_edits,
            name,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Edits<'a> {
    device_nodes: Vec<Node<'a>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    env: &'a [String],
    hooks: [Hook<'a>; 1],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    mounts: Vec<Mount<'a>>,
}

/// A program that the runtime starts.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Hook<'a> {
    pub args: Vec<&'a str>,
    pub env: &'a [&'a str],
    pub hook_name: &'a str,
    pub path: &'a Path,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Node<'a> {
    host_path: &'a Path,
    major: u32,
    minor: u32,
    path: &'a Path,
    permissions: &'static str,
    r#type: &'static str,
}

impl<'a> From<&'a DeviceNode> for Node<'a> {
    fn from(node: &'a DeviceNode) -> Self {
        Self {
            host_path: &node.host_path,
            major: node.major,
            minor: node.minor,
            path: &node.path,
            permissions: "rw",
            r#type: "c",
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Mount<'a> {
    container_path: &'a Path,
    host_path: &'a Path,
    options: &'a [String],
}

impl<'a> From<&'a MountEntry> for Mount<'a> {
    fn from(mount: &'a MountEntry) -> Self {
        Self {
            container_path: &mount.destination,
            host_path: &mount.source,
            options: &mount.options,
        }
    }
}
