//! Daemons are looked at: who their clients are, a server in FAULT, one that runs and does not answer. None of it holds
//! anybody up.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use kerf_tests::ChildGuard;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::daemons::client;
use super::{MPS, NOT_SHARED, Shared};
use crate::host::faults::{until_degraded, until_well};
use crate::host::said::{Said, text};
use crate::host::world::SAMPLED;

/// A lease on another GPU takes milliseconds; a machine under load is slow.
const AT_ONCE: Duration = Duration::from_secs(2);

/// For so long kerfd waits for one daemon while a layout is applied, and does nothing else: four seconds for the tools and
/// one each for two processes that are to end.
const HELD: Duration = Duration::from_secs(6);

/// The value of a metric of the only device.
fn metric(shared: &Shared, name: &str) -> Option<String> {
    let page = shared.0.kerfd.metrics().expect("an answer");
    let mut lines = page.lines().filter(|line| line.starts_with(name));
    let value = lines.next()?.rsplit(' ').next()?;
    Some(value.to_owned())
}

fn device(shared: &Shared) -> Value {
    shared.devices().swap_remove(0)
}

/// How long a lease on another GPU took.
fn other_lease(shared: &Shared) -> Duration {
    let begun = Instant::now();
    let lease = shared.0.client.lease("gpu:7", "", "").expect("seven GPUs");
    let took = begun.elapsed();
    shared.0.client.release(&lease.id).expect("nobody has it");
    took
}

fn signal(child: &ChildGuard, signal: Signal) {
    let pid = i32::try_from(child.pid()).expect("a process id");
    kill(Pid::from_raw(pid), signal).expect("it runs");
}

#[test]
fn clients_are_told_and_a_fault_until_it_is_over() {
    let Some(mut shared) = Shared::bare("h100x8", SAMPLED) else {
        return;
    };
    let world = &shared.0;
    shared.settles(MPS);
    let lease = world.client.lease("gpu,mps", "", "").expect("a place");
    let (lingers, other) = (client(&shared, "lingers"), client(&shared, "other"));
    let mut pids = vec![lingers.pid(), other.pid()];
    pids.sort_unstable();
    let pids = Value::from(pids);
    world.until("both clients", || device(&shared)["clients"] == pids);
    assert_eq!(device(&shared)["server"], "ACTIVE");
    let shown = shared.kerf(&["slices"]).ends(0);
    assert!(
        shown.contains("CLIENTS") && shown.contains("ACTIVE"),
        "{shown}"
    );
    world.until("two clients in the metrics", || {
        metric(&shared, "kerf_mps_clients{").as_deref() == Some("2")
    });
    assert_eq!(
        metric(&shared, "kerf_mps_server_fault{").as_deref(),
        Some("0")
    );

    // One of them does not hear that its context is lost, so the fault lasts.
    signal(&lingers, Signal::SIGSTOP);
    let mut faults = world.kerfd.kerf().expect("kerf is built");
    faults
        .args(["sim", "mps-client", "--fault"])
        .arg(&shared.pipes()[0]);
    Said::by(faults).refuses(&["gone"]);
    until_degraded(world, &["mps server of 0000:", "is in FAULT"]);
    assert_eq!(device(&shared)["server"], "FAULT");
    let refused = shared.refusal("gpu,mps");
    assert!(refused.contains("is in FAULT"), "{refused}");
    world.until("the fault in the metrics", || {
        metric(&shared, "kerf_mps_server_fault{").as_deref() == Some("1")
    });
    assert_eq!(metric(&shared, "kerf_mps_ready{").as_deref(), Some("0"));
    let events = shared.kerf(&["events"]).ends(0);
    assert!(events.contains("is in FAULT"), "{events}");
    // The next kerfd, to which it is no news, says so too.
    shared.0.kerfd.kill9().expect("kerfd goes");
    shared.0.kerfd.restart().expect("kerfd comes back");
    let world = &shared.0;
    until_degraded(world, &["mps server of 0000:", "is in FAULT"]);

    signal(&lingers, Signal::SIGKILL);
    until_well(world);
    world.client.lease("gpu,mps", "", "").expect("a place");
    world.client.release(&lease.id).expect("nobody computes");
}

#[test]
fn a_daemon_that_does_not_answer_is_given_to_nobody_and_replaced_when_nobody_computes() {
    let Some(shared) = Shared::bare("h100x8", "") else {
        return;
    };
    let world = &shared.0;
    shared.settles(MPS);
    let first = shared.daemon();
    world.client.lease("gpu,mps", "", "").expect("a place");
    let own = client(&shared, "own");
    shared.fault("--mps", "get_server_list=hang");
    until_degraded(world, &["mps daemon of 0000:", "runs and does not answer"]);
    let refused = shared.refusal("gpu,mps");
    assert!(refused.contains("does not answer"), "{refused}");
    assert_eq!(device(&shared)["clients"], Value::Null);
    let held = other_lease(&shared);
    assert!(held < AT_ONCE, "{held:?}");
    // Under its client it stays, however often it is looked at.
    for _ in 0..5 {
        world.client.looked();
    }
    let looks = shared.kerf(&["events"]).ends(0);
    assert!(!looks.contains("has ended"), "{looks}");
    assert_eq!(device(&shared)["daemon_pid"], first);
    drop(own);
    world.until("another daemon", || {
        let pid = device(&shared)["daemon_pid"].as_i64();
        pid.is_some_and(|pid| pid != first)
    });
    let events = shared.kerf(&["events"]).ends(0);
    assert!(events.contains("did not answer and has ended"), "{events}");
    shared.fault("--mps", "clear");
    until_well(world);
    world.client.lease("gpu,mps", "", "").expect("a place");
}

#[test]
fn a_daemon_that_answers_again_is_given_again_and_not_replaced() {
    let Some(shared) = Shared::bare("h100x8", "") else {
        return;
    };
    let world = &shared.0;
    shared.settles(MPS);
    let first = shared.daemon();
    let own = client(&shared, "own");
    shared.fault("--mps", "get_server_list=hang");
    until_degraded(world, &["mps daemon of 0000:", "runs and does not answer"]);
    // Nobody computes any more, and what was said of it is not true any more.
    shared.fault("--mps", "clear");
    drop(own);
    until_well(world);
    for _ in 0..3 {
        world.client.looked();
    }
    assert_eq!(shared.daemon(), first);
    let events = shared.kerf(&["events"]).ends(0);
    assert!(!events.contains("has ended"), "{events}");
    world.client.lease("gpu,mps", "", "").expect("a place");
}

/// Tells the only daemon something, as anybody may who is root.
fn tell_by_hand(shared: &Shared, command: &str) {
    let control = shared.0.kerfd.sysroot();
    let mut tool = Command::new(control.join("usr/bin/nvidia-cuda-mps-control"))
        .env("CUDA_MPS_PIPE_DIRECTORY", &shared.pipes()[0])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("it starts");
    let mut input = tool.stdin.take().expect("a pipe");
    writeln!(input, "{command}").expect("written");
    drop(input);
    assert!(tool.wait().expect("it ends").success(), "{command}");
}

#[test]
fn a_daemon_that_lives_and_refuses_its_limits_is_given_to_nobody_until_it_has_them() {
    let Some(mut shared) = Shared::bare("h100x8", "") else {
        return;
    };
    shared.settles(MPS);
    let first = shared.daemon();
    let own = client(&shared, "own");
    shared.0.kerfd.kill9().expect("it goes");
    tell_by_hand(&shared, "set_default_active_thread_percentage 60");
    shared.fault("--mps", "set_default_active_thread_percentage=refuse");
    shared.0.kerfd.restart().expect("kerfd comes up");
    let words = ["mps daemon of 0000:", "has not taken its limits"];
    until_degraded(&shared.0, &words);
    let refused = shared.refusal("gpu,mps");
    assert!(refused.contains("has not taken its limits"), "{refused}");
    // It lives, so no other one is started, and under its client it is not replaced.
    for _ in 0..3 {
        shared.0.client.looked();
    }
    assert_eq!(shared.daemons(), [u32::try_from(first).expect("a pid")]);
    shared.fault("--mps", "clear");
    until_well(&shared.0);
    assert_eq!(shared.daemon(), first);
    drop(own);
    shared.settles(MPS);
    shared.0.client.lease("gpu,mps", "", "").expect("a place");
}

#[test]
fn a_daemon_that_hangs_holds_up_an_apply_and_nobody_for_long() {
    let Some(shared) = Shared::bare("h100x8", "") else {
        return;
    };
    let world = &shared.0;
    shared.settles(MPS);
    shared.fault("--mps", "get_server_list=hang");
    let file = world.scratch.join("none.yaml");
    std::fs::write(&file, format!("rules:\n{NOT_SHARED}\n")).expect("written");
    let mut apply: Command = world.kerfd.kerf().expect("kerf is built");
    apply.args(["apply", "-f", text(&file)]);
    let log = world.scratch.join("apply.log");
    let mut apply = ChildGuard::spawn("apply", &mut apply, &log).expect("it starts");
    let (begun, mut asked) = (Instant::now(), 0);
    let status = loop {
        if let Some(status) = apply.exited().expect("its state") {
            break status;
        }
        let held = other_lease(&shared);
        assert!(held < HELD + AT_ONCE, "{held:?}");
        asked += 1;
        assert!(
            begun.elapsed() < super::super::world::LIMIT,
            "it does not end"
        );
    };
    // It has no servers, so what it would say of their clients is waited for and not needed.
    let took = begun.elapsed();
    assert!(
        asked > 0 && took > Duration::from_secs(1),
        "{asked}: {took:?}"
    );
    let said = std::fs::read_to_string(&log).expect("its words");
    assert!(status.success(), "{status}: {said}");
    shared.fault("--mps", "clear");
    until_well(world);
    shared.settles(NOT_SHARED);
}
