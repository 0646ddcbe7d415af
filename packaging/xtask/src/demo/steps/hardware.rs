//! kerfd comes up on a machine that it has never seen, and says what is in it.

use anyhow::Result;
use kerf_tests::process;

use super::super::answers;
use super::super::hosts::Hosts;
use super::super::stage::Stage;

/// GPUs of the simulated machine.
const GPUS: usize = 8;

/// Starts kerfd and asks for its status.
pub fn start(stage: &mut Stage, hosts: &mut Hosts) -> Result<()> {
    let command = hosts.start_next()?.command()?;
    stage.show(&command);
    stage.run(&mut hosts.kerf(&["status"])?)?;
    let health = hosts.kerfd(1)?.get("/healthz")?;
    stage.check(
        "kerfd answers on its socket and on HTTP",
        health.status == 200,
    )
}

/// Shows inventory and topology.
pub fn discover(stage: &mut Stage, hosts: &mut Hosts) -> Result<()> {
    stage.run(&mut hosts.kerf(&["discover"])?)?;
    stage.run(&mut hosts.kerf(&["topology"])?)?;
    let text = process::run(&mut hosts.kerf(&["inventory", "-o", "json"])?)?;
    let inventory = answers::document(&text, "Inventory")?;
    let gpus = answers::list(&inventory, "gpus")?;
    stage.check("eight GPUs are found", gpus.len() == GPUS)?;
    let mut uuids: Vec<_> = gpus
        .iter()
        .filter_map(|gpu| answers::text(gpu, "uuid").ok())
        .collect();
    uuids.sort();
    uuids.dedup();
    stage.check("each has a UUID of its own", uuids.len() == GPUS)
}
