//! `kerf topology`: the matrix that `nvidia-smi topo -m` prints, legend included; and which set of accelerators is best.

pub mod pick;

use kerf_api::json::inventory::Nic;
use kerf_api::json::{Inventory, Topology};
use kerf_api::v1;

use super::client::soon;
use super::fail::Failure;
use super::style::{Ink, Style};
use super::table::{Cell, Table, row};
use super::{Context, Exit, inventory};

/// What the words mean, as nvidia-smi has it.
const LEGEND: [(&str, &str); 8] = [
    ("X", "Self"),
    (
        "SYS",
        "Connection traversing PCIe as well as the SMP interconnect between NUMA nodes (e.g., QPI/UPI)",
    ),
    (
        "NODE",
        "Connection traversing PCIe as well as the interconnect between PCIe Host Bridges within a NUMA node",
    ),
    (
        "PHB",
        "Connection traversing PCIe as well as a PCIe Host Bridge (typically the CPU)",
    ),
    (
        "PXB",
        "Connection traversing multiple PCIe bridges (without traversing the PCIe Host Bridge)",
    ),
    ("PIX", "Connection traversing at most a single PCIe bridge"),
    ("NV#", "Connection traversing a bonded set of # NVLinks"),
    ("?", "Nobody knows"),
];

/// `kerf topology`
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// The accelerators whose ring is the widest, of a machine that kerfd need not know
    Pick(Box<pick::Args>),
}

/// Asks kerfd for the matrix, or picks.
pub async fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    if let Some(Verb::Pick(args)) = &args.verb {
        return pick::run(args, context);
    }
    let mut client = context.connect().await?;
    let answer = client.get_topology(soon(v1::GetTopologyRequest {})).await;
    let answer = answer.map_err(Failure::call("read the topology"))?;
    let topology = Topology::try_from(answer.get_ref())?;
    if context.print.is_table() {
        let found = Inventory::from(&inventory::ask(&mut client, false).await?);
        context
            .print
            .styled(|style| render(&topology, &found.nics, style))?;
    } else {
        context.print.document(&topology, |_, _| String::new())?;
    }
    Ok(Exit::Done)
}

/// The matrix and its legends; the interfaces are asked for their names alone.
pub fn render(topology: &Topology, nics: &[Nic], style: Style) -> String {
    if topology.rows.is_empty() {
        return "no GPUs and no network interfaces\n".to_owned();
    }
    let mut table = Table::for_headings(
        std::iter::once("")
            .chain(topology.devices.iter().map(String::as_str))
            .chain(["CPU Affinity", "NUMA Affinity", "PCI"]),
    );
    for row in &topology.rows {
        let mut cells = vec![Cell::new(Ink::Bold, &row.device)];
        cells.extend(row.links.iter().map(|link| Cell::new(ink(link), link)));
        cells.push((&row.cpu_affinity).into());
        cells.push(Cell::optional(row.numa_node));
        cells.push(Cell::optional(row.pci.as_ref()));
        table.push(cells);
    }
    let names = nic_legend(topology, nics, style);
    format!(
        "{}\n{}{names}",
        table.render(style, ""),
        legend(topology, style)
    )
}

/// The nearer, the greener.
fn ink(link: &str) -> Ink {
    match link {
        "X" => Ink::Dim,
        "PIX" | "PXB" => Ink::Green,
        "NODE" | "SYS" => Ink::Yellow,
        link if link.starts_with("NV") => Ink::Cyan,
        _ => Ink::Plain,
    }
}

fn legend(topology: &Topology, style: Style) -> String {
    let mut table = Table::new(&["", "", ""]);
    let unknown = topology
        .rows
        .iter()
        .flat_map(|row| &row.links)
        .any(|link| link == "?");
    for (word, meaning) in LEGEND {
        if word != "?" || unknown {
            table.push(vec![word.into(), "=".into(), Cell::new(Ink::Dim, meaning)]);
        }
    }
    format!(
        "{}\n{}",
        style.paint(Ink::Bold, "Legend:"),
        table.render(style, "  ")
    )
}

/// Which interface each `NIC<n>` is.
fn nic_legend(topology: &Topology, nics: &[Nic], style: Style) -> String {
    let mut table = Table::new(&["", "", ""]);
    for row in &topology.rows {
        let is_it = |nic: &&Nic| nic.bdf.is_some() && nic.bdf == row.pci;
        if let Some(nic) = nics.iter().find(is_it) {
            table.push(row![&row.device, "=", &nic.name]);
        }
    }
    if table.is_empty() {
        return String::new();
    }
    format!(
        "\n{}\n{}",
        style.paint(Ink::Bold, "NIC Legend:"),
        table.render(style, "  ")
    )
}
