//! A host dies and comes back: what its peers say, and what becomes of jobs.

use std::time::Instant;

use anyhow::{Context, Result};
use kerf_tests::{poll, process};
use serde_json::Value;

use super::super::answers;
use super::super::hosts::{Hosts, name};
use super::super::stage::Stage;
use super::fleet::{HERE, submit};
use super::{LIMIT, hosts_of, job, nodes, seconds, until_state};

/// All GPUs of a host with eight. One of node-1's is cut.
const WHOLE_HOST: &str = "gpu:8";

/// Kills a host, and submits a job that only this one could hold.
pub fn kill(stage: &mut Stage, hosts: &mut Hosts) -> Result<()> {
    hosts.leases = Some(held(hosts)?);
    let kerfd = hosts.fleet_mut()?.host_mut(2)?;
    stage.say(&format!("$ kill -9 {}  # kerfd of node-2", kerfd.pid()));
    kerfd.kill9()?;
    let begun = Instant::now();
    for number in [1, HERE] {
        until_presence(hosts, number, "down")?;
    }
    let took = seconds(begun);
    stage.run(&mut hosts.kerf_on(HERE, &["nodes"])?)?;
    stage.check(
        &format!("node-1 and node-3 both say after {took} that node-2 is down"),
        true,
    )?;
    let pair = hosts.job.clone().context("no step has submitted a job")?;
    until_reason(hosts, &pair, |why| why.contains(&name(2)))?;
    stage.run(&mut hosts.kerf_on(HERE, &["jobs", &pair])?)?;
    stage.check("the job of two members says what is the matter", true)?;
    stage.say("Eight whole GPUs: only node-2 has them, since GPU 0 of node-1 is cut.");
    let id = submit(stage, hosts, &["--accel", WHOLE_HOST, "--name", "eight"])?;
    let mut why = String::new();
    poll::until_true("an explanation", LIMIT, || {
        let mut explain = hosts.kerf_on(HERE, &["explain", &id]).ok();
        let said = explain.as_mut().and_then(|kerf| process::run(kerf).ok());
        why = said.unwrap_or_default();
        why.contains(&name(2))
    })
    .with_context(|| why.clone())?;
    stage.run(&mut hosts.kerf_on(HERE, &["explain", &id])?)?;
    let waits = answers::text(&job(hosts, HERE, &id)?, "state")? == "pending";
    stage.check(
        "it waits, and each host has its reason",
        waits && why.contains("down"),
    )?;
    hosts.waiting = Some(id);
    Ok(())
}

/// Starts it again on the same folders.
pub fn back(stage: &mut Stage, hosts: &mut Hosts) -> Result<()> {
    let pair = hosts.job.clone().context("no step has submitted a job")?;
    let before = job(hosts, HERE, &pair)?;
    let begun = Instant::now();
    hosts.fleet_mut()?.host_mut(2)?.restart()?;
    for number in [1, HERE] {
        until_presence(hosts, number, "alive")?;
    }
    let took = seconds(begun);
    stage.check(
        &format!("node-1 and node-3 know {took} after its start that node-2 is back"),
        true,
    )?;
    until_reason(hosts, &pair, |why| !why.contains(&name(2)))?;
    stage.run(&mut hosts.kerf_on(HERE, &["jobs", &pair])?)?;
    let after = job(hosts, HERE, &pair)?;
    let same = before.get("members") == after.get("members");
    stage.check("the job is where it was, at the same attempt", same)?;
    poll::until_true("the same leases", LIMIT, || {
        held(hosts).ok() == hosts.leases
    })?;
    stage.run(&mut hosts.kerf_on(2, &["lease", "list"])?)?;
    stage.check(
        "the same process on node-2 has the same GPUs: it ran while kerfd was dead",
        true,
    )?;
    stage.run(&mut hosts.kerf_on(HERE, &["cancel", &pair])?)?;
    until_state(hosts, HERE, &pair, "cancelled")?;
    let waiting = hosts
        .waiting
        .clone()
        .context("no step has left a job waiting")?;
    until_state(hosts, HERE, &waiting, "running")?;
    stage.run(&mut hosts.kerf_on(HERE, &["jobs"])?)?;
    let on = hosts_of(&job(hosts, HERE, &waiting)?)?;
    stage.check(
        "with its GPUs free, the job that waited runs on node-2",
        on == [name(2)],
    )
}

/// What node-2 says of its leases: who has what, and with which process.
fn held(hosts: &Hosts) -> Result<Value> {
    let text = process::run(&mut hosts.kerf_on(2, &["lease", "list", "-o", "json"])?)?;
    answers::document(&text, "Leases")
}

/// Waits until node-3 gives such a reason for the state of a job.
fn until_reason(hosts: &Hosts, id: &str, is_so: impl Fn(&str) -> bool) -> Result<()> {
    let mut last = String::new();
    poll::until_true("another reason", LIMIT, || {
        let reason = job(hosts, HERE, id).and_then(|job| answers::text(&job, "reason"));
        last = reason.unwrap_or_default();
        !last.is_empty() && is_so(&last)
    })
    .with_context(|| last)
}

/// Waits until a host says so of node-2.
fn until_presence(hosts: &Hosts, number: usize, word: &str) -> Result<()> {
    poll::until_true(
        &format!("node-2 to be {word} for {}", name(number)),
        LIMIT,
        || {
            let nodes = nodes(hosts, number).unwrap_or_default();
            nodes
                .iter()
                .any(|node| node.name == name(2) && node.presence == word)
        },
    )
}
