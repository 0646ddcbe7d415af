//! How a mount ends.

use std::fs::File;
use std::thread;

use crate::world::{MODE, says, with_mount, with_world};

#[test]
fn umount_ends_the_wait() {
    with_mount(|world, mounted| {
        thread::scope(|scope| {
            let waits = scope.spawn(move || mounted.wait());
            assert_eq!(world.read(MODE), "SPX\n");
            says(world, "cd / && umount \"$OLDPWD\"");
            waits.join().expect("no panic").expect("ended well");
        });
        assert!(!world.path("sys").exists());
    });
}

#[test]
fn asking_for_the_end_unmounts() {
    with_mount(|world, mounted| {
        let stopper = mounted.stopper();
        for _ in 0..5 {
            stopper.stop();
        }
        mounted.wait().expect("unmounted");
        stopper.stop();
        assert!(!world.path("sys").exists());
    });
}

#[test]
fn a_mount_that_somebody_is_in_is_detached() {
    with_mount(|world, mounted| {
        let inside = File::open(world.path("sys/class/drm")).expect("a folder");
        mounted.unmount().expect("detached");
        assert!(!world.path("sys").exists());
        drop(inside);
    });
}

#[test]
fn dropping_unmounts_also_when_a_test_panics() {
    with_world(|world| {
        let panicked = thread::scope(|scope| {
            let test = scope.spawn(|| {
                let _mounted = world.mount();
                assert_eq!(world.read(MODE), "no such mode");
            });
            test.join()
        });
        panicked.expect_err("the modes differ");
        assert!(!world.path("sys").exists());
        // And again at the same place.
        let _mounted = world.mount();
        assert_eq!(world.read(MODE), "SPX\n");
    });
}
