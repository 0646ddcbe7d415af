//! Devices of a container with a user namespace, in which nobody can make a node.
//!
//! runc and crun bind-mount what stands in `linux.devices` instead, from the path on the host that the device has *in the
//! container*. That is the granted node where both paths are one; elsewhere (a driver root, a simulated machine) it
//! would be another device, or none, so the mount is written out with the path that was granted.

use serde::Deserialize;

use super::SpecError;
use crate::frame::{DeviceNode, MountEntry};
use crate::json::tree::Object;

const NAMESPACES: &str = "linux.namespaces";

#[derive(Deserialize)]
struct Namespace {
    r#type: String,
}

/// Whether the container gets a user namespace, its own or another's.
pub(super) fn is_set(root: &mut Object<'_>) -> Result<bool, SpecError> {
    let Some(linux) = root.opened("linux", "linux")? else {
        return Ok(false);
    };
    linux.refuse_lookalikes("linux", &["namespaces"])?;
    let Some(list) = linux.opened_list("namespaces", NAMESPACES)? else {
        return Ok(false);
    };
    for node in list.iter() {
        node.peek(NAMESPACES)?
            .refuse_lookalikes(NAMESPACES, &["type"])?;
        let namespace: Namespace = node.read(NAMESPACES, "a list of namespaces")?;
        if namespace.r#type == "user" {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The node on the host at its place in the container.
pub(super) fn mount(device: &DeviceNode) -> MountEntry {
    MountEntry {
        source: device.host_path.clone(),
        destination: device.path.clone(),
        options: ["bind", "rw", "nosuid", "noexec"]
            .map(str::to_owned)
            .to_vec(),
        kind: "bind".to_owned(),
    }
}
