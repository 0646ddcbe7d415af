//! What a container gets unless it has something of its own there: a file with the variables that lead to it.
//!
//! An offer is taken whole or not at all. It is left where the container sets one of its variables, and where its file
//! would come over or into something that is mounted: a file system in memory apart, a runtime would leave an empty
//! file on whatever the author has mounted there, the host's `/run` at worst. Links in the image are not seen here, but
//! for the usual one from `/var/run`: one that leads into a volume of the container has an empty file made in that.

use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use super::{SpecError, mounts, process};
use crate::frame::Offer;
use crate::json::tree::Object;

#[derive(Deserialize)]
struct OldMount {
    destination: String,
    r#type: Option<String>,
}

/// Gives those that the container leaves room for.
pub(super) fn apply(root: &mut Object<'_>, offers: &[Offer]) -> Result<(), SpecError> {
    for offer in offers {
        if is_taken(root, &offer.mount.destination)? || process::sets_any(root, &offer.env)? {
            continue;
        }
        mounts::apply(root, std::slice::from_ref(&offer.mount))?;
        process::set(root, &offer.env)?;
    }
    Ok(())
}

/// Whether something is mounted at a place, or above it and is not memory, or where a path with `..` does not say.
fn is_taken(root: &mut Object<'_>, place: &Path) -> Result<bool, SpecError> {
    let Some(list) = root.opened_list("mounts", "mounts")? else {
        return Ok(false);
    };
    for node in list.iter() {
        let old: OldMount = node.read("mounts", "a list of mounts")?;
        let is_memory = old.r#type.as_deref() == Some("tmpfs");
        let at = Path::new(&old.destination);
        let is_in_the_way = |at: &Path, place: &Path| {
            at == place || (place.starts_with(at) && at != Path::new("/") && !is_memory)
        };
        let is_crooked = at.components().any(|part| part == Component::ParentDir);
        if is_crooked || is_in_the_way(at, place) || is_in_the_way(&unlinked(at), &unlinked(place))
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A path in an image where `/var/run` is a link to `/run`, as in nearly every one.
fn unlinked(path: &Path) -> PathBuf {
    match path.strip_prefix("/var/run") {
        // Joined with nothing it would end in a slash, which counts for nothing in comparisons.
        Ok(rest) => Path::new("/run").join(rest),
        Err(_) => path.to_owned(),
    }
}

#[cfg(test)]
mod tests;
