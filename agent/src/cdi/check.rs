//! What is wrong with a CDI document: the rules of the specification that a type cannot hold. Pure; finds all faults of a
//! document and not the first alone.

use std::collections::BTreeSet;
use std::path::Path;

use super::spec::{Document, Edits, Hook, lowest_version};

/// Versions that the specification has had.
pub const VERSIONS: [&str; 8] = [
    "0.3.0", "0.4.0", "0.5.0", "0.6.0", "0.7.0", "0.8.0", "1.0.0", "1.1.0",
];

/// Moments at which an OCI runtime starts hooks.
const HOOKS: [&str; 6] = [
    "createContainer",
    "createRuntime",
    "poststart",
    "poststop",
    "prestart",
    "startContainer",
];

/// Everything that is wrong, each in a line that names the place.
pub fn faults(document: &Document) -> Vec<String> {
    let mut faults = Vec::new();
    let mut say = |line: String| faults.push(line);
    check_version(document, &mut say);
    match document.kind.split_once('/') {
        Some((vendor, class)) => {
            check_name("vendor", vendor, "_-.", &mut say);
            check_name("class", class, "_-.", &mut say);
        }
        None => say(format!("kind {:?} is not vendor/class", document.kind)),
    }
    if document.devices.is_empty() {
        say("it names no device".to_owned());
    }
    check_edits("containerEdits", &document.container_edits, &mut say);
    let mut names = BTreeSet::new();
    for device in &document.devices {
        let name = &device.name;
        check_device_name(name, &mut say);
        if !names.insert(name) {
            say(format!("device {name:?} stands twice"));
        }
        if device.container_edits.is_empty() {
            say(format!("device {name:?} edits nothing"));
        }
        check_edits(
            &format!("device {name:?}"),
            &device.container_edits,
            &mut say,
        );
    }
    faults
}

fn check_version(document: &Document, say: &mut impl FnMut(String)) {
    let (told, lowest) = (document.cdi_version.as_str(), lowest_version(document));
    let place = |version: &str| VERSIONS.iter().position(|known| *known == version);
    match place(told) {
        None => say(format!(
            "cdiVersion {told:?} is none of {}",
            VERSIONS.join(", ")
        )),
        Some(at) if Some(at) < place(lowest) => {
            say(format!(
                "cdiVersion {told} has not all that it uses, which came with {lowest}"
            ));
        }
        Some(_) => {}
    }
}

fn check_name(what: &str, name: &str, between: &str, say: &mut impl FnMut(String)) {
    let is_letter = |c: char| c.is_ascii_alphabetic();
    let is_good = name.starts_with(is_letter) && ends_well(name) && has_only(name, between);
    if !is_good {
        say(format!(
            "{what} {name:?}: a letter first, then letters, digits and {between}"
        ));
    }
}

fn check_device_name(name: &str, say: &mut impl FnMut(String)) {
    let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if !begins || !ends_well(name) || !has_only(name, "_-.:") {
        say(format!(
            "device name {name:?}: letters and digits at both ends, and _-.: between"
        ));
    }
}

fn ends_well(name: &str) -> bool {
    name.ends_with(|c: char| c.is_ascii_alphanumeric())
}

fn has_only(name: &str, between: &str) -> bool {
    name.chars()
        .all(|c| c.is_ascii_alphanumeric() || between.contains(c))
}

fn check_edits(place: &str, edits: &Edits, say: &mut impl FnMut(String)) {
    for entry in &edits.env {
        if entry.split_once('=').is_none_or(|(key, _)| key.is_empty()) || entry.contains('\0') {
            say(format!("{place}: {entry:?} is not KEY=value"));
        }
    }
    for node in &edits.device_nodes {
        let path = node.path.display();
        if !node.path.is_absolute()
            || node
                .host_path
                .as_deref()
                .is_some_and(|path| !path.is_absolute())
        {
            say(format!(
                "{place}: the paths of node {path} must be absolute"
            ));
        }
        if node
            .r#type
            .as_deref()
            .is_some_and(|kind| !["b", "c", "p", "u"].contains(&kind))
        {
            say(format!(
                "{place}: node {path} is of no type of b, c, u and p"
            ));
        }
        let letters = node.permissions.as_deref().unwrap_or_default();
        if letters.chars().any(|letter| !"rwm".contains(letter)) {
            say(format!(
                "{place}: permissions {letters:?} of node {path} are not of r, w and m"
            ));
        }
        if node.major.is_some_and(|number| number < 0)
            || node.minor.is_some_and(|number| number < 0)
        {
            say(format!("{place}: node {path} has a number below zero"));
        }
    }
    for mount in &edits.mounts {
        let is_empty = |path: &Path| path.as_os_str().is_empty();
        if is_empty(&mount.host_path) || !mount.container_path.is_absolute() {
            let at = mount.container_path.display();
            say(format!(
                "{place}: the mount at {at:?} needs a source, and an absolute place"
            ));
        }
    }
    for hook in &edits.hooks {
        check_hook(place, hook, say);
    }
    for device in &edits.net_devices {
        if device.host_interface_name.is_empty() || device.name.is_empty() {
            say(format!("{place}: a network interface has no name"));
        }
    }
}

fn check_hook(place: &str, hook: &Hook, say: &mut impl FnMut(String)) {
    let path = hook.path.display();
    if !HOOKS.contains(&hook.hook_name.as_str()) {
        let name = &hook.hook_name;
        say(format!(
            "{place}: {name:?} is no hook of {}",
            HOOKS.join(", ")
        ));
    }
    if !hook.path.is_absolute() {
        say(format!(
            "{place}: the program {path} of a hook must be an absolute path"
        ));
    }
    for entry in &hook.env {
        if entry.split_once('=').is_none_or(|(key, _)| key.is_empty()) {
            say(format!(
                "{place}: {entry:?} of hook {path} is not KEY=value"
            ));
        }
    }
}
