//! `kerf inventory`: what the host has, as kerfd last saw it.

use kerf_api::json::Inventory;
use kerf_api::json::inventory::{Gpu, Health, MigMode};
use kerf_api::v1;
use kerf_types::Bytes;

use super::client::{Client, soon};
use super::fail::Failure;
use super::style::{Ink, Style};
use super::table::{Cell, Table};
use super::words::count;
use super::{Context, Exit};

mod map;

/// `kerf inventory`
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Asks kerfd for its last observation.
pub async fn run(_: &Args, context: &Context) -> Result<Exit, Failure> {
    let mut client = context.connect().await?;
    let inventory = ask(&mut client, false).await?;
    context
        .print
        .document(&Inventory::from(&inventory), render)?;
    Ok(Exit::Done)
}

/// The inventory, checked; with `refresh` the driver is asked anew.
pub async fn ask(client: &mut Client, refresh: bool) -> Result<kerf_types::Inventory, Failure> {
    let answer = client
        .get_inventory(soon(v1::GetInventoryRequest { refresh }))
        .await;
    let inventory = answer
        .map_err(Failure::call("read the inventory"))?
        .into_inner();
    Ok(inventory.try_into()?)
}

/// GPUs, NUMA nodes, network interfaces, and what could not be read.
pub fn render(inventory: &Inventory, style: Style) -> String {
    let mut text = format!(
        "{}  {}\n",
        style.paint(Ink::Bold, &inventory.host),
        driver(inventory)
    );
    for problem in &inventory.problems {
        text.push_str(&format!(
            "{} {problem}\n",
            style.paint(Ink::Red, "PROBLEM:")
        ));
    }
    if inventory.gpus.is_empty() && inventory.amd.is_empty() {
        text.push_str("no GPUs\n");
    }
    for table in [gpus(inventory), amd(inventory)] {
        if !table.is_empty() {
            text.push_str(&format!("\n{}", table.render(style, "")));
        }
    }
    let others = [
        map::accelerators(inventory),
        map::cpus(inventory),
        map::numa_nodes(inventory),
        map::nics(inventory),
        map::nvme(inventory),
    ];
    for table in others.iter().filter(|table| !table.is_empty()) {
        text.push_str(&format!("\n{}", table.render(style, "")));
    }
    if !inventory.oddities.is_empty() {
        let odd = count(inventory.oddities.len(), "odd file");
        text.push_str(&format!("\n{odd}: see kerf doctor\n"));
    }
    text
}

fn driver(inventory: &Inventory) -> String {
    let Some(driver) = &inventory.driver else {
        return match inventory.amd.as_slice() {
            [] => "no driver answers".to_owned(),
            _ => "driver amdgpu".to_owned(),
        };
    };
    let cuda = driver
        .cuda_version
        .as_ref()
        .map(|version| format!(", CUDA {version}"));
    format!(
        "driver {}, NVML {}{}",
        driver.version,
        driver.nvml_version,
        cuda.unwrap_or_default()
    )
}

fn gpus(inventory: &Inventory) -> Table {
    let mut table = Table::new(&[
        ">GPU",
        "PCI",
        "NAME",
        ">MEMORY",
        ">NUMA",
        "MIG",
        ">NVLINKS",
        ">PROCESSES",
        "HEALTH",
        "UUID",
    ]);
    for gpu in &inventory.gpus {
        let links = gpu.nvlinks.iter().filter(|link| link.active).count();
        let all = gpu.nvlinks.len();
        table.push(vec![
            gpu.index.into(),
            (&gpu.pci).into(),
            (&gpu.name).into(),
            known_bytes(gpu.memory_bytes),
            Cell::optional(gpu.numa_node),
            mig(gpu),
            if links == all {
                all.into()
            } else {
                Cell::new(Ink::Red, format!("{links}/{all}"))
            },
            gpu.processes.len().into(),
            health(&gpu.health),
            Cell::new(Ink::Dim, &gpu.uuid),
        ]);
    }
    table
}

fn amd(inventory: &Inventory) -> Table {
    let mut table = Table::new(&[
        ">AMD",
        "PCI",
        "NAME",
        ">MEMORY",
        ">NUMA",
        "COMPUTE",
        "MEMORY MODE",
        ">PARTITIONS",
        ">PROCESSES",
        "HEALTH",
    ]);
    for gpu in &inventory.amd {
        let memory_mode = match (&gpu.memory_mode, &gpu.pending_memory_mode) {
            (now, Some(next)) => {
                let now = now.as_deref().unwrap_or("-");
                Cell::new(Ink::Yellow, format!("{now}, {next} after a reload"))
            }
            (now, None) => Cell::optional(now.as_ref()),
        };
        table.push(vec![
            gpu.index.into(),
            (&gpu.pci).into(),
            (&gpu.name).into(),
            known_bytes(gpu.memory_bytes),
            Cell::optional(gpu.numa_node),
            Cell::optional(gpu.compute_mode.as_ref()),
            memory_mode,
            gpu.partitions.len().into(),
            gpu.processes.len().into(),
            health(&gpu.health),
        ]);
    }
    table
}

/// A GPU that does not answer is listed without its figures.
fn known_bytes(bytes: u64) -> Cell {
    Cell::optional((bytes > 0).then_some(Bytes(bytes)))
}

fn mig(gpu: &Gpu) -> Cell {
    match gpu.mig_mode {
        MigMode::Unsupported => Cell::new(Ink::Dim, "-"),
        MigMode::Disabled => Cell::new(Ink::Dim, "off"),
        MigMode::Enabled => Cell::new(Ink::Cyan, count(gpu.instances.len(), "slice")),
        MigMode::EnablePending => Cell::new(Ink::Yellow, "on after a reset"),
        MigMode::DisablePending => Cell::new(Ink::Yellow, "off after a reset"),
    }
}

fn health(health: &Health) -> Cell {
    match health {
        Health::Ok => Cell::new(Ink::of_state("ok"), "ok"),
        Health::Lost { since_at } => Cell::new(Ink::Red, format!("lost since {since_at}")),
        Health::Unresponsive {
            since_at,
            operation,
        } => Cell::new(
            Ink::Red,
            format!("unresponsive since {since_at} ({operation})"),
        ),
        Health::ResetRequired { since_at } => {
            Cell::new(Ink::Red, format!("reset required since {since_at}"))
        }
        Health::Xid { since_at, code } => Cell::new(Ink::Red, format!("XID {code} at {since_at}")),
        Health::Maintenance { since_at } => {
            Cell::new(Ink::Yellow, format!("in maintenance since {since_at}"))
        }
    }
}
