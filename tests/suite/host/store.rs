//! What can befall the store and the configuration: damage, a restored backup, a newer kerfd, a full disk,
//! a mistake in a file.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use kerf_tests::world::Kerfd;
use kerf_tests::{Capability, Scratch, require};
use nix::mount::{MsFlags, mount};
use nix::sys::signal::Signal;
use rusqlite::Connection;

use super::client::layout;
use super::world::{World, names, settings};

fn epoch(world: &World) -> u32 {
    world.client.status().expect("a status").store_epoch
}

/// Spoils the database of a kerfd that does not run. What its journal has would mend it.
fn damage_store(database: &Path, damage: &str) {
    for suffix in ["-wal", "-shm"] {
        drop(fs::remove_file(format!("{}{suffix}", database.display())));
    }
    let mut bytes = fs::read(database).expect("the store");
    match damage {
        "header" => bytes[..512].fill(0x5a),
        "middle" => bytes
            .iter_mut()
            .skip(4096)
            .step_by(3)
            .for_each(|byte| *byte ^= 0xff),
        "cut" => bytes.truncate(bytes.len() / 2),
        _ => return fs::remove_file(database).expect("it was there"),
    }
    fs::write(database, bytes).expect("it is written");
}

#[test]
fn a_corrupt_store_is_rebuilt_with_the_leases_of_what_runs() {
    let Some(mut world) = World::new("h100x1", "") else {
        return;
    };
    world
        .client
        .apply(layout(&[(&["0"], &[("2g.20gb", 1)])]))
        .expect("it is applied");
    world.start("c0", "1g.10gb");
    world.until("the container to be known", || {
        world.lease().init_pid.is_some()
    });
    let (lease, before, old) = (world.lease(), world.instances(), epoch(&world));
    let database = world.kerfd.state().join("state.db");
    for (round, damage) in ["header", "middle", "cut", "gone"].into_iter().enumerate() {
        world.kerfd.terminate().expect("it ends well");
        damage_store(&database, damage);
        world.kerfd.restart().expect("kerfd comes up all the same");
        assert_eq!(world.lease(), lease, "{damage}");
        assert_eq!(world.instances(), before, "{damage}");
        assert!(
            epoch(&world) > old + u32::try_from(round).expect("few"),
            "{damage}"
        );
        let degraded = world.client.degraded();
        assert!(
            degraded.iter().any(|line| line.contains("store")),
            "{damage}: {degraded:?}"
        );
        let metrics = world.kerfd.metrics().expect("metrics");
        let told = |line: &str| line.starts_with("kerf_store_") && line.ends_with(" 1");
        assert!(metrics.lines().any(told), "{damage}");
        let files = names(&world.kerfd.state());
        let ended = |name: &&String| {
            name.contains("corrupt") && !name.contains("-wal") && !name.contains("-shm")
        };
        let aside = files.iter().filter(ended).count();
        assert_eq!(
            aside,
            (round + 1).min(3),
            "{damage}: what is damaged is kept: {files:?}"
        );
    }
    // The rebuilt store serves as any other, and the lease still ends with its container.
    let fence = world.lease().fence;
    let next = world
        .client
        .lease("1g.10gb", "default", "c1")
        .expect("a lease");
    assert!(next.fence > fence, "{} after {fence}", next.fence);
    world.client.release(&next.id).expect("it ends");
    world.end("c0");
    world.until_no_leases();
    assert_eq!(world.instances().len(), 1);
}

#[test]
fn a_restored_backup_begins_a_new_epoch() {
    let Some(mut world) = World::new("h100x1", "") else {
        return;
    };
    world.start("old", "1g.10gb");
    world.until("the container to be known", || {
        world.lease().init_pid.is_some()
    });
    let ended = world.lease();
    world.kerfd.terminate().expect("it ends well");
    let database = world.kerfd.state().join("state.db");
    let backup = world.scratch.join("backup.db");
    fs::copy(&database, &backup).expect("a copy");
    world.kerfd.restart().expect("kerfd comes back");
    let before = epoch(&world);
    world.end("old");
    world.until_no_leases();
    world.start("new", "1g.10gb");
    world.until("the container to be known", || {
        world.lease().init_pid.is_some()
    });
    let running = world.lease();
    world.kerfd.kill9().expect("kerfd goes");
    for suffix in ["-wal", "-shm"] {
        drop(fs::remove_file(format!("{}{suffix}", database.display())));
    }
    fs::copy(&backup, &database).expect("the backup is put back");
    world.kerfd.restart().expect("kerfd comes up");
    world.until("one lease", || world.client.leases().len() == 1);
    assert_eq!(
        world.lease(),
        running,
        "the container that runs has its own, the ended one none"
    );
    assert!(epoch(&world) > before);
    let degraded = world.client.degraded();
    assert!(
        degraded.iter().any(|line| line.contains("store")),
        "{degraded:?}"
    );
    let next = world
        .client
        .lease("1g.10gb", "default", "c1")
        .expect("a lease");
    assert!(next.fence > running.fence && running.fence > ended.fence);
    world.end("new");
    world.until("the end of its lease", || world.client.leases().len() == 1);
}

#[test]
fn a_newer_store_is_refused_and_left_alone() {
    let Some(mut world) = World::bare("h100x1", "") else {
        return;
    };
    world
        .client
        .lease("1g.10gb", "default", "c0")
        .expect("a lease");
    let before = world.instances();
    world.kerfd.terminate().expect("it ends well");
    let database = world.kerfd.state().join("state.db");
    let store = Connection::open(&database).expect("the store");
    let own: i64 = store
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .expect("one");
    store
        .pragma_update(None, "user_version", own + 90)
        .expect("a newer one");
    drop(store);
    let bytes = fs::read(&database).expect("the store");
    let files = names(&world.kerfd.state());
    let text = Kerfd::refused(world.kerfd.settings()).expect("it ends");
    assert!(text.contains(&format!("has schema {}", own + 90)), "{text}");
    assert!(
        fs::read(&database).expect("the store") == bytes,
        "it was changed"
    );
    assert_eq!(names(&world.kerfd.state()), files);
    assert_eq!(world.instances(), before);
    let store = Connection::open(&database).expect("the store");
    store
        .pragma_update(None, "user_version", own)
        .expect("its own");
    drop(store);
    world.kerfd.restart().expect("it opens its own");
    assert_eq!(world.client.leases().len(), 1);
}

#[test]
fn a_second_kerfd_on_the_same_state_is_refused() {
    let Some(world) = World::bare("h100x1", "") else {
        return;
    };
    let text = Kerfd::refused(world.kerfd.settings()).expect("it ends");
    assert!(text.contains("another kerfd holds"), "{text}");
    assert_eq!(world.client.degraded(), Vec::<String>::new());
}

/// Fills the file system of a folder to its last block; returns the file that does.
fn fill(folder: &Path) -> PathBuf {
    use std::io::Write;
    let path = folder.join("filler");
    let mut file = fs::File::create(&path).expect("a file");
    for size in [1 << 20, 4096, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
    path
}

#[test]
fn a_full_disk_refuses_asks_until_there_is_room() {
    if !require(Capability::Root) || !require(Capability::Containerd) {
        return;
    }
    let scratch = Scratch::new("kh").expect("/tmp takes folders");
    // The store gets a small file system of its own; the machine, which a real host does not have
    // there, lies beside it.
    let state = scratch.folder("k/state").expect("a folder");
    let tmpfs = mount(
        Some("tmpfs"),
        &state,
        Some("tmpfs"),
        MsFlags::empty(),
        Some("size=24m,mode=0700"),
    );
    if let Err(error) = tmpfs {
        panic!("no tmpfs on {}: {error}", state.display());
    }
    symlink(
        scratch.folder("k/sim").expect("a folder"),
        state.join("sim"),
    )
    .expect("a link");
    let Some(world) = World::in_folder(scratch, "h100x1", "") else {
        return;
    };
    world.start("c0", "1g.10gb");
    world.until("the container to be known", || {
        world.lease().init_pid.is_some()
    });
    let (lease, before) = (world.lease(), world.instances());
    let filler = fill(&state);
    let text = world.refuse("c1", &[("kerf.dev/accelerator", "1g.10gb")]);
    assert!(text.contains("store") && text.contains("full"), "{text}");
    let refused = world
        .client
        .lease("1g.10gb", "default", "c2")
        .expect_err("it is full");
    assert!(refused.message().contains("full"), "{refused:?}");
    let refused = world.client.apply(layout(&[(&["0"], &[("1g.10gb", 3)])]));
    assert!(refused.expect_err("it is full").message().contains("full"));
    assert_eq!(world.lease(), lease);
    assert_eq!(world.instances(), before, "nothing was cut");
    let degraded = world.client.degraded();
    assert!(
        degraded.iter().any(|line| line.starts_with("store: ")),
        "{degraded:?}"
    );
    fs::remove_file(filler).expect("it was there");
    world.start("c1", "1g.10gb");
    world.until("a host that is well", || world.client.degraded().is_empty());
    world.end("c0");
    world.end("c1");
    world.until_no_leases();
    world.assert_untouched();
}

#[test]
fn a_container_that_ends_while_the_disk_is_full_frees_its_slice() {
    if !require(Capability::Root) || !require(Capability::Containerd) {
        return;
    }
    let scratch = Scratch::new("kh").expect("/tmp takes folders");
    let state = scratch.folder("k/state").expect("a folder");
    mount(
        Some("tmpfs"),
        &state,
        Some("tmpfs"),
        MsFlags::empty(),
        Some("size=24m,mode=0700"),
    )
    .expect("a tmpfs");
    symlink(
        scratch.folder("k/sim").expect("a folder"),
        state.join("sim"),
    )
    .expect("a link");
    let Some(world) = World::in_folder(scratch, "h100x1", "") else {
        return;
    };
    world.start("c0", "1g.10gb");
    world.until("the container to be known", || {
        world.lease().init_pid.is_some()
    });
    let filler = fill(&state);
    world.end("c0");
    world.until("the end of the slice", || world.instances().is_empty());
    fs::remove_file(filler).expect("it was there");
    world.until_no_leases();
    world.until("a host that is well", || world.client.degraded().is_empty());
    world.assert_untouched();
}

#[test]
fn a_mistake_in_the_configuration_is_shown_with_its_line() {
    if !require(Capability::Root) {
        return;
    }
    for (config, line, expected) in [
        ("[driver]\ncall_deadline = 3\n", 2, "call_deadline_ms"),
        (
            "[launch]\n\n[partitoin]\non_demand = true\n",
            3,
            "partition",
        ),
        (
            "[driver]\ncall_deadline_ms = \"soon\"\n",
            2,
            "call_deadline_ms",
        ),
        ("[driver\n", 1, "]"),
        (
            "[driver]\ncall_deadline_ms = 3\n",
            0,
            "driver.call_deadline_ms",
        ),
    ] {
        let scratch = Scratch::new("kh").expect("/tmp takes folders");
        let settings = settings(&scratch, "h100x1", config, None);
        let text = Kerfd::refused(&settings).expect("it ends");
        assert!(text.contains(expected), "{config}\n{text}");
        if line > 0 {
            assert!(
                text.contains(&format!("kerf.toml:{line}")),
                "{config}\n{text}"
            );
        }
        assert!(!settings.folder.join("state").exists(), "nothing was made");
    }
}

#[test]
fn a_reload_is_taken_whole_or_not_at_all() {
    let Some(mut world) = World::bare("h100x1", "") else {
        return;
    };
    let file = world.kerfd.folder().join("kerf.toml");
    let log = world.kerfd.folder().join("kerfd.log");
    let reload = |world: &mut World, text: &str, told: &str| {
        fs::write(&file, text).expect("it is written");
        world.kerfd.signal(Signal::SIGHUP).expect("it runs");
        world.until(told, || {
            fs::read_to_string(&log).is_ok_and(|log| log.contains(told))
        });
    };
    let ask = |world: &World| world.client.lease("1g.10gb", "default", "c0");
    let bad = "[partition]\non_demand = false\nmode_change = 1\n";
    reload(&mut world, bad, "the old one stays in force");
    let lease = ask(&world).expect("cutting on demand is still on");
    world.client.release(&lease.id).expect("it ends");
    reload(
        &mut world,
        "[partition]\non_demand = false\n",
        "configuration reloaded",
    );
    world.until("the new rule", || match ask(&world) {
        Ok(lease) => world.client.release(&lease.id).is_err(),
        Err(refused) => refused.message().contains("partition.on_demand"),
    });
    world.assert_untouched();
}
