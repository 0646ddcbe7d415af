//! Mounts of what the driver offers, after all mounts of the spec; and the shared memory of an MPS daemon, in place of
//! the container's own.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::SpecError;
use crate::frame::MountEntry;
use crate::json::tree::{Node, Object};

/// Where an MPS daemon and its clients meet in memory. Engines give every container an empty tmpfs of its own there, in
/// which a client would look for its daemon in vain.
const SHARED_MEMORY: &str = "/dev/shm";

#[derive(Serialize)]
struct NewMount<'g> {
    destination: &'g Path,
    r#type: &'g str,
    source: &'g Path,
    options: Vec<&'g str>,
}

#[derive(Deserialize)]
struct OldMount {
    destination: String,
    r#type: Option<String>,
    source: Option<String>,
    options: Option<Vec<String>>,
}

/// Appends `mounts`; one that is there already is kept, another one at its place is an error, since the
/// later mount would hide the files that the author wanted. An own tmpfs at [`SHARED_MEMORY`] has none, and is replaced.
pub(super) fn apply(root: &mut Object<'_>, mounts: &[MountEntry]) -> Result<(), SpecError> {
    if mounts.is_empty() {
        return Ok(());
    }
    let list = root.list("mounts", "mounts")?;
    let mut there: Vec<OldMount> = Vec::with_capacity(list.len());
    for node in list.iter() {
        node.peek("mounts")?
            .refuse_lookalikes("mounts", &["destination", "type", "source", "options"])?;
        there.push(node.read("mounts", "a list of mounts")?);
    }
    for mount in mounts {
        let new = NewMount {
            destination: &mount.destination,
            r#type: &mount.kind,
            source: &mount.source,
            options: options(mount),
        };
        let same_place = there
            .iter()
            .enumerate()
            .find(|(_, old)| Path::new(&old.destination) == new.destination);
        match same_place {
            None => list.push(Node::made(&new).map_err(SpecError::Encode)?),
            Some((_, old)) if is_same(old, &new) => {}
            Some((at, old)) if is_own_memory(old) => {
                if let Some(place) = list.get_mut(at) {
                    *place = Node::made(&new).map_err(SpecError::Encode)?;
                }
            }
            Some(_) if mount.destination == Path::new(SHARED_MEMORY) => {
                let destination = mount.destination.clone();
                return Err(SpecError::SharedMemory { destination });
            }
            Some(_) => {
                let destination = mount.destination.clone();
                return Err(SpecError::MountConflict { destination });
            }
        }
    }
    Ok(())
}

/// runc takes a mount for a bind mount by its options, crun by its type: both are written.
fn options(mount: &MountEntry) -> Vec<&str> {
    let mut options: Vec<&str> = mount.options.iter().map(String::as_str).collect();
    if mount.kind == "bind" && !options.iter().any(|o| matches!(*o, "bind" | "rbind")) {
        options.insert(0, "bind");
    }
    options
}

fn is_own_memory(old: &OldMount) -> bool {
    Path::new(&old.destination) == Path::new(SHARED_MEMORY)
        && old.r#type.as_deref() == Some("tmpfs")
}

/// An engine that injects a CDI device writes its bind mounts without a type, and runtimes know them by their options.
fn is_same(old: &OldMount, new: &NewMount<'_>) -> bool {
    let kind = old.r#type.as_deref().filter(|kind| !kind.is_empty());
    let is_bind = |option: &String| matches!(option.as_str(), "bind" | "rbind");
    let by_options = old.options.iter().flatten().any(is_bind).then_some("bind");
    kind.or(by_options) == Some(new.r#type)
        && old.source.as_deref().map(Path::new) == Some(new.source)
        && old.options.as_deref().unwrap_or_default() == new.options
}
