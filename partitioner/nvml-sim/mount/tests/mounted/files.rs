//! The tree as a whole: it is the folder's, with a kernel's manners.

use std::fs::{self, File, Metadata};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::Path;

use crate::world::{MODE, World, complains, says, with_mount};

/// Compares everything below a folder of the machine's with the same in the mount; says how many files it read.
fn compare(machine: &Path, mounted: &Path, below_sys: bool) -> usize {
    let mut read = 0;
    for entry in fs::read_dir(machine).expect("a folder") {
        let entry = entry.expect("an entry");
        let there = mounted.join(entry.file_name());
        let here = entry.metadata().expect("facts");
        let seen = there
            .symlink_metadata()
            .unwrap_or_else(|error| panic!("{there:?}: {error}"));
        let kind = |facts: &Metadata| facts.file_type();
        assert_eq!(kind(&here), kind(&seen), "{there:?}");
        assert_eq!(
            (here.uid(), here.rdev()),
            (seen.uid(), seen.rdev()),
            "{there:?}"
        );
        if here.is_dir() {
            let below_sys = below_sys || entry.file_name() == "sys";
            read += compare(&entry.path(), &there, below_sys);
        } else if here.is_symlink() {
            let target = |path: &Path| fs::read_link(path).expect("a link");
            assert_eq!(target(&entry.path()), target(&there));
        } else if here.is_file() {
            let bytes = |path: &Path| fs::read(path).expect("a file");
            assert!(bytes(&entry.path()) == bytes(&there), "{there:?}");
            let size = if below_sys && entry.file_name() != "config" {
                4_096
            } else {
                here.len()
            };
            assert_eq!(seen.len(), size, "{there:?}");
            read += 1;
        } else {
            assert!(here.file_type().is_char_device(), "{there:?}");
        }
    }
    read
}

#[test]
fn all_of_the_folders_tree_is_there_and_reads_the_same() {
    with_mount(|world, _mounted| {
        let read = compare(&world.machine.sysroot, &world.mountpoint, false);
        assert!(read > 1_000, "{read}");
        // Nothing else is there, and `find` goes into every folder.
        let count = |root: &Path| {
            let line = format!("find {} | wc -l", root.display());
            says(world, &line)
                .trim()
                .parse::<usize>()
                .expect("a number")
        };
        assert_eq!(count(&world.mountpoint), count(&world.machine.sysroot));
    });
}

#[test]
fn a_configuration_space_is_read_at_its_offsets() {
    with_mount(|world, _mounted| {
        let path = world.path("sys/class/drm/card0/device/config");
        let file = File::open(path).expect("a function");
        let mut vendor = [0; 2];
        file.read_exact_at(&mut vendor, 0).expect("the vendor");
        assert_eq!(u16::from_le_bytes(vendor), 0x1002);
        let mut class = [0; 1];
        file.read_exact_at(&mut class, 11).expect("the class");
        assert_eq!(class, [0x12]);
    });
}

#[test]
fn nothing_is_made_renamed_or_removed_and_what_takes_no_value_says_so() {
    with_mount(|world, _mounted| {
        let refused = [
            ("mkdir sys/class/new", "not permitted"),
            ("rmdir sys/class/drm", "not permitted"),
            ("rm -f sys/class/drm/card0", "not permitted"),
            ("mv sys/class/drm sys/class/mrd", "not permitted"),
            ("ln -s a sys/class/drm/b", "not permitted"),
            ("mkfifo sys/class/pipe", "not permitted"),
            ("chmod 666 sys/class/drm/card0/dev", "not permitted"),
            ("touch sys/class/drm/new", "Permission denied"),
            (
                "echo 1 > sys/class/drm/card0/device/unique_id",
                "Permission denied",
            ),
            (
                "echo 1 > sys/class/drm/card0/device/vendor",
                "Permission denied",
            ),
            ("echo 1 > proc/devices", "Permission denied"),
            ("cat sys/class/drm", "Is a directory"),
        ];
        for (line, expected) in refused {
            let words = complains(world, line);
            assert!(words.contains(expected), "{line}: {words}");
        }
        says(world, &format!("touch {MODE}"));
        assert_eq!(world.read(MODE), "SPX\n");
    });
}

#[test]
fn device_nodes_open_as_they_do_in_the_folder() {
    with_mount(|world: &World, _mounted| {
        let errno = |root: &Path| {
            let opened = File::open(root.join("dev/kfd"));
            opened.err().and_then(|error| error.raw_os_error())
        };
        assert_eq!(errno(&world.mountpoint), errno(&world.machine.sysroot));
    });
}
