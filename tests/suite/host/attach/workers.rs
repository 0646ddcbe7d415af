//! The worker for processes is killed in the middle of an attach: the container has what its leases say, nothing half done
//! stays in it, and the next attachment comes to be.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use kerf_tests::{ChildGuard, bins, executable, note};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::super::crash::kills::Random;
use super::super::isolation::{own, probe};
use super::super::world::{LIMIT, World, names};
use super::kills::check;
use super::running::{Host, said, union, unique};

/// System calls by which a container is changed, and by which the worker answers; each is a step. Which of them there are
/// is the machine's to say.
const STEPS: [&str; 6] = [
    "mkdirat", "mknodat", "chmod", "fchmodat", "fchownat", "write",
];

/// More steps of one kind than an attachment of one slice has.
const MOST: u32 = 40;

/// Kills at random moments.
const KILLS: u64 = 16;

/// How long after its start a worker is killed at most: longer than it lives.
const MOMENTS_US: u64 = 5_000;

/// Workers of kerfd that are killed when they come to a step: the next one for processes that starts, where a step is
/// named.
struct Killer {
    folder: PathBuf,
}

impl Killer {
    /// Has kerfd start its workers by this; none where no program can stop one at a step.
    fn of(host: &mut Host) -> Option<Self> {
        let Some(strace) = bins::system("strace") else {
            note(
                "skipped: a_worker_that_is_killed_at_any_step_leaves_nothing_half_done: no strace",
            );
            return None;
        };
        let folder = host.world.scratch.folder("killer").expect("a folder");
        let real = bins::partitioner().expect("it is built");
        // -D keeps the worker the child of kerfd that it is.
        let text = format!(
            "#!/bin/sh\n\
             if [ \"$1\" = process-worker ] && mv {folder}/step {folder}/taken 2>/dev/null; then\n\
             exec {strace} -D -o {folder}/trace -e inject=\"?$(cat {folder}/taken)\" {real} \"$@\"\n\
             fi\n\
             exec {real} \"$@\"\n",
            folder = folder.display(),
            strace = strace.display(),
            real = real.display(),
        );
        let program = folder.join("kerf-partitioner");
        executable::script(&program, &text).expect("a script");
        host.world.has_partitioner(&program);
        Some(Self { folder })
    }

    /// The next new worker is killed before its `nth` system call of that name.
    fn arm(&self, step: &str, nth: u32) {
        let text = format!("{step}:signal=KILL:when={nth}");
        // In one moment: a worker may start at any.
        std::fs::write(self.folder.join("next"), text).expect("written");
        std::fs::rename(self.folder.join("next"), self.folder.join("step")).expect("named");
    }

    /// Whether a worker was to be killed, which a worker that waited already never is.
    fn was_met(&self) -> bool {
        std::fs::remove_file(self.folder.join("taken")).is_ok()
    }
}

/// What a container has in its `/dev`.
fn listed(host: &Host, id: &str) -> String {
    host.exec(id, "echo /dev/* /dev/*/*")
}

/// The container has as many leases as before, whole, and no node more.
fn nothing_came_of_it(host: &Host, held: usize, before: &str, what: &str) {
    host.world.until("a host that is well", || {
        host.world.client.degraded().is_empty()
    });
    host.world.until("the end of what came to nothing", || {
        host.world.client.leases().len() == held
    });
    assert_eq!(check(host, what), held, "{what}");
    assert_eq!(listed(host, &host.name("c")), before, "{what}");
}

/// Kills the worker at each step of an attachment to a container that has so many already; how many kills that took.
fn at_each_step(host: &Host, killer: &Killer, held: usize) -> u32 {
    let c = &host.name("c");
    let before = listed(host, c);
    let attach = || host.kerf(&["device", "attach", c, "1g.10gb", "-o", "json"]);
    let detach = |output: &Output, what: &str| {
        assert!(output.status.success(), "{what}: {}", said(output));
        assert_eq!(check(host, what), held + 1, "{what}");
        let document: Value = serde_json::from_slice(&output.stdout).expect("a document");
        let id = document["lease"]["id"].as_str().expect("an id");
        host.document(&["device", "detach", id]);
        nothing_came_of_it(host, held, &before, what);
    };
    let mut kills = 0;
    for step in STEPS {
        for nth in 1.. {
            assert!(nth < MOST, "{step} has no end");
            let what = format!("{held} held, {step} {nth}");
            killer.arm(step, nth);
            let output = attach();
            assert!(killer.was_met(), "{what}: no worker was new");
            if output.status.success() {
                detach(&output, &what);
                break;
            }
            kills += 1;
            let text = said(&output);
            assert!(text.contains("the process worker"), "{what}: {text}");
            nothing_came_of_it(host, held, &before, &what);
            detach(&attach(), &format!("after {what}"));
        }
    }
    kills
}

#[test]
fn a_worker_that_is_killed_at_any_step_leaves_nothing_half_done() {
    let Some(mut host) = Host::new("h100x1", "") else {
        return;
    };
    let Some(killer) = Killer::of(&mut host) else {
        return;
    };
    let (c, other) = (&host.name("c"), &host.name("other"));
    host.start(c, |_| {});
    host.start(other, |_| {});
    // From now on workers wait for looks, and only the one that puts devices in is a new one.
    let first = host.attach(c, "1g.10gb");
    host.document(&["device", "detach", &first.id]);
    let alone = at_each_step(&host, &killer, 0);
    let first = host.attach(c, "1g.10gb");
    let beside = at_each_step(&host, &killer, 1);
    host.document(&["device", "detach", &first.id]);
    assert_eq!((host.opens(c), host.rules(c)), Default::default());
    assert_eq!(host.opens(other), BTreeSet::new());
    host.world.assert_untouched();
    // A folder, a node and its mode, a rule for each, and the answer.
    assert!(alone > 12 && beside > 4, "{alone} and {beside} kills");
    note(&format!(
        "{alone} kills of a first attachment, {beside} of one beside another"
    ));
}

/// Has `kerf` put a slice into a container, and kills the worker that does it this long after its start.
fn killed_after(world: &World, words: &[&str], after: Duration) -> bool {
    let records = world.kerfd.folder().join("run/process-workers");
    let known = names(&records);
    let mut command: Command = world.kerfd.kerf().expect("kerf is built");
    let log = world.scratch.join("killed.log");
    let mut child = ChildGuard::spawn("kerf", command.args(words), &log).expect("it starts");
    let until = Instant::now() + LIMIT;
    while child.exited().expect("ours").is_none() && Instant::now() < until {
        let mut all = names(&records).into_iter();
        let new = all.find_map(|name| name.parse().ok().filter(|_| !known.contains(&name)));
        let Some(new) = new else {
            std::thread::sleep(Duration::from_micros(200));
            continue;
        };
        std::thread::sleep(after);
        // It may be done by now, and gone.
        if kill(Pid::from_raw(new), Signal::SIGKILL).is_err() {
            note("a worker had ended before it was killed");
        }
        break;
    }
    child.wait(LIMIT).expect("kerf ends").success()
}

#[test]
fn a_worker_that_is_killed_at_any_moment_takes_nothing_from_an_engines_container() {
    let Some(world) = World::new("h100x1", "") else {
        return;
    };
    if !super::has_list() {
        return;
    }
    let web = &unique(&world, "web");
    world.start(web, "1g.10gb");
    let nodes = world.nodes();
    let opens = || own(&probe(&world, web, &nodes));
    let before = opens();
    let words = [
        "device",
        "attach",
        web,
        "2g.20gb",
        "--namespace",
        world.namespace(),
    ];
    let mut random = Random(0x776f_726b);
    let mut kept = 0;
    for round in 0..KILLS {
        let after = Duration::from_micros(random.below(MOMENTS_US));
        let what = format!("{round}, {after:?}");
        let is_done = killed_after(&world, &words, after);
        world.until("a host that is well", || world.client.degraded().is_empty());
        world.until("leases that are whole", || {
            let leases = world.client.leases();
            leases.len() == 1 + usize::from(is_done)
                && leases.iter().all(|lease| lease.state == "active")
        });
        let leases = world.client.leases();
        let all: Vec<_> = leases.iter().collect();
        assert_eq!(opens(), union(&world, &all), "{what}");
        if !is_done {
            let output = kerf_tests::process::output(world.kerfd.kerf().expect("kerf").args(words));
            let output = output.expect("it starts");
            assert!(output.status.success(), "{what}: {}", said(&output));
        }
        kept += u32::from(is_done);
        let detach = ["device", "detach", web];
        let output = kerf_tests::process::output(world.kerfd.kerf().expect("kerf").args(detach));
        let output = output.expect("it starts");
        assert!(output.status.success(), "{what}: {}", said(&output));
        assert_eq!(opens(), before, "{what}");
    }
    world.end(web);
    world.until_no_leases();
    world.assert_untouched();
    note(&format!("{kept} of {KILLS} attachments were kept"));
}
