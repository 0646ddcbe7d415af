//! kerfd is killed with SIGKILL at any point: what it had begun is finished or undone, and what ran goes on.

pub mod kills;

use std::time::{Duration, Instant};

use kerf_tests::executable;

use super::client::{Client, layout};
use super::world::World;
use kills::{
    Cut, Random, come_back, kept, kill_during, once_there, open_work, shape, there_and_back,
};

/// Kills of one apply loop.
const KILLS: usize = 36;

/// Kills of one loop of reservations.
const LEASE_KILLS: u64 = 14;

/// What kerfd logs when it goes on with an apply of a kerfd before it.
const RESUMED: &str = "interrupted apply goes on";

#[test]
fn a_kill_at_any_step_of_an_apply_leaves_the_old_layout_or_the_new() {
    let Some(mut world) = World::bare("h100x8", "") else {
        return;
    };
    let layouts = there_and_back();
    world
        .client
        .apply(layout(&[(&["2"], &[("2g.20gb", 2)])]))
        .expect("it is applied");
    world
        .client
        .apply(layouts[0].clone())
        .expect("it is applied");
    let mut slices = world.slices_of(0).into_iter();
    let small = slices.find(|slice| slice.profile == "1g.10gb");
    let name = format!("slice={}", small.expect("it was made").id);
    let lease = world
        .client
        .lease(&name, "default", "kept")
        .expect("a lease");
    // Once there and back: what the two look like, how many events that has, how long it takes.
    let first = shape(&world);
    let (events, took) = once_there(&world, &layouts[1]);
    let shapes = [first, shape(&world)];
    assert!(
        events > 20 && shapes[0] != shapes[1],
        "{events} events, {shapes:?}"
    );
    // GPU 2 is not named, and neither layout needs the place of the slice that is leased.
    let uuid = lease_uuid(&lease);
    let kept = |world: &World| kept(world, &uuid);
    let before = kept(&world);
    assert_eq!(before.len(), 3, "{before:?}");

    let mut random = Random(0x6b65_7266);
    let mut at = 1;
    for round in 0..KILLS {
        let next = 1 - at;
        let micros = u64::try_from(took.as_micros()).expect("it is short");
        let cut = match round % 2 {
            0 => Cut::AfterEvent((round * events).div_ceil(KILLS)),
            _ => Cut::After(Duration::from_micros(random.below(micros * 5 / 4))),
        };
        kill_during(&mut world, &layouts[next], cut);
        come_back(&mut world);
        let found = shape(&world);
        at = shapes
            .iter()
            .position(|known| *known == found)
            .unwrap_or_else(|| {
                panic!(
                    "round {round}, {cut:?}: {found:?}\n{}",
                    world.kerfd.log_tail()
                )
            });
        assert_eq!(open_work(&world), 0, "round {round}, {cut:?}");
        assert_eq!(kept(&world), before, "round {round}, {cut:?}");
        assert_eq!(world.lease().id, lease.id);
        assert_eq!(world.client.degraded(), Vec::<String>::new());
    }
    let log = std::fs::read_to_string(world.kerfd.folder().join("kerfd.log")).expect("a log");
    let resumed = log.matches(RESUMED).count();
    // Which of them meets one in its middle is a matter of the machine's speed.
    kerf_tests::note(&format!(
        "{resumed} of {KILLS} kills met an apply that had begun"
    ));
}

/// The MIG UUID of a lease on one slice.
fn lease_uuid(lease: &kerf_api::v1::Lease) -> String {
    use kerf_api::v1::lease_subject::Subject;
    match &lease.subjects[0].subject {
        Some(Subject::Slice(slice)) => slice.uuid.clone(),
        other => panic!("a slice, not {other:?}"),
    }
}

#[test]
fn a_kill_while_a_slice_is_cut_for_a_lease_leaves_both_or_none() {
    let Some(mut world) = World::bare("h100x1", "") else {
        return;
    };
    let begin = Instant::now();
    let probe = world
        .client
        .lease("1g.10gb", "default", "probe")
        .expect("a lease");
    let took = u64::try_from(begin.elapsed().as_micros()).expect("it is short");
    world.client.release(&probe.id).expect("it ends");
    let mut random = Random(0x6c65_6173);
    for round in 0..LEASE_KILLS {
        let delay = Duration::from_micros(random.below(took * 5 / 4));
        std::thread::scope(|scope| {
            let socket = world.kerfd.socket();
            let ask = scope.spawn(move || Client::new(socket).lease("1g.10gb", "default", "c"));
            std::thread::sleep(delay);
            world.kerfd.kill9().expect("kerfd goes");
            drop(ask.join().expect("no panic"));
        });
        come_back(&mut world);
        let (leases, instances) = (world.client.leases(), world.instances());
        let uuids: Vec<String> = leases.iter().map(lease_uuid).collect();
        let named = instances
            .iter()
            .zip(&uuids)
            .all(|(line, uuid)| line.ends_with(uuid.as_str()));
        assert!(
            leases.len() == instances.len() && leases.len() <= 1 && named,
            "round {round}, {delay:?}: {leases:?} of {instances:?}"
        );
        let files = world.lease_files();
        assert_eq!(
            files.len(),
            leases.len(),
            "round {round}, {delay:?}: {files:?}"
        );
        assert_eq!(open_work(&world), 0, "round {round}, {delay:?}");
        for lease in leases {
            world.client.release(&lease.id).expect("it ends");
        }
        world.assert_untouched();
    }
}

#[test]
fn a_kill_with_running_containers_changes_nothing_for_them() {
    let Some(mut world) = World::new("h100x8", "") else {
        return;
    };
    world
        .client
        .apply(layout(&[(&["3"], &[("2g.20gb", 1)])]))
        .expect("it is applied");
    world.start("a", "1g.10gb");
    world.start("b", "2g.20gb");
    world.start("c", "gpu:1");
    world
        .client
        .lease("1g.10gb", "default", "promised")
        .expect("a lease");
    world.until("all three to be known", || {
        world
            .client
            .leases()
            .iter()
            .filter(|lease| lease.init_pid.is_some())
            .count()
            == 3
    });
    let facts = |world: &World| {
        let pids = ["a", "b", "c"].map(|id| world.pid(id));
        (
            world.client.leases(),
            world.client.slices(),
            world.instances(),
            pids,
            world.lease_files(),
        )
    };
    let before = facts(&world);
    for _ in 0..3 {
        world.kerfd.kill9().expect("kerfd goes");
        come_back(&mut world);
        assert_eq!(facts(&world), before);
    }
    // One ends while kerfd is there, one while it is not.
    world.end("a");
    world.until("the end of the first lease", || {
        world.client.leases().len() == 3
    });
    world.kerfd.kill9().expect("kerfd goes");
    world.end("c");
    world.kerfd.restart().expect("kerfd comes back");
    world.until("the end of the second lease", || {
        world.client.leases().len() == 2
    });
    assert_eq!(
        world.instances().len(),
        2,
        "one that stands and one that is promised"
    );
    world.start("d", "gpu:1");
}

/// A kerf-runtime that waits before it makes a container, and then makes it or does not.
fn slow_runtime(world: &World, folder: &std::path::Path) -> std::path::PathBuf {
    // kerf-runtime becomes this in place of runc: it waits, and then makes the container or does not.
    let (runtime, waiting, go) = (
        folder.join("runc"),
        folder.join("waiting"),
        folder.join("go"),
    );
    let script = format!(
        "#!/bin/sh\ncase \" $* \" in *' create '*) : >{waiting}; while ! [ -e {go} ]; do sleep 0.05; done\n\
         [ -s {go} ] && exit 1;; esac\nexec runc \"$@\"\n",
        waiting = waiting.display(),
        go = go.display(),
    );
    executable::script(&runtime, &script).expect("a script");
    let wrapper = folder.join("kerf-runtime");
    executable::copy(&world.kerfd.runtime(), &wrapper).expect("a copy");
    let socket = world.kerfd.folder().join("run/runtime.sock");
    let settings = format!("socket = {socket:?}\nruntime = {runtime:?}\n");
    std::fs::write(folder.join("kerf-runtime.toml"), settings).expect("a file");
    wrapper
}

#[test]
fn a_kill_between_grant_and_start_follows_the_container() {
    let Some(mut world) = World::new("h100x1", "") else {
        return;
    };
    let folder = world.scratch.folder("slow").expect("a folder");
    let (waiting, go) = (folder.join("waiting"), folder.join("go"));
    let wrapper = slow_runtime(&world, &folder);

    // An empty file lets it go on; one with something in it makes it fail.
    for (id, verdict) in [("good", ""), ("bad", "fail")] {
        let (engine, log) = (
            world.containerd.as_ref().expect("containers"),
            folder.join(id),
        );
        let mut command = engine.ctr_run();
        command.arg("--runc-binary").arg(&wrapper);
        command.args([
            "--annotation",
            "kerf.dev/accelerator=1g.10gb",
            "--detach",
            "--null-io",
        ]);
        command.args([kerf_tests::world::IMAGE, id, "sleep", "600"]);
        let mut ctr = kerf_tests::ChildGuard::spawn("ctr", &mut command, &log).expect("it starts");
        let waits =
            kerf_tests::poll::until_true("the grant", super::world::LIMIT, || waiting.exists());
        waits.unwrap_or_else(|error| panic!("{error:#}: {}", ctr.log_tail(5)));
        world.kerfd.kill9().expect("kerfd goes");
        come_back(&mut world);
        let lease = world.lease();
        assert_eq!(
            (lease.state.as_str(), lease.init_pid),
            ("active", None),
            "{id}"
        );
        std::fs::write(&go, verdict).expect("a file");
        let status = ctr.wait(super::world::LIMIT).expect("it ends");
        assert_eq!(status.success(), verdict.is_empty(), "{}", ctr.log_tail(5));
        if verdict.is_empty() {
            let pid = world.pid(id);
            world.until("the container to be known", || {
                world.lease().init_pid == Some(pid)
            });
            assert_eq!(world.lease().id, lease.id);
            world.end(id);
        }
        world.until_no_leases();
        world.assert_untouched();
        for file in [&waiting, &go] {
            std::fs::remove_file(file).expect("it was there");
        }
    }
}
