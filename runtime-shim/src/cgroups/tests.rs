//! Hierarchies with and without the controller, of both kinds.

use std::fs;

use super::pinnable;
use crate::frame::Grant;

fn pinned() -> Grant {
    Grant {
        cpuset_cpus: Some("0-1".to_owned()),
        cpuset_mems: Some("0".to_owned()),
        ..Grant::default()
    }
}

#[test]
fn a_cpuset_stays_only_where_there_is_one() {
    let mount = tempfile::tempdir().expect("a folder");
    let file = mount.path().join("cgroup.controllers");
    let none = Grant::default();
    // The older hierarchies have no such file.
    assert_eq!(pinnable(pinned(), mount.path()), pinned());
    for (controllers, expected) in [
        ("cpuset cpu io memory hugetlb pids\n", pinned()),
        ("hugetlb\n", none.clone()),
        ("", none.clone()),
        ("cpusets\n", none.clone()),
    ] {
        fs::write(&file, controllers).expect("a file");
        assert_eq!(
            pinnable(pinned(), mount.path()),
            expected,
            "{controllers:?}"
        );
        assert_eq!(pinnable(none.clone(), mount.path()), none);
    }
}
