//! Trees that no kernel writes: nothing panics, nothing is made up, and what is odd is told.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::World;
use super::registry::all;

/// Every file under a folder, links not followed.
fn files(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let kind = entry.file_type().expect("a kind");
        if kind.is_dir() {
            files(&entry.path(), found);
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
}

fn each_file(world: &World, change: impl Fn(&Path)) {
    let mut found = Vec::new();
    files(world.folder.path(), &mut found);
    assert!(found.len() > 100, "{} files", found.len());
    found.iter().for_each(|path| change(path));
}

#[test]
fn files_that_say_nothing_leave_facts_unknown() {
    let world = all();
    let count = world.find().accelerators.len();
    each_file(&world, |path| fs::write(path, "").expect("a file"));
    let (found, oddities) = world.find_with_oddities();
    assert_eq!(found.accelerators.len(), count);
    assert!(found.links.is_empty());
    // A node of KFD's takes the links of a GPU with it.
    let nodes = (0..4).map(|node| format!("/sys/class/kfd/kfd/topology/nodes/{node}/properties"));
    let told: Vec<String> = oddities.into_iter().map(|odd| odd.path).collect();
    assert_eq!(told, nodes.collect::<Vec<_>>());
    for one in &found.accelerators {
        assert_eq!((one.memory, one.memory_used), (None, None), "{}", one.id);
        assert_eq!(one.utilisation_percent, None, "{}", one.id);
        assert!(!one.model.is_empty() && !one.id.is_empty());
    }
}

#[test]
fn lies_are_odd_and_never_numbers() {
    let world = all();
    let huge = "99999999999999999999999999999999999999".to_owned();
    for lie in [
        "-1",
        "nan",
        "0x",
        huge.as_str(),
        "1 2 3\n4",
        "\u{1b}[31m",
        "4294967296",
    ] {
        each_file(&world, |path| fs::write(path, lie).expect("a file"));
        let (found, oddities) = world.find_with_oddities();
        assert!(!oddities.is_empty(), "{lie:?}");
        for one in &found.accelerators {
            let texts = [Some(&one.model), one.serial.as_ref(), one.driver.as_ref()];
            for text in texts.into_iter().flatten() {
                assert!(!text.chars().any(char::is_control), "{text:?}");
                assert!(text.len() <= 256, "{text:?}");
            }
            assert!(one.utilisation_percent.is_none_or(|percent| percent <= 100));
        }
    }
}

#[test]
fn bytes_that_are_no_text() {
    let world = all();
    each_file(&world, |path| {
        fs::write(path, [0xff, 0xfe, 0x00, 0x80]).expect("a file")
    });
    let (found, oddities) = world.find_with_oddities();
    assert!(found.links.is_empty());
    assert!(
        oddities.iter().any(|odd| odd.what == "is not text"),
        "{oddities:?}"
    );
}

#[test]
fn files_without_end_folders_for_files_and_loops() {
    let world = all();
    let mut found = Vec::new();
    files(world.folder.path(), &mut found);
    let silent = || assert!(world.find().links.is_empty());
    for path in &found {
        let file = fs::File::create(path).expect("a file");
        file.set_len(3 << 20).expect("a length");
    }
    silent();
    for path in &found {
        fs::remove_file(path).expect("a file less");
        fs::create_dir(path).expect("a folder");
    }
    silent();
    for path in &found {
        fs::remove_dir(path).expect("a folder less");
        symlink(path, path).expect("a loop");
    }
    silent();
}

#[test]
fn no_tree_at_all() {
    let mut world = World::new();
    world.functions = all().functions;
    world.devices = all().devices;
    let (found, oddities) = world.find_with_oddities();
    assert!(found.accelerators.len() > 8);
    assert!(oddities.is_empty(), "{oddities:?}");
    assert!(World::new().find().accelerators.is_empty());
}
