//! What cannot be mounted, and what is said then.

use std::path::Path;

use kerf_sim_mount::{MountError, mount};
use nix::mount::{MsFlags, mount as bind};

use crate::world::with_world;

fn refusal(machine: &Path, mountpoint: &Path) -> MountError {
    mount(machine, mountpoint).expect_err("refused")
}

#[test]
fn wrong_machines_and_wrong_places_are_told_apart() {
    with_world(|world| {
        let (dir, at) = (&world.machine.dir, &world.mountpoint);
        let error = refusal(at, at);
        assert!(matches!(error, MountError::Machine { .. }), "{error}");
        let error = refusal(dir, &at.join("none"));
        assert!(matches!(error, MountError::NoFolder { .. }), "{error}");
        assert_eq!(error.hint(), Some("make the folder first"));
        let file = world.scratch.join("file");
        std::fs::write(&file, "").expect("a file");
        let error = refusal(dir, &file);
        assert!(matches!(error, MountError::NoFolder { .. }), "{error}");
        let hides = [
            dir.clone(),
            dir.join("root"),
            dir.join("root/sys"),
            world.scratch.path().into(),
        ];
        for place in hides {
            let error = refusal(dir, &place);
            assert!(
                matches!(error, MountError::Hides { .. }),
                "{place:?}: {error}"
            );
        }
    });
}

#[test]
fn without_the_device_it_says_what_to_do() {
    with_world(|world| {
        let (dir, at) = (&world.machine.dir, &world.mountpoint);
        // A folder without a fuse in it, and a file that is no fuse device, in this namespace alone.
        let over = |source: &Path, target: &str| {
            let flags = MsFlags::MS_BIND;
            bind(Some(source), target, None::<&str>, flags, None::<&str>).expect("root");
        };
        let file = world.scratch.join("file");
        std::fs::write(&file, "").expect("a file");
        over(&file, "/dev/fuse");
        let error = refusal(dir, at);
        assert!(
            matches!(
                error,
                MountError::Mount { .. } | MountError::NotAllowed { .. }
            ),
            "{error}"
        );
        let empty = world.scratch.folder("empty").expect("a folder");
        over(&empty, "/dev");
        let error = refusal(dir, at);
        assert!(matches!(error, MountError::Device { .. }), "{error}");
        let hint = error.hint().expect("a hint");
        assert!(hint.contains("modprobe fuse"), "{hint}");
    });
}
