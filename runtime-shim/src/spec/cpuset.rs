//! CPUs and memory nodes beside the slice. What the container's author chose stays.

use super::SpecError;
use crate::frame::Grant;
use crate::json::tree::{Node, Object};

const CPU: &str = "linux.resources.cpu";

/// Sets `cpus` and `mems`, each where the spec has none.
pub(super) fn apply(root: &mut Object<'_>, grant: &Grant) -> Result<(), SpecError> {
    let wanted = [("cpus", &grant.cpuset_cpus), ("mems", &grant.cpuset_mems)];
    if wanted.iter().all(|(_, value)| value.is_none()) {
        return Ok(());
    }
    let linux = root.object("linux", "linux")?;
    let resources = linux.object("resources", "linux.resources")?;
    let cpu = resources.object("cpu", CPU)?;
    cpu.refuse_lookalikes(CPU, &["cpus", "mems"])?;
    for (key, value) in wanted {
        let Some(value) = value else { continue };
        let there: Option<String> = match cpu.get(key) {
            Some(node) => Some(node.read(CPU, "an object with cpus and mems as strings")?),
            None => None,
        };
        if there.is_none_or(|list| list.trim().is_empty()) {
            cpu.set(key, Node::made(value).map_err(SpecError::Encode)?);
        }
    }
    Ok(())
}
