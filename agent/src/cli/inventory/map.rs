//! The part of an inventory that the kernel alone tells: processors, memory, interfaces, disks, and accelerators that
//! have no table of their own.

use kerf_api::json::Inventory;
use kerf_api::json::inventory::{Accelerator, NicKind, Thousandths};
use kerf_types::Bytes;
use kerf_types::inventory::Rate;

use crate::cli::style::Ink;
use crate::cli::table::{Cell, Table};
use crate::cli::words::count;

/// Accelerators that are neither among the GPUs with MIG and NVLink nor among AMD's.
pub fn accelerators(inventory: &Inventory) -> Table {
    let mut table = Table::new(&[
        "ACCELERATOR",
        "VENDOR",
        "MODEL",
        ">MEMORY",
        ">NUMA",
        "DRIVER",
        "HEALTH",
    ]);
    let gpus = inventory.gpus.iter().map(|gpu| gpu.pci.as_str());
    let amd = inventory.amd.iter().map(|gpu| gpu.pci.as_str());
    let shown: Vec<&str> = gpus.chain(amd).collect();
    let is_shown = |one: &Accelerator| {
        let at = one.bdf.as_deref();
        at.is_some_and(|at| shown.contains(&at))
    };
    for one in inventory.accelerators.iter().filter(|one| !is_shown(one)) {
        let health = match one.health.as_deref() {
            None => Cell::new(Ink::Dim, "-"),
            Some("ok") => Cell::new(Ink::of_state("ok"), "ok"),
            Some(word) => Cell::new(Ink::Red, word),
        };
        table.push(vec![
            (&one.id).into(),
            Cell::optional(one.vendor.as_ref()),
            (&one.model).into(),
            Cell::optional(one.memory_bytes.map(Bytes)),
            Cell::optional(one.numa_node),
            Cell::optional(one.driver.as_ref()),
            health,
        ]);
    }
    table
}

/// One line for the processors.
pub fn cpus(inventory: &Inventory) -> Table {
    let mut table = Table::new(&["CPUS", ">PACKAGES", ">CORES", ">THREADS", "UNITS"]);
    let cpus = &inventory.cpus;
    if cpus.threads.is_some() {
        let name = cpus.model.as_ref().or(cpus.architecture.as_ref());
        table.push(vec![
            Cell::optional(name),
            cpus.packages.len().into(),
            Cell::optional(cpus.cores),
            Cell::optional(cpus.threads),
            Cell::optional(Some(cpus.units.join(" ")).filter(|units| !units.is_empty())),
        ]);
    }
    table
}

/// NUMA nodes.
pub fn numa_nodes(inventory: &Inventory) -> Table {
    let mut table = Table::new(&[">NODE", "CPUS", ">MEMORY", "DISTANCES"]);
    for node in &inventory.numa_nodes {
        let distances: Vec<String> = node.distances.values().map(ToString::to_string).collect();
        let of = node.accelerator.as_ref();
        let of = of.map(|pci| format!("memory of {pci}"));
        table.push(vec![
            node.id.into(),
            Cell::optional(of.or_else(|| node.cpus.clone())),
            Cell::optional(node.memory_bytes.map(Bytes)),
            distances.join(" ").into(),
        ]);
    }
    table
}

/// Network interfaces.
pub fn nics(inventory: &Inventory) -> Table {
    let mut table = Table::new(&["NIC", "KIND", "PCI", ">NUMA", "LINK", ">RATE", "NETDEVS"]);
    for nic in &inventory.nics {
        let kind = match nic.kind {
            NicKind::Rdma => "rdma",
            NicKind::Net => "net",
        };
        table.push(vec![
            (&nic.name).into(),
            kind.into(),
            Cell::optional(nic.bdf.as_ref()),
            Cell::optional(nic.numa_node),
            Cell::optional(nic.link_layer.as_ref()),
            rate(nic.rate_gbps),
            Cell::optional(Some(nic.netdevs.join(" ")).filter(|names| !names.is_empty())),
        ]);
    }
    table
}

fn rate(gbps: Option<Thousandths>) -> Cell {
    let rate = gbps.map(|gbps| Rate(gbps.0));
    match rate {
        Some(rate) if rate.is_down() => Cell::new(Ink::Red, rate),
        rate => Cell::optional(rate),
    }
}

/// NVMe controllers.
pub fn nvme(inventory: &Inventory) -> Table {
    let mut table = Table::new(&["NVME", "PCI", ">NUMA", "MODEL", ">SIZE", "NAMESPACES"]);
    for nvme in &inventory.nvme {
        let sizes: Option<u64> = nvme.namespaces.iter().map(|one| one.bytes).sum();
        table.push(vec![
            (&nvme.name).into(),
            Cell::optional(nvme.bdf.as_ref()),
            Cell::optional(nvme.numa_node),
            Cell::optional(nvme.model.as_ref()),
            Cell::optional(sizes.map(Bytes)),
            count(nvme.namespaces.len(), "namespace").into(),
        ]);
    }
    table
}
