//! A job goes to the host that can hold it, and its output and its exit code come back.

use kerf_tests::poll;
use kerf_tests::process::{self, ChildGuard};
use kerf_tests::world::{Fleet, IMAGE};

use super::spec::{Spec, gate};
use super::world::{
    LIMIT, document, hosts_of, is_empty, job, nodes, of, open, out, until, until_so, verdict,
};

/// Two GPUs with FP8: host 2 has A100s, which lack it, and host 3 has one GPU.
const ONLY_HOST_1: &str = "memory>=70GiB,fp8,nvlink:2";

#[test]
fn a_job_runs_on_the_only_host_that_can_hold_it() {
    let Some(fleet) = of(&["h100x8", "a100x8", "h100x1"]) else {
        return;
    };
    every_host_knows_all(&fleet);
    its_end_and_its_output_come_back(&fleet);
    it_runs_in_the_foreground(&fleet);
    its_output_is_followed(&fleet);
    it_is_cancelled_there(&fleet);
    what_fits_here_stays_here(&fleet);
    a_terminal_stays_here(&fleet);
    for number in 1..=3 {
        is_empty(&fleet, number);
    }
    fleet.stop().expect("nothing is left");
}

fn every_host_knows_all(fleet: &Fleet) {
    let models = ["H100", "A100", "H100"].iter().zip([8, 8, 1]);
    let models: Vec<_> = models.collect();
    for number in 1..=3 {
        let mut nodes = nodes(fleet, number);
        nodes.sort_by_key(|node| node["name"].to_string());
        assert_eq!(nodes.len(), 3, "{nodes:?}");
        for (at, (node, (model, count))) in nodes.iter().zip(&models).enumerate() {
            assert_eq!(node["name"], format!("node-{}", at + 1), "{node}");
            assert_eq!(node["here"], at + 1 == number, "{node}");
            let said = &node["record"]["models"][0];
            assert_eq!(said["count"], *count, "{node}");
            assert!(said["name"].to_string().contains(*model), "{node}");
        }
    }
}

fn its_end_and_its_output_come_back(fleet: &Fleet) {
    let spec = Spec::new("echo on $(hostname); echo oh >&2; exit 7").asks(ONLY_HOST_1);
    let id = spec.submit(fleet, 3);
    let ended = until(fleet, 3, &id, "failed");
    assert_eq!(ended["exit_code"], 7, "{ended}");
    assert_eq!(hosts_of(&ended), ["node-1"], "{ended}");
    let mut logs = fleet.host(3).expect("host 3").kerf().expect("kerf");
    let output = process::output(logs.args(["logs", &id])).expect("kerf starts");
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert_eq!(stdout, format!("on kerf-{id}-0\n"));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "oh\n");
    let chosen = verdict(fleet, 3, &id, "node-1");
    assert_eq!(chosen["verdict"], "chosen", "{chosen}");
    for host in ["node-2", "node-3"] {
        let refused = verdict(fleet, 3, &id, host);
        assert_eq!(refused["refusal"]["constraint"], "impossible", "{refused}");
    }
    let text = fleet.says(3, &["explain", &id]).expect("why");
    for name in ["node-1", "node-2", "node-3"] {
        assert!(text.contains(name), "{text}");
    }
    // Only the host that took it in knows the job.
    assert!(fleet.says(1, &["jobs", &id]).is_err());
}

fn it_runs_in_the_foreground(fleet: &Fleet) {
    let words = ["run", "--image", IMAGE, "--accel", ONLY_HOST_1, "--"];
    let mut run = fleet.host(3).expect("host 3").kerf().expect("kerf");
    run.args(words).args(["sh", "-c", "echo hello; exit 5"]);
    let output = process::output(&mut run).expect("it ends");
    assert_eq!(output.status.code(), Some(5), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "hello\n");
}

fn its_output_is_followed(fleet: &Fleet) {
    let script = format!("echo one; {}; echo two; exit 3", gate("more"));
    let id = Spec::new(&script).asks(ONLY_HOST_1).submit(fleet, 3);
    let log = out(fleet, "followed");
    let mut follow = fleet.host(3).expect("host 3").kerf().expect("kerf");
    let mut follow = ChildGuard::spawn("kerf logs", follow.args(["logs", "-f", &id]), &log)
        .expect("kerf starts");
    let said = || std::fs::read_to_string(&log).unwrap_or_default();
    poll::until_true("output of a job that runs", LIMIT, || said() == "one\n")
        .unwrap_or_else(|error| panic!("{error:#}: {:?} {:#}", said(), job(fleet, 3, &id)));
    open(fleet, "more");
    let status = follow.wait(LIMIT).expect("it ends with the job");
    assert!(status.success(), "{status}");
    assert_eq!(said(), "one\ntwo\n");
    assert_eq!(until(fleet, 3, &id, "failed")["exit_code"], 3);
}

fn it_is_cancelled_there(fleet: &Fleet) {
    let spec = Spec::new("echo begun; sleep 600").asks(ONLY_HOST_1);
    let id = spec.with("restart", "always").submit(fleet, 3);
    let runs = until(fleet, 3, &id, "running");
    assert_eq!(hosts_of(&runs), ["node-1"], "{runs}");
    fleet.says(3, &["cancel", &id]).expect("it is asked to end");
    until(fleet, 3, &id, "cancelled");
    is_empty(fleet, 1);
}

fn what_fits_here_stays_here(fleet: &Fleet) {
    let id = Spec::new("true").asks("1g.10gb").submit(fleet, 3);
    let ended = until(fleet, 3, &id, "succeeded");
    assert_eq!(hosts_of(&ended), ["node-3"], "{ended}");
}

/// Who attaches to a terminal does that on the host that took the job in, so it waits where only another one could
/// hold it.
fn a_terminal_stays_here(fleet: &Fleet) {
    let spec = Spec::new("test -t 1 && exit 6").with("terminal", true);
    let id = spec.clone().submit(fleet, 3);
    let ended = until(fleet, 3, &id, "failed");
    assert_eq!(ended["exit_code"], 6, "{ended}");
    assert_eq!(hosts_of(&ended), ["node-3"], "{ended}");
    let id = spec.asks(ONLY_HOST_1).submit(fleet, 3);
    let explained = |_: &serde_json::Value| {
        let document = document(fleet, 3, &["explain", &id]);
        !document["explanation"].is_null()
    };
    let waits = until_so(fleet, 3, &id, "explained", explained);
    assert_eq!(waits["state"], "pending", "{waits}");
    let refused = verdict(fleet, 3, &id, "node-1");
    assert_eq!(refused["refusal"]["constraint"], "terminal", "{refused}");
    fleet.says(3, &["cancel", &id]).expect("it is asked to end");
    until(fleet, 3, &id, "cancelled");
}
