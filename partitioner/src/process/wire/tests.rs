//! Everything that is said comes out as it went in, and what no peer may say is refused.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use kerf_api::partitioner::v1 as wire;
use nix::libc;

use super::*;
use crate::in_words;
use crate::process::attach::AttachError;
use crate::process::confine::{ConfineError, DeviceNumber};
use crate::process::control::RuleError;
use crate::process::guard::GuardError;

fn init() -> InitProcess {
    InitProcess {
        pid: 7,
        start_ticks: 8,
        boot_id: "boot".to_owned(),
    }
}

fn group() -> Cgroup {
    Cgroup {
        folder: PathBuf::from(OsString::from_vec(b"/c/\xff".to_vec())),
        inode: 9,
    }
}

fn node() -> Node {
    Node {
        path: "/dev/nvidia0".into(),
        numbers: (195, 0),
        mode: 0o660,
        owner: (1, 2),
    }
}

#[test]
fn what_is_asked_for_comes_as_it_was_meant() {
    let target_told = Target {
        container: ContainerRef::try_new("ns", "c").expect("a name"),
        init: init(),
        cgroup: group(),
    };
    assert_eq!(
        target(Some(target_container(&target_told))),
        Ok(target_told)
    );
    assert_eq!(nodes(container_nodes(&[node()])), Ok(vec![node()]));
    let told = Off {
        deny: vec![(195, 0), (195, 255)],
        remove: vec!["/dev/a".into(), "/dev/b".into()],
        nodes: vec![node()],
    };
    let back = off(take_out(&group(), &init(), &told));
    assert_eq!(back, Ok((group(), init(), told)));
    let device = DeviceNumber {
        path: "/dev/nvidia0".into(),
        major: 195,
        minor: 0,
    };
    assert_eq!(
        grants(granted(std::slice::from_ref(&device))),
        Ok(vec![device])
    );
    let given = carriers::Wanted {
        id: "0198c0de-0000-7000-8000-0000000000aa".to_owned(),
        nodes: vec![carriers::Node {
            path: "/dev/a".into(),
            host_path: "/dev/b".into(),
            numbers: (1, 2),
        }],
        user: Some(3),
    };
    let back = wanted(look_for_carriers(&given)).expect("well said");
    assert_eq!(
        (back.id, back.nodes, back.user),
        (given.id, given.nodes, given.user)
    );
}

#[test]
fn what_was_seen_comes_as_it_was() {
    let holder = |pid| Holder {
        pid,
        command: "x".to_owned(),
        holds: ["/dev/a".to_owned()].into(),
    };
    let told = Seen {
        holders: vec![holder(1)],
        unread: vec![holder(2)],
    };
    assert_eq!(seen(holders(&told)), told);
    assert_eq!(carriers_told(carriers_found(None)), Ok(None));
    let some = [init()];
    assert_eq!(
        carriers_told(carriers_found(Some(&some))),
        Ok(Some(some.to_vec()))
    );
    for (cgroup, open) in [(Some(group()), None), (None, Some("why".to_owned()))] {
        let back = confined(confinement(&Confined {
            cgroup: cgroup.clone(),
            open: open.clone(),
        }));
        let back = back.expect("well said");
        assert_eq!((back.cgroup, back.open), (cgroup, open));
    }
}

#[test]
fn what_is_missing_or_wrong_is_refused() {
    assert!(target(None).is_err() && target(Some(wire::TargetContainer::default())).is_err());
    let unnamed = wire::TargetContainer {
        id: "../x".to_owned(),
        init: Some(process_name(&init())),
        cgroup: Some(cgroup_name(&group())),
        ..wire::TargetContainer::default()
    };
    assert!(target(Some(unnamed)).is_err());
    assert!(nodes(vec![wire::ContainerNode::default()]).is_err());
    assert!(off(wire::TakeOut::default()).is_err() && lease("x").is_err());
    assert!(wanted(wire::LookForCarriers::default()).is_err());
}

fn text(error: &dyn Error) -> String {
    in_words(error)
}

#[test]
fn errors_of_attachments_read_the_same_on_both_sides() {
    let (name, why) = (|| "c".to_owned(), || "is odd".to_owned());
    let folder = || PathBuf::from("/c/x");
    let errno = || io::Error::from_raw_os_error(libc::EPERM);
    let all = [
        AttachError::NoContainer { name: name() },
        AttachError::Several {
            name: name(),
            folders: vec![folder(), folder()],
        },
        AttachError::V2 {
            name: name(),
            folder: folder(),
        },
        AttachError::Open {
            name: name(),
            folder: folder(),
        },
        AttachError::NotApart {
            name: name(),
            why: why(),
        },
        AttachError::Dev {
            name: name(),
            why: why(),
        },
        AttachError::Taken {
            path: folder(),
            why: why(),
        },
        AttachError::Make {
            path: folder(),
            source: errno(),
        },
        AttachError::Kept {
            folder: folder(),
            node: "/dev/n".into(),
        },
        AttachError::Rule(RuleError {
            file: folder(),
            rule: "c 1:3 rw".to_owned(),
            source: errno(),
        }),
        AttachError::Differs {
            folder: folder(),
            what: why(),
        },
        AttachError::Gone { folder: folder() },
    ];
    for error in all {
        let back = attach_error(attach_failure(&error)).expect("of this kind");
        assert_eq!(text(&back), text(&error));
        assert_eq!(back.hint(), error.hint());
    }
}

#[test]
fn errors_of_bare_processes_and_guards_read_the_same_on_both_sides() {
    let folder = || PathBuf::from("/c/x");
    let errno = || io::Error::from_raw_os_error(libc::EPERM);
    let all = [
        ConfineError::Kept {
            folder: folder(),
            node: "/dev/n".into(),
        },
        ConfineError::Rule(RuleError {
            file: folder(),
            rule: String::new(),
            source: errno(),
        }),
        ConfineError::Wide {
            folder: folder(),
            what: "c 1:3 rw".to_owned(),
        },
        ConfineError::Move {
            pid: 7,
            folder: folder(),
            source: io::Error::from(io::ErrorKind::NotFound),
        },
    ];
    for error in all {
        let back = confine_error(confine_failure(&error)).expect("of this kind");
        assert_eq!(text(&back), text(&error));
    }
    let error = GuardError {
        program: folder(),
        source: errno(),
    };
    let back = guard_error(guard_failure(&error)).expect("of this kind");
    assert_eq!(text(&back), text(&error));
    assert!(attach_error(guard_failure(&error)).is_none());
}
