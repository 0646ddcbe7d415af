//! The rules for lists as kernels and engines leave them, and the fence as the kernel keeps it.

use super::rules::{Change, DeviceNumber, changes, unexpected};
use super::*;
use crate::process::identify;

const DEVICES: &str = "Character devices:\n  1 mem\n 10 misc\n136 pts\n195 nvidia\n195 nvidiactl\n\
                       226 drm\n234 nvidia-caps\n\nBlock devices:\n  7 loop\n226 other\n";

fn node(major: u32, minor: u32) -> DeviceNumber {
    DeviceNumber {
        path: format!("/dev/n{minor}").into(),
        major,
        minor,
    }
}

fn told(list: &str) -> String {
    let lines = changes(list, DEVICES, &[node(195, 0), node(300, 7)]);
    let line = |change| match change {
        Change::Deny(rule) => format!("- {rule}"),
        Change::Allow { rule, node: None } => format!("+ {rule}"),
        Change::Allow {
            rule,
            node: Some(_),
        } => format!("* {rule}"),
    };
    lines.into_iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn where_everything_is_allowed_all_but_accelerators_is_again() {
    insta::assert_snapshot!(told("a *:* rwm\n"), @"
    - a
    + b *:* rwm
    + c 1:* rwm
    + c 10:* rwm
    + c 136:* rwm
    * c 195:0 rw
    * c 300:7 rw
    ");
}

#[test]
fn a_list_loses_its_accelerators_and_what_nobody_knows() {
    let list =
        "c *:* m\nb *:* m\nc 1:3 rwm\nc 136:* rwm\nc 195:* rw\nc 195:1 r\nc 300:1 rw\nc 234:9 m\n";
    insta::assert_snapshot!(told(list), @"
    - c 195:* rw
    - c 195:1 r
    - c 300:1 rw
    * c 195:0 rw
    * c 300:7 rw
    ");
    insta::assert_snapshot!(told("c *:* rw\n"), @"
    - c *:* rw
    + c 1:* rw
    + c 10:* rw
    + c 136:* rw
    * c 195:0 rw
    * c 300:7 rw
    ");
}

#[test]
fn what_is_read_back_is_looked_at() {
    let extra = |list| unexpected(list, DEVICES, &[node(195, 0)]);
    assert_eq!(
        extra("b *:* rwm\nc 1:* rwm\nc 195:0 rw\nc *:* m\n"),
        [""; 0]
    );
    assert_eq!(extra("a *:* rwm\n"), ["a *:* rwm"]);
    assert_eq!(
        extra("c 195:* rw\nc 195:1 w\nc *:* r\nc 300:7 rw\n"),
        ["c 195:* rw", "c 195:1 w", "c *:* r", "c 300:7 rw"]
    );
}

#[test]
fn hostile_lists_and_tables_allow_nothing_more() {
    for devices in [
        "",
        "Character devices:\n",
        "x\n\u{0}\n",
        "Character devices:\n*  x\n1:1 y\n",
    ] {
        let written = changes("a *:* rwm\n", devices, &[]);
        assert_eq!(written.first(), Some(&Change::Deny("a".to_owned())));
        let chars = written
            .iter()
            .any(|change| matches!(change, Change::Allow { rule, .. } if rule.starts_with("c *")));
        assert!(!chars, "{devices:?}: {written:?}");
    }
    assert_eq!(changes("", DEVICES, &[]), []);
}

/// The kernel's own word, where this process may make cgroups: a node of a major that nobody has answers ENXIO where
/// it may be opened, and EPERM where not.
#[test]
fn the_kernel_keeps_a_process_to_its_nodes() {
    let Some(place) = cgroup::place_of(std::process::id()).filter(|place| place.is_v1) else {
        eprintln!("skipped: no devices cgroup of version 1");
        return;
    };
    let lease = LeaseId::new(u64::from(std::process::id()), [7; 10]);
    let mut child = std::process::Command::new("sleep")
        .arg("600")
        .spawn()
        .expect("sleep");
    let process = identify(child.id()).expect("it runs");
    let confined = make(&process, lease, &[node(197, 4)]).expect("rules");
    if confined.open.is_some() {
        eprintln!("skipped: {:?}", confined.open);
    } else {
        confined.take_in(&process).expect("moved");
        let cgroup = confined.cgroup.clone().expect("made");
        assert!(cgroup.is_populated() && cgroup.folder.starts_with(&place.folder));
        let list = fs::read_to_string(cgroup.folder.join("devices.list")).expect("the list");
        assert!(
            list.contains("c 197:4 rw") && !list.contains("a *:*"),
            "{list}"
        );
        confined.remove();
        assert!(cgroup.folder.exists(), "one that is not empty stays");
    }
    child.kill().expect("ours");
    child.wait().expect("ours");
    assert!(confined.take_in(&process).is_err() || confined.cgroup.is_none());
    if let Some(cgroup) = &confined.cgroup {
        remove_own(cgroup, LeaseId::new(1, [0; 10]));
        assert!(cgroup.folder.exists(), "that of another lease");
        remove_own(cgroup, lease);
        assert!(!cgroup.folder.exists());
    }
}
