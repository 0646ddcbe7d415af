//! An inventory as tables for people.

use kerf_api::json::{GpuSample, Samples};
use kerf_types::inventory::{Health, Inventory, NicKind};
use kerf_types::{AmdGpu, Bytes, Gpu, MigMode};

use crate::topology;

/// Everything that was found, as text that ends with a newline.
pub fn table(inventory: &Inventory) -> String {
    let driver = inventory.driver.as_ref().map_or_else(
        || "none".to_owned(),
        |driver| {
            let cuda = driver.cuda_version.as_deref().unwrap_or("unknown");
            format!(
                "{} (NVML {}, CUDA {cuda})",
                driver.version, driver.nvml_version
            )
        },
    );
    let mut text = format!("host    {}\ndriver  {driver}\n", inventory.host);
    section(&mut text, &gpus(inventory));
    section(&mut text, &amd(inventory));
    section(&mut text, &slices(inventory));
    section(&mut text, &numa_nodes(inventory));
    section(&mut text, &nics(inventory));
    section(&mut text, &matrix(inventory));
    for problem in &inventory.problems {
        append(&mut text, &format!("problem: {problem}"));
    }
    text
}

/// The matrix of who is how near to whom, alone.
pub fn topology_table(inventory: &Inventory) -> String {
    alone(&matrix(inventory), &inventory.problems)
}

/// What the sensors read.
pub fn samples_table(read: &Samples) -> String {
    let known = |value: Option<f64>, scale: f64, unit: &str| {
        value.map_or_else(unknown, |value| format!("{:.0} {unit}", value * scale))
    };
    let used = |bytes: Option<u64>| bytes.map_or_else(unknown, |bytes| Bytes(bytes).to_string());
    let line = |sample: &GpuSample| {
        vec![
            sample.index.to_string(),
            sample.gpu.clone(),
            known(sample.temperature_celsius, 1.0, "C"),
            known(sample.power_watts, 1.0, "W"),
            known(sample.sm_clock_hertz, 1e-6, "MHz"),
            known(sample.utilization_ratio, 1e2, "%"),
            known(sample.sm_activity_ratio, 1e2, "%"),
            used(sample.memory_used_bytes),
        ]
    };
    let header = [
        "GPU",
        "UUID",
        "TEMP",
        "POWER",
        "SM CLOCK",
        "BUSY",
        "SM ACTIVE",
        "MEMORY USED",
    ];
    let lines = read.samples.iter().map(line).collect();
    alone(&with_header(row(header), lines), &read.problems)
}

fn alone(rows: &Rows, problems: &[String]) -> String {
    let mut text = String::new();
    section(&mut text, rows);
    for problem in problems {
        append(&mut text, &format!("problem: {problem}"));
    }
    text.trim_start_matches('\n').to_owned()
}

type Rows = Vec<Vec<String>>;

fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).to_vec()
}

fn gpus(inventory: &Inventory) -> Rows {
    let header = [
        "GPU", "NAME", "PCI", "MINOR", "MEMORY", "NUMA", "MIG", "SLICES", "HEALTH",
    ];
    let line = |gpu: &Gpu| {
        vec![
            gpu.index.to_string(),
            gpu.name.clone(),
            gpu.pci.to_string(),
            gpu.minor.to_string(),
            if gpu.memory.0 == 0 {
                unknown()
            } else {
                gpu.memory.to_string()
            },
            gpu.numa_node.map_or_else(unknown, |node| node.to_string()),
            mig_mode(gpu).to_owned(),
            gpu.instances
                .iter()
                .map(|gi| gi.compute.len())
                .sum::<usize>()
                .to_string(),
            health(&gpu.health),
        ]
    };
    with_header(row(header), inventory.gpus.iter().map(line).collect())
}

fn amd(inventory: &Inventory) -> Rows {
    let mode = |mode: Option<String>| mode.unwrap_or_else(unknown);
    let line = |gpu: &AmdGpu| {
        vec![
            gpu.index.to_string(),
            gpu.name.clone(),
            gpu.pci.to_string(),
            gpu.memory.to_string(),
            gpu.numa_node.map_or_else(unknown, |node| node.to_string()),
            mode(gpu.compute.map(|mode| mode.to_string())),
            mode(gpu.memory_mode.map(|mode| mode.to_string())),
            gpu.partitions.len().to_string(),
            health(&gpu.health),
        ]
    };
    let header = [
        "AMD",
        "NAME",
        "PCI",
        "MEMORY",
        "NUMA",
        "COMPUTE",
        "MEMORY MODE",
        "PARTITIONS",
        "HEALTH",
    ];
    with_header(row(header), inventory.amd.iter().map(line).collect())
}

fn mig_mode(gpu: &Gpu) -> &'static str {
    match gpu.mig_mode {
        // Of a sick GPU it is not known.
        MigMode::Unsupported if !gpu.health.is_ok() => "?",
        MigMode::Unsupported => "-",
        MigMode::Disabled => "off",
        MigMode::Enabled => "on",
        MigMode::EnablePending => "off, on after reset",
        MigMode::DisablePending => "on, off after reset",
    }
}

fn health(health: &Health) -> String {
    match health {
        Health::Ok => "ok".to_owned(),
        Health::Lost { .. } => "lost".to_owned(),
        Health::Unresponsive { operation, .. } => format!("unresponsive ({operation})"),
        Health::ResetRequired { .. } => "reset required".to_owned(),
        Health::Xid { code, .. } => format!("XID {code}"),
        Health::Maintenance { .. } => "maintenance".to_owned(),
    }
}

fn slices(inventory: &Inventory) -> Rows {
    let mut rows = Vec::new();
    for gpu in &inventory.gpus {
        for gi in &gpu.instances {
            let profile = gpu.profile(gi.profile);
            for ci in &gi.compute {
                rows.push(vec![
                    gpu.slice_id(gi).to_string(),
                    profile.map_or_else(|| gi.profile.to_string(), |known| known.name.to_string()),
                    format!("{}/{}/{}", gpu.index, gi.id, ci.id),
                    ci.uuid.to_string(),
                    profile.map_or_else(unknown, |known| known.memory.to_string()),
                ]);
            }
        }
    }
    with_header(
        row(["SLICE", "PROFILE", "GPU/GI/CI", "UUID", "MEMORY"]),
        rows,
    )
}

fn numa_nodes(inventory: &Inventory) -> Rows {
    let rows = inventory.numa_nodes.iter().map(|node| {
        let distances: Vec<String> = node.distances.iter().map(u32::to_string).collect();
        let cpus = match node.cpus.as_deref() {
            Some("") => "-".to_owned(),
            Some(cpus) => cpus.to_owned(),
            None => unknown(),
        };
        vec![
            node.id.to_string(),
            cpus,
            node.memory
                .map_or_else(unknown, |memory| memory.to_string()),
            distances.join(" "),
        ]
    });
    with_header(row(["NUMA", "CPUS", "MEMORY", "DISTANCES"]), rows.collect())
}

fn nics(inventory: &Inventory) -> Rows {
    // Those that do RDMA are the first, so that a position is the number of the matrix.
    let rows = inventory.nics.iter().enumerate().map(|(position, nic)| {
        let number = match nic.kind {
            NicKind::Rdma => format!("NIC{position}"),
            NicKind::Net => "-".to_owned(),
        };
        vec![
            number,
            nic.name.clone(),
            nic.pci.map_or_else(unknown, |pci| pci.to_string()),
            nic.numa_node.map_or_else(unknown, |node| node.to_string()),
            nic.link_layer.clone(),
            nic.rate.map_or_else(unknown, |rate| rate.to_string()),
        ]
    });
    with_header(
        row(["NIC", "NAME", "PCI", "NUMA", "LAYER", "RATE"]),
        rows.collect(),
    )
}

fn matrix(inventory: &Inventory) -> Rows {
    let rows = topology::matrix(inventory);
    let mut header = vec![String::new()];
    header.extend(rows.iter().map(|row| row.device.clone()));
    header.extend(row(["CPU AFFINITY", "NUMA"]));
    let lines = rows.iter().map(|row| {
        let mut line = vec![row.device.clone()];
        line.extend(row.links.iter().map(ToString::to_string));
        line.push(row.cpu_affinity.clone().unwrap_or_else(unknown));
        line.push(row.numa_node.map_or_else(unknown, |node| node.to_string()));
        line
    });
    with_header(header, lines.collect())
}

fn unknown() -> String {
    "?".to_owned()
}

/// Nothing at all where there is nothing below the header.
fn with_header(header: Vec<String>, mut rows: Rows) -> Rows {
    if !rows.is_empty() {
        rows.insert(0, header);
    }
    rows
}

fn section(text: &mut String, rows: &Rows) {
    let Some(header) = rows.first() else { return };
    let wide = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(wide).collect();
    text.push('\n');
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        append(text, cells.join("  ").trim_end());
    }
}

fn append(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}
