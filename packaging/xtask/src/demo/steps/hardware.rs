//! kerfd comes up on a machine that it has never seen, and says what is in it.

use anyhow::Result;
use kerf_tests::process;

use super::super::answers;
use super::super::host::Host;
use super::super::stage::Stage;

/// GPUs of the simulated machine.
const GPUS: usize = 8;

/// Starts kerfd and asks for its status.
pub fn start(stage: &mut Stage, host: &mut Host) -> Result<()> {
    let command = host.start_kerfd()?.command()?;
    stage.show(&command);
    stage.run(&mut host.kerf(&["status"])?)?;
    let health = host.kerfd()?.get("/healthz")?;
    stage.check(
        "kerfd answers on its socket and on HTTP",
        health.status == 200,
    )
}

/// Shows inventory and topology.
pub fn discover(stage: &mut Stage, host: &mut Host) -> Result<()> {
    stage.run(&mut host.kerf(&["discover"])?)?;
    stage.run(&mut host.kerf(&["topology"])?)?;
    let text = process::run(&mut host.kerf(&["inventory", "-o", "json"])?)?;
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
