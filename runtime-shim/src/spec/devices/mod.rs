//! Device nodes and the device cgroup: exactly the granted devices, and nothing of the same driver beside.
//!
//! Both halves are needed: `linux.devices` makes the node, `linux.resources.devices` lets it be opened. The
//! rules are "rw", never "m": a container needs no mknod. A spec that opens more than the grant is refused
//! rather than narrowed, since narrowing would break what its author asked for in silence.

#[cfg(test)]
mod tests;
mod user_namespace;

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{SpecError, mounts};
use crate::frame::{DeviceNode, MountEntry};
use crate::json::tree::{Node, Object};

const NODES: &str = "linux.devices";
const RULES: &str = "linux.resources.devices";

/// One entry of `linux.devices`, as written by us.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NewNode<'g> {
    path: &'g Path,
    r#type: &'static str,
    major: u32,
    minor: u32,
    file_mode: u32,
    uid: u32,
    gid: u32,
}

/// What counts for the identity of an entry that the spec already has.
#[derive(Deserialize)]
struct OldNode {
    path: String,
    r#type: Option<String>,
    major: Option<i64>,
    minor: Option<i64>,
}

/// One entry of `linux.resources.devices`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Rule {
    #[serde(default)]
    allow: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    r#type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    major: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    minor: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    access: Option<String>,
}

impl Rule {
    fn deny_all() -> Self {
        Self {
            allow: false,
            r#type: None,
            major: None,
            minor: None,
            access: Some("rwm".to_owned()),
        }
    }

    fn allow(device: &DeviceNode) -> Self {
        Self {
            allow: true,
            r#type: Some("c".to_owned()),
            major: Some(device.major.into()),
            minor: Some(device.minor.into()),
            access: Some("rw".to_owned()),
        }
    }

    /// Of every type; runc then ignores the numbers, so only a rule without any is one of ours to trust.
    fn is_of_all_types(&self) -> bool {
        matches!(self.r#type.as_deref(), None | Some("" | "a"))
    }

    fn is_deny_all(&self) -> bool {
        let access = self.access.as_deref().unwrap_or("rwm");
        !self.allow
            && self.is_of_all_types()
            && exact(self.major).is_none()
            && exact(self.minor).is_none()
            && ['r', 'w', 'm'].iter().all(|right| access.contains(*right))
    }

    /// Whether the rule lets a process open some character device; "m" alone only makes nodes.
    fn opens_characters(&self) -> bool {
        let access = self.access.as_deref().filter(|text| !text.is_empty());
        let opens = access.is_none_or(|text| text.contains(['r', 'w']));
        self.allow && (self.is_of_all_types() || (self.r#type.as_deref() != Some("b") && opens))
    }

    fn is_for(&self, device: &DeviceNode) -> bool {
        self.major == Some(device.major.into()) && self.minor == Some(device.minor.into())
    }

    fn is_unbounded(&self) -> bool {
        self.is_of_all_types() || exact(self.major).is_none()
    }

    fn in_words(&self) -> String {
        let number = |n: Option<i64>| exact(n).map_or("*".to_owned(), |n| n.to_string());
        format!(
            "`{} {}:{} {}`",
            self.r#type.as_deref().unwrap_or("a"),
            number(self.major),
            number(self.minor),
            self.access.as_deref().unwrap_or("rwm"),
        )
    }
}

/// A device number, unless it is a wildcard: absent, or negative as older specs write it.
fn exact(number: Option<i64>) -> Option<i64> {
    number.filter(|n| *n >= 0)
}

/// Refuses a spec whose rules open every character device.
pub(super) fn admit(root: &mut Object<'_>) -> Result<(), SpecError> {
    let Some(linux) = root.opened("linux", "linux")? else {
        return Ok(());
    };
    linux.refuse_lookalikes("linux", &["devices", "resources"])?;
    let Some(resources) = linux.opened("resources", "linux.resources")? else {
        return Ok(());
    };
    resources.refuse_lookalikes("linux.resources", &["cpu", "devices"])?;
    let Some(list) = resources.opened_list("devices", RULES)? else {
        return Ok(());
    };
    match effective(&rules(list)?).find(|rule| rule.is_unbounded()) {
        Some(rule) => Err(SpecError::Unconfined {
            rule: rule.in_words(),
        }),
        None => Ok(()),
    }
}

/// Adds a node and a rule for each of `devices`.
pub(super) fn apply(root: &mut Object<'_>, devices: &[DeviceNode]) -> Result<(), SpecError> {
    if devices.is_empty() {
        return Ok(());
    }
    let is_bound = user_namespace::is_set(root)?;
    let (bound, made): (Vec<&DeviceNode>, Vec<&DeviceNode>) = devices
        .iter()
        .partition(|device| is_bound && device.path != device.host_path);
    let linux = root.object("linux", "linux")?;
    add_nodes(linux.list("devices", NODES)?, &made)?;
    let resources = linux.object("resources", "linux.resources")?;
    add_rules(resources.list("devices", RULES)?, devices)?;
    let bound: Vec<MountEntry> = bound.into_iter().map(user_namespace::mount).collect();
    mounts::apply(root, &bound)
}

/// Refuses a spec that lacks one of `devices`, or has it under other numbers: the engine wrote it, maybe when
/// another slice had these.
pub(super) fn carries(root: &mut Object<'_>, devices: &[DeviceNode]) -> Result<(), SpecError> {
    let nodes = match root.opened("linux", "linux")? {
        Some(linux) => match linux.opened_list("devices", NODES)? {
            Some(list) => {
                let read = |node: &Node<'_>| node.read(NODES, "a list of devices");
                list.iter().map(read).collect::<Result<Vec<OldNode>, _>>()?
            }
            None => Vec::new(),
        },
        None => Vec::new(),
    };
    let rules = rules_of(root)?;
    let is_open = |device: &DeviceNode| effective(&rules).any(|rule| rule.is_for(device));
    let is_there = |device: &DeviceNode| {
        let mut at_path = nodes
            .iter()
            .filter(|old| Path::new(&old.path) == device.path);
        at_path.any(|old| is_same(old, device))
    };
    missing(
        devices
            .iter()
            .find(|device| !is_open(device) || !is_there(device)),
    )
}

/// Refuses a spec that opens a device of the same majors beside `devices`.
pub(super) fn no_others(root: &mut Object<'_>, devices: &[DeviceNode]) -> Result<(), SpecError> {
    let rules = rules_of(root)?;
    match effective(&rules).find(|rule| reaches_beyond(rule, devices)) {
        Some(rule) => Err(SpecError::ForeignDevice {
            rule: rule.in_words(),
        }),
        None => Ok(()),
    }
}

fn rules_of(root: &mut Object<'_>) -> Result<Vec<Rule>, SpecError> {
    let Some(linux) = root.opened("linux", "linux")? else {
        return Ok(Vec::new());
    };
    let Some(resources) = linux.opened("resources", "linux.resources")? else {
        return Ok(Vec::new());
    };
    match resources.opened_list("devices", RULES)? {
        Some(list) => rules(list),
        None => Ok(Vec::new()),
    }
}

fn missing(device: Option<&DeviceNode>) -> Result<(), SpecError> {
    match device {
        None => Ok(()),
        Some(device) => Err(SpecError::MissingDevice {
            path: device.path.clone(),
            major: device.major,
            minor: device.minor,
        }),
    }
}

fn add_nodes(list: &mut Vec<Node<'_>>, devices: &[&DeviceNode]) -> Result<(), SpecError> {
    let mut there: Vec<OldNode> = Vec::with_capacity(list.len());
    for node in list.iter() {
        node.peek(NODES)?
            .refuse_lookalikes(NODES, &["path", "type", "major", "minor"])?;
        there.push(node.read(NODES, "a list of devices")?);
    }
    for device in devices {
        let same_path = there.iter().find(|old| Path::new(&old.path) == device.path);
        match same_path {
            None => list.push(new_node(device)?),
            Some(old) if is_same(old, device) => {}
            Some(_) => {
                let path = device.path.clone();
                return Err(SpecError::DeviceConflict { path });
            }
        }
    }
    Ok(())
}

fn is_same(old: &OldNode, device: &DeviceNode) -> bool {
    matches!(old.r#type.as_deref(), Some("c" | "u"))
        && old.major == Some(device.major.into())
        && old.minor == Some(device.minor.into())
}

fn new_node<'a>(device: &DeviceNode) -> Result<Node<'a>, SpecError> {
    let node = NewNode {
        path: &device.path,
        r#type: "c",
        major: device.major,
        minor: device.minor,
        // A mode from stat carries the type of the file as well; OCI wants the permission bits.
        file_mode: device.file_mode & 0o777,
        uid: device.uid,
        gid: device.gid,
    };
    Node::made(&node).map_err(SpecError::Encode)
}

fn add_rules(list: &mut Vec<Node<'_>>, devices: &[DeviceNode]) -> Result<(), SpecError> {
    let there = rules(list)?;
    if let Some(rule) = effective(&there).find(|rule| reaches_beyond(rule, devices)) {
        return Err(SpecError::ForeignDevice {
            rule: rule.in_words(),
        });
    }
    if !there.first().is_some_and(Rule::is_deny_all) {
        list.insert(0, Node::made(&Rule::deny_all()).map_err(SpecError::Encode)?);
    }
    let allowed: Vec<&Rule> = effective(&there).collect();
    for device in devices {
        let rule = Rule::allow(device);
        if !allowed.contains(&&rule) {
            list.push(Node::made(&rule).map_err(SpecError::Encode)?);
        }
    }
    Ok(())
}

/// Whether the rule opens a device of a granted major that is not granted itself. Two slices share their
/// majors, and runc allows every mknod: a second minor in the rules is a second slice in the container.
fn reaches_beyond(rule: &Rule, devices: &[DeviceNode]) -> bool {
    let of_major = |device: &&DeviceNode| rule.major == Some(device.major.into());
    let of_both = |device: &DeviceNode| rule.minor == Some(device.minor.into());
    let mut same_major = devices.iter().filter(of_major).peekable();
    same_major.peek().is_some() && !same_major.any(of_both)
}

/// The rules that open character devices and are not taken back by a later "deny all".
fn effective(rules: &[Rule]) -> impl Iterator<Item = &Rule> {
    let last_reset = rules.iter().rposition(Rule::is_deny_all).unwrap_or(0);
    rules
        .iter()
        .skip(last_reset)
        .filter(|rule| rule.opens_characters())
}

fn rules(list: &[Node<'_>]) -> Result<Vec<Rule>, SpecError> {
    let mut rules = Vec::with_capacity(list.len());
    for node in list {
        let known = ["allow", "type", "major", "minor", "access"];
        node.peek(RULES)?.refuse_lookalikes(RULES, &known)?;
        rules.push(node.read(RULES, "a list of device rules")?);
    }
    Ok(rules)
}
