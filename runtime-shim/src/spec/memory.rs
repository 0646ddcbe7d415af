//! Where memory is taken from (`linux.memoryPolicy`, OCI runtime spec 1.3). What the container's author chose stays.

use super::SpecError;
use crate::frame::MemoryPolicy;
use crate::json::tree::{Node, Object};

/// The memory nodes that the container may use at all, by the spec.
fn pinned_to(root: &mut Object<'_>) -> Result<Option<String>, SpecError> {
    let Some(linux) = root.opened("linux", "linux")? else {
        return Ok(None);
    };
    let Some(resources) = linux.opened("resources", "linux.resources")? else {
        return Ok(None);
    };
    let Some(cpu) = resources.opened("cpu", "linux.resources.cpu")? else {
        return Ok(None);
    };
    let mems = cpu.get("mems");
    Ok(mems
        .map(|node| node.read("linux.resources.cpu", "an object with mems as a string"))
        .transpose()?)
}

/// Writes the policy where the spec has none. Whether the runtime knows it is asked before ([`crate::features`]): one
/// that does not would ignore it, or refuse the spec.
pub(super) fn apply(root: &mut Object<'_>, policy: Option<&MemoryPolicy>) -> Result<(), SpecError> {
    let Some(policy) = policy else {
        return Ok(());
    };
    if pinned_to(root)?.is_some_and(|nodes| nodes != policy.nodes) {
        // Elsewhere than the grant says: the kernel refuses a policy whose nodes the cpuset has not.
        return Ok(());
    }
    let linux = root.object("linux", "linux")?;
    linux.refuse_lookalikes("linux", &["memoryPolicy"])?;
    if linux.get("memoryPolicy").is_none() {
        let new = Node::made(policy).map_err(SpecError::Encode)?;
        linux.set("memoryPolicy", new);
    }
    Ok(())
}
