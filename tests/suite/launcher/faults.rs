//! What goes wrong below the launcher: no containerd, one that is killed or stuck, a failing runtime.

use std::path::Path;
use std::time::Duration;

use kerf_agent::launcher::{ContainerView, Launcher, LauncherConfig, LauncherError};
use kerf_tests::{Scratch, executable, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::runtime::Runtime;

use super::parts::{Layer, Parts};
use super::{ADMIN, LIMIT, World, chain, config, processes};

#[test]
fn without_containerd_the_answer_is_quick_and_clear() {
    let scratch = Scratch::new("kl").expect("/tmp takes folders");
    let socket = scratch.join("nobody.sock");
    let (state, processes) = (
        scratch.join("state"),
        processes(&scratch, Path::new("/bin/false")),
    );
    let config = LauncherConfig::new(&socket, "kerf", "/bin/true", state, processes);
    let launcher = Launcher::new(config).expect("a launcher");
    let runtime = Runtime::new().expect("a runtime");
    let error = runtime
        .block_on(launcher.list())
        .expect_err("nobody is there");
    let expected = format!(
        "containerd does not answer at {}: No such file or directory (os error 2)",
        socket.display()
    );
    assert_eq!(chain(&error), expected);
    assert!(error.is_transient());
}

#[test]
fn containers_outlive_containerd_and_the_launcher_finds_it_again() {
    let Some(mut world) = World::new() else {
        return;
    };
    let script = "while [ ! -e /tmp/go ]; do sleep 0.1; done; echo done; exit 9";
    let pid = world
        .start(world.request("long", script))
        .expect("it starts")
        .pid;
    let container = world.container("long");
    let waiting = {
        let (launcher, container) = (world.launcher.clone(), container.clone());
        world
            .runtime
            .spawn(async move { launcher.wait(&container).await })
    };
    world.containerd.kill9().expect("containerd goes");
    for _ in 0..2 {
        let error = world
            .start(world.request("next", "true"))
            .expect_err("it is down");
        assert!(
            matches!(error, LauncherError::Unavailable { .. }),
            "{error}"
        );
        assert!(chain(&error).starts_with("containerd does not answer at"));
    }
    let removed = world.run(world.launcher.remove(&container));
    assert!(
        matches!(removed, Err(LauncherError::Unavailable { .. })),
        "{removed:?}"
    );
    world.containerd.restart().expect("it comes back");
    std::fs::write(format!("/proc/{pid}/root/tmp/go"), "").expect("the container lives on");
    let exit = world.run(waiting).expect("no panic").expect("it has ended");
    assert_eq!(exit.code, 9);
    assert_eq!(world.finish("long"), (9, "done\n".to_owned()));
    assert_eq!(world.shell("next", "echo on").0, 0);
    world.assert_empty();
}

#[test]
fn containerd_killed_in_the_middle_of_a_start_leaves_nothing_for_long() {
    let Some(mut world) = World::new() else {
        return;
    };
    for (round, delay_ms) in [5, 30, 60, 100, 150, 250].into_iter().enumerate() {
        let id = format!("c{round}");
        let request = world.request(&id, "sleep 600");
        let launcher = world.launcher.clone();
        let start = world
            .runtime
            .spawn(async move { launcher.start(request).await });
        std::thread::sleep(Duration::from_millis(delay_ms));
        world.containerd.kill9().expect("containerd goes");
        let started = world.run(start).expect("no panic");
        if let Err(error) = &started {
            assert!(error.is_transient(), "{}", chain(error));
        }
        world.containerd.restart().expect("it comes back");
        let container = world.container(&id);
        world
            .run(world.launcher.remove(&container))
            .expect("it goes");
        world.run(world.launcher.reclaim()).expect("leases end");
        world.assert_empty();
    }
}

#[test]
fn folders_of_snapshots_that_were_never_made_are_no_obstacle() {
    let Some(world) = World::new() else { return };
    // As after a kill between the folder and the database: the next number is taken.
    let folders = "c/root/io.containerd.snapshotter.v1.overlayfs/snapshots";
    let folders = world.scratch.join(folders);
    for number in 2..6 {
        std::fs::create_dir(folders.join(number.to_string())).expect("it is free");
    }
    assert_eq!(world.shell("one", "echo fine").1, "fine\n");
    assert_eq!(world.shell("two", "echo too").1, "too\n");
    world.assert_empty();
}

#[test]
fn a_bundle_that_containerd_forgot_is_no_obstacle() {
    let Some(world) = World::new() else { return };
    // As after a kill while the shim was started.
    let bundles = "c/state/io.containerd.runtime.v2.task";
    let bundle = world
        .scratch
        .join(bundles)
        .join(world.containerd.namespace())
        .join("again");
    std::fs::create_dir_all(bundle.join("rootfs")).expect("it is free");
    assert_eq!(world.shell("again", "echo fine").1, "fine\n");
    world.assert_empty();
}

#[test]
fn containerd_killed_in_the_middle_of_an_import_leaves_nothing_for_long() {
    let Some(mut world) = World::without_image() else {
        return;
    };
    let noise: Vec<u8> = (0_u32..8 << 20)
        .map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()[3])
        .collect();
    let layers = vec![Layer::busybox(), Layer::file("etc/noise", &noise)];
    let archive = Parts::new("example.org/big:1", layers).archive();
    let mut failed = 0;
    for delay_ms in [1, 100, 200, 400] {
        let (launcher, archive) = (world.launcher.clone(), archive.clone());
        let import = world
            .runtime
            .spawn(async move { launcher.import_image(archive.as_slice(), None, ADMIN).await });
        let folder = world.scratch.join("state/import");
        // Reading and checking the archive comes first; the kill is to meet what comes then.
        poll::until_true("the start of the import", LIMIT, || {
            world.ctr(&["leases", "list", "-q"]).contains("import") || import.is_finished()
        })
        .expect("it starts");
        std::thread::sleep(Duration::from_millis(delay_ms));
        world.containerd.kill9().expect("containerd goes");
        let imported = world.run(import).expect("no panic");
        world.containerd.restart().expect("it comes back");
        let reclaimed = world.run(world.launcher.reclaim()).expect("an answer");
        if let Err(error) = imported {
            assert!(error.is_transient(), "{}", chain(&error));
            assert_eq!(reclaimed, 1);
            failed += 1;
        }
        // All or nothing: a record that was written in the last moment is that of a whole image.
        if !world.ctr(&["images", "list", "-q"]).is_empty() {
            let check = world.ctr(&["images", "check"]);
            assert!(
                check.contains("complete") && check.contains("true"),
                "{check}"
            );
            world.ctr(&["images", "remove", "--sync", "example.org/big:1"]);
        }
        super::archives::assert_clean(&world);
        assert_eq!(std::fs::read_dir(folder).expect("it is there").count(), 0);
    }
    // Which of them meets an import in its middle is a matter of the machine's speed.
    kerf_tests::note(&format!("{failed} of 4 kills met an import"));
    let imported = world.run(world.launcher.import_image(archive.as_slice(), None, ADMIN));
    assert_eq!(imported.expect("it works again"), ["example.org/big:1"]);
}

#[test]
fn a_stuck_containerd_does_not_hold_the_launcher_for_ever() {
    let Some(world) = World::new() else { return };
    world.run(world.launcher.list()).expect("a list");
    let pid = i32::try_from(world.containerd.pid()).expect("a process id");
    kill(Pid::from_raw(pid), Signal::SIGSTOP).expect("it stands still");
    poll::until_true("all of its threads to stand still", LIMIT, || {
        is_stopped(pid)
    })
    .expect("it stands still");
    let answer = world.run(world.launcher.list());
    kill(Pid::from_raw(pid), Signal::SIGCONT).expect("it goes on");
    assert!(
        matches!(answer, Err(LauncherError::TimedOut { .. })),
        "{answer:?}"
    );
    world.run(world.launcher.list()).expect("a list again");
}

/// Whether the kernel has stopped every thread of a process.
fn is_stopped(pid: i32) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).expect("it is there");
    threads.flatten().all(|thread| {
        let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        stat.rsplit(')')
            .next()
            .is_some_and(|rest| rest.starts_with(" T"))
    })
}

#[test]
fn a_failing_start_says_why_in_one_line_and_leaves_nothing() {
    let Some(world) = World::new() else { return };
    let mut request = world.request("bad", "");
    request.spec.args = vec!["/no/such/program".to_owned()];
    request.stdin = true;
    let error = chain(&world.start(request).expect_err("there is no such program"));
    assert!(
        error.contains("/no/such/program") && error.contains("no such file"),
        "{error}"
    );
    assert!(
        !error.contains("shim task") && !error.contains('\n'),
        "{error}"
    );
    let files = std::fs::read_dir(world.log_dir("bad")).expect("the log folder stays");
    assert_eq!(files.count(), 2, "only the two logs");

    let refusing = world.scratch.join("refusing-runtime");
    let script = "#!/bin/sh\nlog=\nwhile [ $# -gt 0 ]; do\n\
        [ \"$1\" = --log ] && log=$2\nshift\ndone\n\
        echo '{\"level\":\"error\",\"msg\":\"kerfd refused: lease 7 is over\",\"time\":\"2026-01-02T03:04:05Z\"}' >>$log\n\
        exit 1\n";
    executable::script(&refusing, script).expect("a file");
    let other = LauncherConfig {
        runtime_binary: refusing,
        ..config(&world.containerd, &world.scratch)
    };
    let launcher = Launcher::new(other).expect("a launcher");
    let failed = world.run(launcher.start(world.request("refused", "true")));
    let error = chain(&failed.expect_err("the runtime refuses"));
    assert!(
        error.ends_with(": kerfd refused: lease 7 is over"),
        "{error}"
    );
    world.assert_empty();
    // The same name is free again.
    assert_eq!(world.shell("refused", "echo now").1, "now\n");
    world.assert_empty();
}

#[test]
fn a_start_is_finished_or_undone_when_its_caller_goes_away() {
    let Some(world) = World::new() else { return };
    let start = world.launcher.start(world.request("alone", "sleep 600"));
    let container = world.container("alone");
    // Its caller goes away as soon as containerd knows of the container, which is in the middle of a start.
    let begun = async {
        let is_ours =
            |views: Vec<ContainerView>| views.iter().any(|view| view.container == container);
        while !world.launcher.list().await.is_ok_and(is_ours) {
            tokio::task::yield_now().await;
        }
    };
    world.run(async {
        tokio::select! {
            biased;
            () = begun => {}
            _ = start => kerf_tests::note("the start was over before its caller went away"),
        }
    });
    poll::until_true("the start without its caller", LIMIT, || {
        world.view("alone").is_some_and(|view| view.pid.is_some())
    })
    .expect("it runs");
    world
        .run(world.launcher.remove(&container))
        .expect("it goes");
    world.assert_empty();
}

#[test]
fn two_starts_of_one_name_do_not_undo_each_other() {
    let Some(world) = World::new() else { return };
    let request = || world.request("twin", "sleep 600");
    let starts = [
        world.launcher.start(request()),
        world.launcher.start(request()),
    ];
    let [one, other] = starts;
    let (one, other) = world.run(async { tokio::join!(one, other) });
    assert!(one.is_ok(), "{one:?}");
    assert!(
        matches!(other, Err(LauncherError::Exists { .. })),
        "{other:?}"
    );
    let container = world.container("twin");
    let view = world.view("twin");
    assert!(view.is_some_and(|view| view.pid.is_some()));
    world
        .run(world.launcher.remove(&container))
        .expect("it goes");
    world.assert_empty();
}

#[test]
fn what_a_killed_kerfd_left_is_taken_over() {
    let Some(world) = World::new() else { return };
    // A snapshot without a record, as between two steps of a start.
    let (code, _) = world.shell("probe", "true");
    assert_eq!(code, 0);
    let snapshots = world.ctr(&["snapshots", "list"]);
    let parent = snapshots.lines().find(|line| line.contains("Committed"));
    let parent = parent.and_then(|line| line.split_whitespace().next());
    world.ctr(&[
        "snapshots",
        "prepare",
        "again",
        parent.expect("the image's"),
    ]);
    assert_eq!(world.shell("again", "echo fine").1, "fine\n");
    // A record without a task, as one step later.
    world.ctr(&[
        "containers",
        "create",
        "--label",
        "kerf.dev/job=x",
        super::IMAGE,
        "half",
    ]);
    let views = world.run(world.launcher.list()).expect("a list");
    assert_eq!(views.len(), 1, "{views:?}");
    assert_eq!(views[0].status, kerf_agent::launcher::ContainerStatus::Dead);
    let half = world.container("half");
    let waited = world.run(world.launcher.wait(&half));
    assert!(
        matches!(waited, Err(LauncherError::ExitUnknown { .. })),
        "{waited:?}"
    );
    world.run(world.launcher.remove(&half)).expect("it goes");
    world.assert_empty();
}
