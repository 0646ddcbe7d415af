//! The process's environment and groups.

use super::SpecError;
use crate::frame::Grant;
use crate::json::tree::{Node, Object};

const ENV: &str = "process.env";
const GIDS: &str = "process.user.additionalGids";

/// Sets the grant's variables and adds its groups.
pub(super) fn apply(root: &mut Object<'_>, grant: &Grant) -> Result<(), SpecError> {
    if grant.env.is_empty() && grant.additional_gids.is_empty() {
        return Ok(());
    }
    let process = root.object("process", "process")?;
    process.refuse_lookalikes("process", &["env", "user"])?;
    set(root, &grant.env)?;
    if !grant.additional_gids.is_empty() {
        let process = root.object("process", "process")?;
        let user = process.object("user", "process.user")?;
        user.refuse_lookalikes("process.user", &["additionalGids"])?;
        add_groups(user.list("additionalGids", GIDS)?, &grant.additional_gids)?;
    }
    Ok(())
}

/// Sets these variables.
pub(super) fn set(root: &mut Object<'_>, entries: &[String]) -> Result<(), SpecError> {
    if entries.is_empty() {
        return Ok(());
    }
    let list = root.object("process", "process")?.list("env", ENV)?;
    for entry in entries {
        set_variable(list, entry)?;
    }
    Ok(())
}

/// Whether the container has one of these variables, whatever its value.
pub(super) fn sets_any(root: &mut Object<'_>, entries: &[String]) -> Result<bool, SpecError> {
    let Some(process) = root.opened("process", "process")? else {
        return Ok(false);
    };
    let Some(list) = process.opened_list("env", ENV)? else {
        return Ok(false);
    };
    for node in list.iter() {
        let old: String = node.read(ENV, "a list of strings")?;
        if entries.iter().any(|entry| key(entry) == key(&old)) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn key(entry: &str) -> &str {
    entry.split_once('=').map_or(entry, |(key, _)| key)
}

/// Puts `entry` (`KEY=value`) in the place of the first entry with its key and drops any other: libraries
/// differ in whether the first or the last of two counts.
fn set_variable(list: &mut Vec<Node<'_>>, entry: &str) -> Result<(), SpecError> {
    let mut place = None;
    let mut index = 0;
    while let Some(node) = list.get(index) {
        let old: String = node.read(ENV, "a list of strings")?;
        let is_ours = key(&old) == key(entry);
        match (is_ours, place) {
            (false, _) => index += 1,
            (true, None) => {
                place = Some(index);
                index += 1;
            }
            (true, Some(_)) => drop(list.remove(index)),
        }
    }
    let new = Node::made(&entry).map_err(SpecError::Encode)?;
    match place.and_then(|place| list.get_mut(place)) {
        Some(node) => *node = new,
        None => list.push(new),
    }
    Ok(())
}

fn add_groups(list: &mut Vec<Node<'_>>, groups: &[u32]) -> Result<(), SpecError> {
    let mut there: Vec<u32> = Vec::with_capacity(list.len());
    for node in list.iter() {
        there.push(node.read(GIDS, "a list of group ids")?);
    }
    for group in groups {
        if !there.contains(group) {
            there.push(*group);
            list.push(Node::made(group).map_err(SpecError::Encode)?);
        }
    }
    Ok(())
}
