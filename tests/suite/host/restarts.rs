//! kerfd restarted under a stream of launches: none fails that would have been granted, and no lease is lost or doubled.

use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use kerf_tests::{Capability, ChildGuard, require};
use serde_json::json;

use super::bundle::Bundles;
use super::world::{LIMIT, World};

/// Containers that are made at one time.
const LANES: usize = 3;

fn world() -> Option<World> {
    let world = World::bare("h100x1", "")?;
    if !require(Capability::Cgroup) {
        return None;
    }
    // A restart takes its time on a machine under load; that the wait has an end is shown elsewhere.
    let file = world.kerfd.runtime().with_file_name("kerf-runtime.toml");
    let settings = std::fs::read_to_string(&file).expect("the wrapper's settings");
    let limit_ms = LIMIT.as_millis();
    std::fs::write(file, format!("{settings}wait_ms = {limit_ms}\n")).expect("a file");
    Some(world)
}

/// Makes and ends containers until it is told to stop; returns how many.
fn stream(
    world_runtime: &std::path::Path,
    bundles: &Bundles,
    lane: usize,
    stop: &AtomicBool,
) -> usize {
    let mut made = 0;
    while !stop.load(Ordering::Relaxed) {
        let id = format!("c{lane}-{made}");
        let mut spec = bundles.spec(&id, "exec sleep 600");
        spec["annotations"] = json!({ "kerf.dev/accelerator": "1g.10gb" });
        let bundle = bundles.write(&id, spec.to_string().as_bytes());
        bundles.run(world_runtime, &id, &bundle, &["create"]).ok();
        bundles.end(&id);
        made += 1;
    }
    made
}

fn under_a_stream(restart: impl Fn(&mut World)) {
    let Some(mut world) = world() else {
        return;
    };
    let bundles = Bundles::new(&world);
    let runtime = world.kerfd.runtime();
    let stop = AtomicBool::new(false);
    let made = std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..LANES)
            .map(|lane| {
                scope.spawn({
                    let (runtime, bundles, stop) = (&runtime, &bundles, &stop);
                    move || stream(runtime, bundles, lane, stop)
                })
            })
            .collect();
        for _ in 0..4 {
            restart(&mut world);
        }
        stop.store(true, Ordering::Relaxed);
        let made = lanes.into_iter().map(|lane| lane.join());
        made.collect::<Result<Vec<usize>, _>>()
    });
    let made = made.expect("every launch was granted");
    assert!(made.iter().all(|made| *made > 0), "{made:?}");
    world.until_no_leases();
    assert_eq!(world.instances(), Vec::<String>::new());
}

#[test]
fn a_kerfd_that_is_restarted_fails_no_launch() {
    under_a_stream(|world| {
        world.kerfd.terminate().expect("it ends");
        world.kerfd.restart().expect("it comes back");
    });
}

#[test]
fn a_kerfd_that_is_killed_fails_no_launch() {
    under_a_stream(|world| {
        world.kerfd.kill9().expect("it goes");
        world.kerfd.restart().expect("it comes back");
    });
}

#[test]
fn a_kerfd_that_is_gone_for_good_is_not_waited_for() {
    let Some(mut world) = World::bare("h100x1", "") else {
        return;
    };
    let bundles = Bundles::new(&world);
    let mut spec = bundles.spec("c0", "true");
    spec["annotations"] = json!({ "kerf.dev/accelerator": "1g.10gb" });
    let bundle = bundles.write("c0", spec.to_string().as_bytes());
    world.kerfd.terminate().expect("it ends");
    let run = world.kerfd.folder().join("run");
    // It went a moment ago: a launch waits two seconds for the next one. A minute later it would not.
    let word = std::fs::File::options()
        .write(true)
        .open(run.join("runtime.stopped"));
    let then = std::time::SystemTime::now() - LIMIT;
    word.expect("word of it")
        .set_modified(then)
        .expect("an old file");
    let begun = std::time::Instant::now();
    let ended = bundles.run(&world.kerfd.runtime(), "c0", &bundle, &["create"]);
    assert!(
        ended.error().contains("kerfd does not answer at"),
        "{}",
        ended.text
    );
    assert!(begun.elapsed().as_millis() < 1_500, "{:?}", begun.elapsed());
    world.kerfd.restart().expect("it comes back");
}

/// As under systemd: the socket is there before kerfd, and stays when it goes.
#[test]
fn a_socket_that_is_held_for_kerfd_outlives_it() {
    let Some(mut world) = world() else {
        return;
    };
    world.kerfd.terminate().expect("it ends");
    let socket = world.kerfd.folder().join("run/runtime.sock");
    let held = UnixListener::bind(&socket).expect("bound");
    let bundles = Bundles::new(&world);
    let launch = |id: &str| {
        let mut spec = bundles.spec(id, "exec sleep 600");
        spec["annotations"] = json!({ "kerf.dev/accelerator": "1g.10gb" });
        let bundle = bundles.write(id, spec.to_string().as_bytes());
        let mut command = bundles.command(&world.kerfd.runtime());
        command.args(["create", "--bundle"]).arg(&bundle);
        command.arg("--pid-file").arg(bundle.join("pid")).arg(id);
        ChildGuard::spawn(id, &mut command, &bundle.join("output")).expect("it starts")
    };
    // It waits in the socket for a kerfd that is not there yet.
    let mut early = launch("early");
    let start = || {
        let plain = world.kerfd.command().expect("kerfd is built");
        let mut shell = Command::new("sh");
        let script = "exec 3<&0 </dev/null; export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$@\"";
        shell
            .args(["-c", script, "sh"])
            .arg(plain.get_program())
            .args(plain.get_args());
        let fd: OwnedFd = held.try_clone().expect("a descriptor").into();
        shell
            .stdin(Stdio::from(fd))
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        shell.spawn().expect("it starts")
    };
    let end = |mut kerfd: std::process::Child| {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(kerfd.id()).expect("a pid"));
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("it runs");
        assert!(kerfd.wait().expect("it ends").success());
    };
    let first = start();
    assert!(
        early.wait(LIMIT).expect("granted").success(),
        "{}",
        early.log_tail(9)
    );
    end(first);
    assert!(socket.exists(), "it is not kerfd's to take away");
    let mut late = launch("late");
    let second = start();
    assert!(
        late.wait(LIMIT).expect("granted").success(),
        "{}",
        late.log_tail(9)
    );
    world.until("both leases", || world.client.status().is_ok());
    let leases = world.client.leases();
    let ids: BTreeSet<&String> = leases.iter().map(|lease| &lease.id).collect();
    let fences: BTreeSet<u64> = leases.iter().map(|lease| lease.fence).collect();
    assert_eq!((ids.len(), fences.len()), (2, 2), "{leases:?}");
    end(second);
    std::fs::remove_file(&socket).expect("ours");
    world.kerfd.restart().expect("it comes back");
    bundles.end("early");
    bundles.end("late");
    world.until_no_leases();
}
