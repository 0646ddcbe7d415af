//! Where memory is taken from (`linux.memoryPolicy`, OCI runtime spec 1.3). What the container's author chose stays.

use super::SpecError;
use crate::frame::MemoryPolicy;
use crate::json::tree::{Node, Object};

/// Writes the policy where the spec has none. Whether the runtime knows it is asked before ([`crate::features`]): one
/// that does not would ignore it, or refuse the spec.
pub(super) fn apply(root: &mut Object<'_>, policy: Option<&MemoryPolicy>) -> Result<(), SpecError> {
    let Some(policy) = policy else {
        return Ok(());
    };
    let linux = root.object("linux", "linux")?;
    linux.refuse_lookalikes("linux", &["memoryPolicy"])?;
    if linux.get("memoryPolicy").is_none() {
        let new = Node::made(policy).map_err(SpecError::Encode)?;
        linux.set("memoryPolicy", new);
    }
    Ok(())
}
