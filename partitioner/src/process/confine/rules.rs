//! The rules of a devices cgroup, as text in and text out. Pure.
//!
//! A list is either one line that allows everything, or what is allowed, one line each (`c 195:* rw`). From the first
//! nothing can be taken out again by number, so it becomes a list of what is allowed.

use std::collections::BTreeSet;
use std::path::PathBuf;

/// A device that was granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceNumber {
    /// What it is called.
    pub path: PathBuf,
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
}

/// One write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// To `devices.deny`.
    Deny(String),
    /// To `devices.allow`.
    Allow {
        /// The line.
        rule: String,
        /// The node that was granted; `None` for what was allowed before as part of more.
        node: Option<PathBuf>,
    },
}

/// One line of `devices.list`.
struct Entry<'a> {
    kind: &'a str,
    major: &'a str,
    minor: &'a str,
    access: &'a str,
}

/// Names of `/proc/devices` that are accelerators or ways to one: NVIDIA's (`nvidia`, `nvidia-uvm`, `nvidia-caps`, …),
/// AMD's compute interface and the kernel's classes for graphics and for accelerators, Habana, Neuron, and devices that
/// were given to virtual machines.
fn is_accelerator(name: &str) -> bool {
    const NAMES: [&str; 6] = ["kfd", "drm", "accel", "habanalabs", "neuron", "vfio"];
    name.starts_with("nvidia") || NAMES.contains(&name)
}

/// The majors of character devices that are no accelerators, from the text of `/proc/devices`.
fn harmless(devices: &str) -> BTreeSet<&str> {
    let lines = devices.lines().skip_while(|line| !line.starts_with("Char"));
    let lines = lines.skip(1).take_while(|line| !line.trim().is_empty());
    let all: Vec<(&str, &str)> = lines
        .filter_map(|line| line.trim().split_once(' '))
        .collect();
    let dangerous: BTreeSet<&str> = all
        .iter()
        .filter(|(_, name)| is_accelerator(name.trim()))
        .map(|(major, _)| *major)
        .collect();
    let majors = all.into_iter().map(|(major, _)| major);
    majors
        .filter(|major| !dangerous.contains(major))
        .filter(|major| major.bytes().all(|byte| byte.is_ascii_digit()))
        .collect()
}

/// What is to be written so that of all accelerators only the granted nodes are allowed.
pub fn changes(list: &str, devices: &str, nodes: &[DeviceNumber]) -> Vec<Change> {
    let harmless = harmless(devices);
    let again = |rule: String| Change::Allow { rule, node: None };
    let mut changes = Vec::new();
    for entry in list.lines().filter_map(Entry::parse) {
        match entry.kind {
            "a" => {
                changes.push(Change::Deny("a".to_owned()));
                changes.push(again("b *:* rwm".to_owned()));
                changes.extend(
                    harmless
                        .iter()
                        .map(|major| again(format!("c {major}:* rwm"))),
                );
            }
            "c" if entry.opens() && entry.major == "*" => {
                let access = entry.access;
                changes.push(Change::Deny(entry.text()));
                changes.extend(
                    harmless
                        .iter()
                        .map(|major| again(format!("c {major}:* {access}"))),
                );
            }
            "c" if entry.opens() && !harmless.contains(entry.major) => {
                changes.push(Change::Deny(entry.text()));
            }
            _ => {}
        }
    }
    changes.extend(nodes.iter().map(|node| Change::Allow {
        rule: format!("c {}:{} rw", node.major, node.minor),
        node: Some(node.path.clone()),
    }));
    changes
}

/// What a list allows beyond what it should, as it was read back.
pub fn unexpected(list: &str, devices: &str, nodes: &[DeviceNumber]) -> Vec<String> {
    let harmless = harmless(devices);
    let granted: BTreeSet<(String, String)> = nodes
        .iter()
        .map(|node| (node.major.to_string(), node.minor.to_string()))
        .collect();
    let entries = list.lines().filter_map(Entry::parse);
    entries
        .filter(|entry| entry.kind == "a" || (entry.kind == "c" && entry.opens()))
        .filter(|entry| !(entry.kind == "c" && harmless.contains(entry.major)))
        .filter(|entry| !granted.contains(&(entry.major.to_owned(), entry.minor.to_owned())))
        .map(|entry| entry.text())
        .collect()
}

impl<'a> Entry<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let kind = words.next()?;
        let (major, minor) = words.next()?.split_once(':')?;
        let access = words.next()?;
        Some(Self {
            kind,
            major,
            minor,
            access,
        })
    }

    /// Whether it lets anything be opened, and not only made.
    fn opens(&self) -> bool {
        self.access.contains(['r', 'w'])
    }

    fn text(&self) -> String {
        let Self {
            kind,
            major,
            minor,
            access,
        } = self;
        format!("{kind} {major}:{minor} {access}")
    }
}
