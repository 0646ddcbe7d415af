//! Machines written as text: folders below `/sys`, and under each, indented, its files (`name = text`, where `\n` ends
//! a line) and links (`name -> target`, from `/sys`).

use std::fs;
use std::os::unix::fs::symlink;

use kerf_types::inventory::NumaNode;
use tempfile::TempDir;

use crate::sysfs::Root;

/// The tree of such a text.
pub fn machine(text: &str) -> (TempDir, Root) {
    let place = tempfile::tempdir().expect("a folder");
    let mut folder = place.path().join("sys");
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let Some(entry) = line.strip_prefix("  ") else {
            folder = place.path().join("sys").join(line);
            continue;
        };
        let words = [" -> ", " = "].map(|sign| entry.split_once(sign));
        let (name, _) = words.iter().flatten().next().expect(entry);
        let path = folder.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
        match words {
            [Some((_, target)), _] => symlink(format!("/sys/{target}"), path),
            [None, Some((_, text))] => fs::write(path, text.replace("\\n", "\n")),
            [None, None] => unreachable!("{entry} was read"),
        }
        .expect("an entry");
    }
    let root = Root::open(place.path()).expect("a root");
    (place, root)
}

/// Two nodes of four CPUs.
pub fn nodes() -> Vec<NumaNode> {
    let node = |id, cpus: &str| NumaNode {
        id,
        cpus: Some(cpus.to_owned()),
        ..Default::default()
    };
    vec![node(0, "0-3"), node(1, "4-7")]
}
