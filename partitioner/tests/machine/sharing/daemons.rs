//! Daemons from their start to their end: limits, clients, slices, a sudden end.

use super::*;

#[test]
fn a_daemon_lives_alone_with_its_limits() {
    if !require(Capability::Root) {
        return;
    }
    let share = Share::new("h100x8");
    let place = share.place(&share.uuid(5));
    assert_eq!(share.tools.mps_find(&place).expect("no file"), None);
    let memory = Some(Bytes(18 << 30));
    let started = share.tools.mps_start(&place, &limits(Some(25), memory));
    let daemon = started.unwrap_or_else(|error| panic!("{}", in_words(&error)));
    assert_eq!(share.tools.mps_find(&place).expect("a file"), Some(daemon));
    let state = share.tools.mps_state(&place).expect("it answers");
    assert_eq!((state.threads, state.memory), (25.0, memory));
    assert!(state.servers.is_empty());

    let mounts = fs::read_to_string(format!("/proc/{}/mountinfo", daemon.pid)).expect("it runs");
    let shm = place.shm().display().to_string();
    let own = mounts.lines().find(|line| {
        line.contains(" /dev/shm ") && shm.ends_with(line.split(' ').nth(3).unwrap_or("?"))
    });
    assert!(own.is_some(), "{mounts}");
    let namespace = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/mnt")).expect("it runs");
    assert_ne!(namespace(&daemon.pid.to_string()), namespace("self"));
    assert_ne!(session(daemon.pid), session(std::process::id()));

    let again = refused(share.tools.mps_start(&place, &limits(None, None)));
    assert!(matches!(again, SharingError::Occupied { pid, .. } if pid == daemon.pid));
    share
        .tools
        .mps_stop(&place, &daemon)
        .expect("it has no clients");
    assert_eq!(share.tools.mps_find(&place).expect("no file"), None);
    assert!(!daemon.is_alive());
    share
        .tools
        .mps_stop(&place, &daemon)
        .expect("it has ended already");
}

/// Session of a process: the fourth field behind its name.
fn session(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_ascii_whitespace().nth(3).map(str::to_owned)
}

#[test]
fn clients_are_seen_and_keep_their_daemon() {
    if !require(Capability::Root) {
        return;
    }
    let share = Share::new("h100x1");
    let place = share.gpu();
    let daemon = share.start(&place);
    let client = share.client(&place);
    let own = std::process::id();
    let state = share.tools.mps_state(&place).expect("it answers");
    assert_eq!(state.clients().collect::<Vec<_>>(), [own]);
    assert_eq!(state.servers[0].pid, client.server());
    let gpu = share.world.worker().gpu(0);
    let pids: Vec<u32> = gpu.processes.iter().map(|process| process.pid).collect();
    let mut expected = [client.server(), own];
    expected.sort_unstable();
    assert_eq!(pids, expected);
    let error = refused(share.tools.mps_stop(&place, &daemon));
    assert!(matches!(error, SharingError::InUse { clients, .. } if clients == [own]));
    assert!(daemon.is_alive());
    share
        .tools
        .mps_limit(&place, &limits(Some(50), None))
        .expect("for later servers");
    drop(client);
    let end = Instant::now() + Duration::from_secs(30);
    while share
        .tools
        .mps_state(&place)
        .expect("it answers")
        .clients()
        .count()
        > 0
    {
        assert!(Instant::now() < end, "the client stays");
    }
    share.tools.mps_stop(&place, &daemon).expect("idle");
}

#[test]
fn a_slice_has_a_daemon_of_its_own_and_no_time_slice() {
    if !require(Capability::Root) {
        return;
    }
    let share = Share::new("h100x1");
    let mut worker = share.world.worker();
    let pci = worker.gpu(0).pci;
    worker.step(&mig(pci, true));
    worker.step(&create(pci, 9, 0, 4));
    let gpu = worker.step(&fill(pci, 0, 4, 2));
    let slice = gpu.instances[0].compute[0].uuid.to_string();
    let place = share.place(&slice);
    let daemon = share.start(&place);
    let client = share.client(&place);
    let processes = worker.gpu(0).processes;
    assert!(
        processes
            .iter()
            .all(|process| process.gi == Some(gpu.instances[0].id))
    );
    drop(client);
    let gpu = share.uuid(0);
    let error = refused(share.tools.time_slice_set(&gpu, Interval::Short));
    assert!(matches!(error, SharingError::Refused { .. }), "{error:?}");
    let end = Instant::now() + Duration::from_secs(30);
    while let Err(error) = share.tools.mps_stop(&place, &daemon) {
        assert!(Instant::now() < end, "{}", in_words(&error));
    }
}

#[test]
fn a_sudden_end_is_seen_at_once_and_made_good() {
    if !require(Capability::Root) {
        return;
    }
    let share = Share::new("h100x1");
    let how = ToolTrouble::Die { after_ms: 1_500 };
    share.trouble(Tool::MpsControl, "start", how, Some(1));
    let place = share.gpu();
    let daemon = share.start(&place);
    let watched = daemon.watch().expect("a descriptor").expect("it lives");
    let mut polled = [nix::poll::PollFd::new(
        std::os::fd::AsFd::as_fd(&watched),
        nix::poll::PollFlags::POLLIN,
    )];
    let seen = nix::poll::poll(&mut polled, nix::poll::PollTimeout::from(30_000_u16));
    assert_eq!(seen, Ok(1), "its end is seen");
    assert!(!daemon.is_alive());
    assert!(daemon.watch().expect("no process").is_none());
    assert!(place.pipe().join("nvidia-cuda-mps-control.pid").exists());
    assert_eq!(share.tools.mps_find(&place).expect("a stale file"), None);
    let next = share.start(&place);
    assert_ne!(next, daemon);
    share.tools.mps_stop(&place, &next).expect("idle");
}

#[test]
fn who_finds_another_process_under_the_id_leaves_it_alone() {
    let share = Share::new("h100x1");
    let place = share.gpu();
    fs::create_dir_all(place.pipe()).expect("a folder");
    let file = place.pipe().join("nvidia-cuda-mps-control.pid");
    fs::write(&file, std::process::id().to_string()).expect("a file");
    assert_eq!(share.tools.mps_find(&place).expect("somebody else"), None);
    fs::write(&file, "none").expect("a file");
    assert_eq!(share.tools.mps_find(&place).expect("nonsense"), None);
    let stranger = MpsDaemon {
        pid: std::process::id(),
        start_ticks: 1,
    };
    share
        .tools
        .mps_stop(&place, &stranger)
        .expect("it has ended long ago");
}

#[test]
fn a_daemon_that_runs_is_taken_over_with_its_limits_or_told_them() {
    if !require(Capability::Root) {
        return;
    }
    let share = Share::new("h100x1");
    let place = share.gpu();
    let memory = Some(Bytes(3 << 20));
    let quarter = limits(Some(25), memory);
    let daemon = share.tools.mps_start(&place, &quarter).expect("it starts");
    // One that has them is only asked.
    let set = "set_default_active_thread_percentage";
    share.trouble(Tool::MpsControl, set, ToolTrouble::Refuse, Some(1));
    let state = share.tools.mps_adopt(&place, &daemon, &quarter);
    assert!(state.expect("it answers").has(&quarter));
    let half = limits(Some(50), memory);
    let error = refused(share.tools.mps_adopt(&place, &daemon, &half));
    assert!(matches!(error, SharingError::Refused { .. }), "{error:?}");
    let state = share.tools.mps_adopt(&place, &daemon, &half);
    let state = state.expect("it takes them");
    assert!(state.has(&half) && !state.has(&quarter));
    // No command takes a limit of memory away.
    let free = limits(None, None);
    let error = refused(share.tools.mps_adopt(&place, &daemon, &free));
    assert!(matches!(error, SharingError::NotDone { .. }), "{error:?}");
    assert!(daemon.is_alive());
    share.tools.mps_stop(&place, &daemon).expect("idle");
}

/// A daemon that refuses limits, and whom no signal ends.
const STUBBORN: &str = r#"#!/bin/sh
pipe=$CUDA_MPS_PIPE_DIRECTORY
if [ "$1" = -f ]; then
    trap '' TERM
    echo $$ > "$pipe/nvidia-cuda-mps-control.pid"
    while [ ! -e "$pipe/end" ]; do sleep 0.02; done
    exit 0
fi
read -r command
case "$command" in
set*) echo "no"; exit 1 ;;
*) echo 100.0 ;;
esac
"#;

#[test]
fn a_daemon_that_fails_half_way_and_does_not_end_is_told() {
    if !require(Capability::Root) {
        return;
    }
    let mut share = Share::new("h100x1");
    let place = share.gpu();
    let control = share.folder.path().join("control");
    kerf_tests::executable::script(&control, STUBBORN).expect("a script");
    share.tools.mps_control = control;
    share.tools.patience.stop = IMPATIENCE;
    let error = refused(share.tools.mps_start(&place, &limits(Some(25), None)));
    let SharingError::Unusable { daemon, cause, .. } = error else {
        panic!("{error:?}");
    };
    assert!(matches!(*cause, SharingError::Refused { .. }), "{cause:?}");
    assert!(daemon.is_alive());
    // Whoever looks there finds it, and starts no second one.
    assert_eq!(share.tools.mps_find(&place).expect("a file"), Some(daemon));
    let again = refused(share.tools.mps_start(&place, &limits(None, None)));
    assert!(matches!(again, SharingError::Occupied { pid, .. } if pid == daemon.pid));
    fs::write(place.pipe().join("end"), "").expect("a file");
    let end = Instant::now() + Duration::from_secs(30);
    while daemon.is_alive() {
        assert!(Instant::now() < end, "it stays");
    }
}

#[test]
fn a_daemon_that_has_not_said_yet_that_it_serves_is_known_all_the_same() {
    if !require(Capability::Root) {
        return;
    }
    let share = Share::new("h100x1");
    let place = share.gpu();
    let daemon = share.start(&place);
    let own = place.pipe().join("nvidia-cuda-mps-control.pid");
    fs::remove_file(&own).expect("its own file");
    assert_eq!(share.tools.mps_find(&place).expect("a file"), Some(daemon));
    let second = refused(share.tools.mps_start(&place, &limits(None, None)));
    assert!(matches!(second, SharingError::Occupied { pid, .. } if pid == daemon.pid));
    share.tools.mps_stop(&place, &daemon).expect("by signal");
    assert_eq!(share.tools.mps_find(&place).expect("no file"), None);
}
