//! Three hosts: they find each other, and jobs go to the host that can hold them.

use std::time::Instant;

use anyhow::{Context, Result};
use kerf_tests::world::{IMAGE, Kerfd};
use kerf_tests::{http, poll, process};

use super::super::answers;
use super::super::hosts::{Hosts, MACHINES, name};
use super::super::stage::Stage;
use super::{LIMIT, hosts_of, job, nodes, seconds, until_state};

/// The host that submits.
pub const HERE: usize = 3;

/// Four GPUs that compute in FP8 and that NVLink joins. node-3 has one GPU, and an A100 does not know FP8.
const ASK: &str = "fp8,nvlink:4";

/// Names the GPUs of its container and ends with a code of its own.
const SCRIPT: &str = "echo $NVIDIA_VISIBLE_DEVICES | tr , '\\n'; exit 5";

/// The code that [`SCRIPT`] ends with.
const CODE: i32 = 5;

/// GPUs that one job on one host gets.
const GPUS: usize = 4;

/// Whole GPUs of each of two members. No host has twice as many.
const EACH: &str = "gpu:5";

/// Starts the other two, makes a cluster of all, and waits until each knows all.
pub fn meet(stage: &mut Stage, hosts: &mut Hosts) -> Result<()> {
    stage
        .say("Each has folders, a simulated machine, ports and a containerd namespace of its own.");
    hosts.start_next()?;
    let command = hosts.start_next()?.command()?;
    stage.show(&command);
    stage.say("The first makes a cluster; each other comes in with a token that is good for one host, once.");
    stage.run(&mut hosts.kerf_on(1, &["cluster", "init", "--name", "demo"])?)?;
    let address = hosts.kerfd(1)?.peers_address();
    let address = address.context("node-1 listens to peers")?.to_string();
    for number in 2..=MACHINES.len() {
        let token = stage.run(&mut hosts.kerf_on(1, &["cluster", "token", "create"])?)?;
        let join = ["cluster", "join", &address, token.trim()];
        stage.run(&mut hosts.kerf_on(number, &join)?)?;
    }
    let begun = Instant::now();
    poll::until_true("a view of all hosts", LIMIT, || {
        (1..=MACHINES.len()).all(|number| knows_all(hosts, number))
    })?;
    let took = seconds(begun);
    stage.run(&mut hosts.kerf_on(HERE, &["nodes"])?)?;
    stage.check(
        &format!(
            "each of them knows all three and what they have, {took} after the last one came in"
        ),
        true,
    )
}

fn knows_all(hosts: &Hosts, number: usize) -> bool {
    let nodes = nodes(hosts, number).unwrap_or_default();
    nodes.len() == MACHINES.len()
        && nodes
            .iter()
            .all(|node| node.presence == "alive" && node.told)
}

/// `kerf run` on a host that cannot hold the job: it prints what the job prints elsewhere.
pub fn run_elsewhere(stage: &mut Stage, hosts: &mut Hosts) -> Result<()> {
    stage.say("Four GPUs with FP8, joined by NVLink: node-3 has one GPU, and node-2's A100 do not know FP8.");
    let arguments = [
        "run", "--accel", ASK, "--image", IMAGE, "--", "sh", "-c", SCRIPT,
    ];
    let (code, text) = stage.run_any(&mut hosts.kerf_on(HERE, &arguments)?)?;
    stage.check("its exit code has come back to node-3", code == CODE)?;
    let inventory = process::run(&mut hosts.kerf_on(1, &["inventory", "-o", "json"])?)?;
    let inventory = answers::document(&inventory, "Inventory")?;
    let of_first = answers::list(&inventory, "gpus")?.iter();
    let of_first: Vec<String> = of_first
        .map(|gpu| answers::text(gpu, "uuid"))
        .collect::<Result<_>>()?;
    let had: Vec<&str> = text.lines().collect();
    let all_there = had
        .iter()
        .all(|uuid| of_first.iter().any(|own| own == uuid));
    stage.check(
        "it has printed, on node-3, the UUIDs of four GPUs of node-1",
        had.len() == GPUS && all_there,
    )
}

/// A job that stays, seen from the host that submitted it and from the host that holds it.
pub fn explain(stage: &mut Stage, hosts: &mut Hosts) -> Result<()> {
    let id = submit(stage, hosts, &["--accel", ASK, "--name", "fp8"])?;
    until_state(hosts, HERE, &id, "running")?;
    stage.run(&mut hosts.kerf_on(HERE, &["jobs"])?)?;
    let on = hosts_of(&job(hosts, HERE, &id)?)?;
    stage.check("node-3 says that it runs on node-1", on == [name(1)])?;
    let held = stage.run(&mut hosts.kerf_on(1, &["lease", "list"])?)?;
    stage.check(
        "node-1 names the job as the holder of the lease",
        held.contains(&id),
    )?;
    let why = stage.run(&mut hosts.kerf_on(HERE, &["explain", &id])?)?;
    let all_named = (1..=MACHINES.len()).all(|number| why.contains(&name(number)));
    stage.check("the explanation has a line for each host", all_named)?;
    stage.run(&mut hosts.kerf_on(HERE, &["cancel", &id])?)?;
    until_state(hosts, HERE, &id, "cancelled")?;
    stage.check("cancelled on node-3, it has ended on node-1", true)
}

/// Two members that no single host can hold.
pub fn members(stage: &mut Stage, hosts: &mut Hosts) -> Result<()> {
    stage.say("Two members with five whole GPUs each: no host has ten. They start both or none.");
    let id = submit(
        stage,
        hosts,
        &[
            "--members",
            "2",
            "--accel",
            EACH,
            "--on-partition",
            "continue",
            "--name",
            "pair",
        ],
    )?;
    until_state(hosts, HERE, &id, "running")?;
    stage.run(&mut hosts.kerf_on(HERE, &["jobs"])?)?;
    let mut on = hosts_of(&job(hosts, HERE, &id)?)?;
    on.sort();
    stage.check(
        "one member runs on node-1, one on node-2",
        on == [name(1), name(2)],
    )?;
    hosts.job = Some(id);
    Ok(())
}

/// Submits a job on node-3 that stays until it is ended; its id.
pub fn submit(stage: &mut Stage, hosts: &Hosts, flags: &[&str]) -> Result<String> {
    let (before, after) = (
        ["submit", "--image", IMAGE, "--grace", "1s"],
        ["--", "sleep", "600"],
    );
    let words = [&before[..], flags, &after[..]].concat();
    let id = stage.run(&mut hosts.kerf_on(HERE, &words)?)?;
    Ok(id.trim().to_owned())
}

/// Where pages and metrics of all hosts are.
pub fn pages(stage: &mut Stage, hosts: &mut Hosts) -> Result<()> {
    for (at, kerfd) in hosts.fleet()?.hosts().iter().enumerate() {
        stage.say(&format!(
            "{}  http://{}/  http://{}/metrics",
            name(at + 1),
            kerfd.web_address(),
            kerfd.metrics_address()
        ));
    }
    let answers = |kerfd: &Kerfd| {
        let page = http::get(kerfd.web_address(), "/", LIMIT);
        page.is_ok_and(|page| page.status == 200) && kerfd.metrics().is_ok()
    };
    let all = hosts.fleet()?.hosts().iter().all(answers);
    stage.check("all of them answer", all)
}
