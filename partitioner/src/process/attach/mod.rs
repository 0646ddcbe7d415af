//! Devices put into a container that runs already, and taken out of it again. Cgroup v1 alone.
//!
//! Owns three looks at such a container and the changes that go with them: which processes and which devices cgroup it is
//! ([`find`]), its `/dev` ([`dev`]), and the lists of its cgroup and of those below it ([`lists`], by the pure [`rules`]).
//! It decides nothing about leases and writes nothing down: kerfd does, before it has anything done here by the worker. It
//! enters no namespace of the container and runs nothing there. Under cgroup v2 the engine's program keeps the devices, which
//! nobody else can change.

mod dev;
mod error;
mod find;
mod lists;
mod record;
pub mod rules;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::PathBuf;

pub use error::AttachError;
pub use find::{Named, Target, find};
pub use record::{Attachment, Node, Off, Phase, off};

use super::cgroup::Cgroup;
use dev::Dev;
use kerf_types::lease::InitProcess;
use lists::Lists;
use rules::Numbers;

/// What is to be done so that a container has some nodes. Nothing of it is done yet.
#[derive(Debug)]
pub struct Plan {
    dev: Dev,
    lists: Lists,
    /// Folders and nodes that are to be made, folders first.
    pub made: Vec<PathBuf>,
    /// Numbers that are to be allowed: its list does not have them.
    pub allowed: Vec<Numbers>,
}

/// Looks whether a container can be given these nodes at all, and what that takes. `others` is what else was attached to
/// it. Changes nothing.
///
/// # Errors
/// When its `/dev` cannot be trusted, something else stands where a node is to be, or its cgroup keeps no device from it.
pub fn plan(
    target: &Target,
    nodes: &[Node],
    others: &BTreeSet<Numbers>,
) -> Result<Plan, AttachError> {
    let name = target.container.to_string();
    let numbers: BTreeSet<Numbers> = nodes.iter().map(|node| node.numbers).collect();
    let given = numbers.union(others).copied().collect();
    let lists = Lists::at(&target.cgroup.folder, given);
    let list = lists.own()?;
    if list.is_open() || nodes.iter().any(|node| list.is_open_to(node.numbers)) {
        let folder = target.cgroup.folder.clone();
        return Err(AttachError::Open { name, folder });
    }
    let dev = Dev::open(&target.init, &name)?;
    let made = dev.missing(nodes)?;
    let allowed = numbers.into_iter().filter(|one| !list.allows(*one));
    Ok(Plan {
        dev,
        lists,
        made,
        allowed: allowed.collect(),
    })
}

/// Makes what was planned and is written down by now, then allows it. The container is looked at anew: what has come to
/// stand in the way since is not touched. What fails in its middle is taken back by [`undo`].
///
/// # Errors
/// Those of [`plan`], and when a node cannot be made or a rule not be written.
pub fn carry_out(
    target: &Target,
    nodes: &[Node],
    others: &BTreeSet<Numbers>,
    made: &[PathBuf],
) -> Result<(), AttachError> {
    let Plan { dev, lists, .. } = plan(target, nodes, others)?;
    for path in made {
        match nodes.iter().find(|node| node.path == *path) {
            Some(node) => dev.make(node)?,
            None => dev.make_folder(path)?,
        }
    }
    // Numbers that the container has already may still be missing in a cgroup below.
    lists.allow(nodes)
}

/// Allows again what the lists of a container's cgroup have lost: an engine, or systemd, may have written them anew.
/// Returns how many rules were missing. `given` is all that was attached to it.
pub fn restore(
    cgroup: &Cgroup,
    nodes: &[Node],
    given: BTreeSet<Numbers>,
) -> Result<usize, AttachError> {
    if !cgroup.is_there() {
        // Another container may have its name by now.
        return Err(AttachError::Gone {
            folder: cgroup.folder.clone(),
        });
    }
    let lists = Lists::at(&cgroup.folder, given);
    let missing = lists.missing(nodes)?;
    if missing > 0 {
        lists.allow(nodes)?;
    }
    Ok(missing)
}

/// Takes rules and nodes out of a container again, the rules first. One that has ended has neither.
///
/// # Errors
/// When a rule stands still. A node that stays is no error: without its rule nobody opens it; they are returned.
pub fn undo(cgroup: &Cgroup, init: &InitProcess, off: &Off) -> Result<Vec<PathBuf>, AttachError> {
    if cgroup.is_there() {
        Lists::at(&cgroup.folder, BTreeSet::new()).deny(&off.deny)?;
    }
    let dev = match Dev::open(init, "") {
        Ok(dev) => dev,
        // Its mounts went with it, or are such that nothing was made there.
        Err(_) => return Ok(Vec::new()),
    };
    let stays = off.remove.iter().rev().filter(|path| {
        let node = off.nodes.iter().find(|node| node.path == **path);
        !dev.remove(path, node.map(|node| node.numbers))
    });
    Ok(stays.cloned().collect())
}

/// The processes in a container's cgroup and below it; `None` where there are more groups than are looked at.
pub fn members(cgroup: &Cgroup) -> Option<BTreeSet<u32>> {
    lists::members(&cgroup.folder)
}
