//! Much of it: long lists, long logs, and terminals that nobody looks at.

use std::time::Duration;

use kerf_tests::world::IMAGE;
use kerf_tests::{Capability, poll, process, require};

use super::containers::{engine, engine_with, prints};
use super::host;

/// How long a container may take to print all that a test has it print.
const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn a_list_of_jobs_is_as_long_as_it_has_to_be() {
    if !require(Capability::Root) {
        return;
    }
    let world = host("h100x1");
    let file = world.scratch().join("job.json");
    // Labels are shown in the list, and those of 25 jobs do not fit into one answer of 4 MiB.
    let label = |number| (format!("label-{number}-{}", "k".repeat(40)), "v".repeat(60));
    let labels: std::collections::BTreeMap<_, _> = (0..1_900).map(label).collect();
    let spec = serde_json::json!({ "image": IMAGE, "args": ["true"], "labels": labels });
    std::fs::write(&file, spec.to_string()).expect("a file");
    let ids: Vec<String> = (0..25)
        .map(|_| {
            world
                .says(&["submit", "--file", "job.json"])
                .trim()
                .to_owned()
        })
        .collect();
    let list = world.says(&["jobs"]);
    let lines = list.lines().skip(1);
    let listed: Vec<&str> = lines.filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(listed, ids);
    // The id of one is found by its beginning on whichever page it stands.
    let last = ids.last().expect("the last one");
    assert!(world.says(&["jobs", last]).contains(last));
}

#[test]
fn a_job_that_prints_without_end_does_not_fill_the_disk() {
    let Some(mut world) = engine_with("[launch]\nlog_limit = \"4MiB\"\n") else {
        return;
    };
    let script = "head -c 64000000 /dev/zero | tr '\\0' x; echo; echo the end; sleep 600";
    let id = world.says(&[
        "submit", "--image", IMAGE, "--grace", "0s", "--", "sh", "-c", script,
    ]);
    let id = id.trim();
    let logs = world.kerfd().state().join("jobs").join(id);
    let taken = || kerf_agent::launcher::logs::usage(&logs);
    poll::until_true("the whole output", LIMIT, || {
        logs.join("stdout.log")
            .metadata()
            .is_ok_and(|log| log.len() > 64_000_000)
    })
    .expect("the job prints it");
    poll::until_true("the cut", LIMIT, || taken() <= 2 << 20).expect("its log is cut");
    let shown = world.says(&["logs", id]);
    assert!(
        shown.len() < 4 << 20 && shown.starts_with("[kerf: "),
        "{} bytes",
        shown.len()
    );
    assert!(shown.ends_with("x\nthe end\n"));
    world.says(&["cancel", id]);
    // One that is over before anybody looks is cut all the same.
    let script = "head -c 20000000 /dev/zero | tr '\\0' y; echo over";
    let shown = world.says(&["run", "--image", IMAGE, "--", "sh", "-c", script]);
    assert!(shown.ends_with("yover\n"));
    let jobs = world.kerfd().state().join("jobs");
    poll::until_true("the cut of both", LIMIT, || {
        let folders = jobs.read_dir().expect("the logs").flatten();
        let mut taken = folders.map(|folder| kerf_agent::launcher::logs::usage(&folder.path()));
        taken.all(|bytes| bytes <= 2 << 20)
    })
    .expect("both logs are cut");
}

#[test]
fn a_terminal_that_nobody_looks_at_does_not_stop_its_job() {
    let Some(mut world) = engine() else { return };
    let file = world.scratch().join("job.json");
    let script = "i=0; while [ $i -lt 4000 ]; do echo $i 0123456789012345678901234567890123456789; \
        i=$((i+1)); done; echo over; sleep 600";
    let spec = serde_json::json!({
        "image": IMAGE, "terminal": true, "args": ["sh", "-c", script], "checkpoint_grace_seconds": 0,
    });
    std::fs::write(&file, spec.to_string()).expect("a file");
    let id = world.says(&["submit", "--file", "job.json"]);
    let id = id.trim();
    prints(&world, &["logs", id], "over");
    let log = world.says(&["logs", id]);
    assert!(log.starts_with("0 0123") && log.contains("\n3999 0123"));
    // Nor does one that kerfd left and came back to.
    world.kerfd().kill9().expect("kerfd goes");
    world.kerfd().restart().expect("kerfd comes back");
    prints(&world, &["jobs"], "its container runs");
    let mut exec = world.containerd().ctr();
    let print = "head -c 300000 /dev/zero | tr '\\0' y >/proc/1/fd/1; echo later >/proc/1/fd/1";
    exec.args([
        "tasks",
        "exec",
        "--exec-id",
        "more",
        &format!("kerf-{id}-0"),
        "sh",
        "-c",
        print,
    ]);
    process::run(&mut exec).expect("it prints without a reader");
    prints(&world, &["logs", id], "later");
    world.says(&["cancel", id]);
}
