//! `kerf topology`: the matrix that `nvidia-smi topo -m` prints, legend included; and which set of accelerators is best.

pub mod pick;
mod picture;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use kerf_api::json::inventory::{Nic, NicKind};
use kerf_api::json::{Inventory, Topology};
use kerf_api::v1;
use kerf_partitioner::discover::topology;
use kerf_types::PciAddress;
use kerf_types::map::{End, Link};

use super::client::soon;
use super::fail::Failure;
use super::print::Picture;
use super::style::{Ink, Style};
use super::table::{Cell, Table, row};
use super::{Context, Exit, inventory, lease};

/// What the words mean, as nvidia-smi has it.
const LEGEND: [(&str, &str); 7] = [
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
];

/// Words that nvidia-smi has none of, each told where it stands in the matrix; `#` is the number of links.
const MORE: [(&str, &str); 7] = [
    ("C2C#", "Links between the chips of one module"),
    ("XGMI#", "AMD Infinity Fabric links"),
    ("XE#", "Intel Xe Links"),
    ("GA#", "Gaudi's links inside the host"),
    ("NL#", "NeuronLinks"),
    ("ICI#", "Links between TPU chips"),
    ("?", "Nobody knows"),
];

/// `kerf topology`
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// The tree of NUMA nodes, switches and devices in place of the matrix
    #[arg(long, conflicts_with = "only")]
    tree: bool,
    /// Only these accelerators, by PCI address, in what NCCL reads (-o nccl-xml)
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',')]
    only: Vec<PciAddress>,
    /// Only the accelerators of this lease, in what NCCL reads (-o nccl-xml)
    #[arg(long, value_name = "ID", conflicts_with_all = ["only", "sysroot", "tree"])]
    lease: Option<String>,
    /// Without kerfd: the machine under this folder as /
    #[arg(long, value_name = "DIR", requires = "nvml")]
    sysroot: Option<PathBuf>,
    /// Its driver library: a path, auto, or none
    #[arg(long, value_name = "LIB", requires = "sysroot")]
    nvml: Option<PathBuf>,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// The accelerators whose ring is the widest, of a machine that kerfd need not know
    Pick(Box<pick::Args>),
}

impl Args {
    /// Whether a picture can be asked for.
    pub fn can_draw(&self) -> bool {
        self.verb.is_none()
    }
}

/// A host as it was found, and its matrix.
struct Found {
    host: kerf_types::Inventory,
    topology: Topology,
}

/// Asks kerfd, or looks at a machine itself; or picks.
pub async fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    if let Some(Verb::Pick(args)) = &args.verb {
        return pick::run(args, context);
    }
    let (found, only) = match (&args.sysroot, &args.nvml) {
        (Some(sysroot), Some(nvml)) => (under(sysroot, nvml, context)?, None),
        _ => ask(args, context).await?,
    };
    let only = only.or_else(|| {
        let named = args.only.iter().copied().collect::<BTreeSet<_>>();
        Some(named).filter(|named| !named.is_empty())
    });
    show(args, context, &found, only.as_ref())?;
    Ok(Exit::Done)
}

fn show(
    args: &Args,
    context: &Context,
    found: &Found,
    only: Option<&BTreeSet<PciAddress>>,
) -> Result<(), Failure> {
    let print = &context.print;
    let nccl = print.picture == Some(Picture::NcclXml);
    if only.is_some() && !nccl {
        return Err(Failure::Unfit {
            why: "--only and --lease choose what NCCL sees: they need -o nccl-xml",
        });
    }
    if args.tree && (nccl || print.picture.is_some() || !print.is_table()) {
        return Err(Failure::Unfit {
            why: "--tree is for people: it goes with no other --output than table",
        });
    }
    let all = &found.host.map.accelerators;
    let is_there = |pci: &&PciAddress| all.iter().any(|one| one.pci == Some(**pci));
    if let Some(stranger) = only.and_then(|only| only.iter().find(|pci| !is_there(pci))) {
        let known: Vec<String> = all
            .iter()
            .filter_map(|one| Some(one.pci?.to_string()))
            .collect();
        return Err(Failure::NoAccelerator {
            named: stranger.to_string(),
            known: known.join(", "),
        });
    }
    if let Some(kind) = print.picture {
        return print.text(&picture::picture(&found.host, kind, only));
    }
    if print.is_table() && args.tree {
        return print.styled(|style| picture::tree(&found.host, style));
    }
    if print.is_table() {
        let nics = Inventory::from(&found.host).nics;
        let links = &found.host.map.links;
        return print.styled(|style| {
            let own = processor_legend(&found.topology, links, style);
            render(&found.topology, &nics, style) + &own
        });
    }
    print.document(&found.topology, |_, _| String::new())
}

/// A machine under a folder.
fn under(sysroot: &Path, nvml: &Path, context: &Context) -> Result<Found, Failure> {
    let host = pick::discovery(sysroot, nvml, context)?;
    Ok(Found {
        topology: topology(&host),
        host,
    })
}

/// What kerfd knows, and the accelerators of the lease that was named.
async fn ask(
    args: &Args,
    context: &Context,
) -> Result<(Found, Option<BTreeSet<PciAddress>>), Failure> {
    let mut client = context.connect().await?;
    let answer = client.get_topology(soon(v1::GetTopologyRequest {})).await;
    let answer = answer.map_err(Failure::call("read the topology"))?;
    let topology = Topology::try_from(answer.get_ref())?;
    let host = inventory::ask(&mut client, false).await?;
    let only = match &args.lease {
        Some(id) => Some(lease::accelerators(&mut client, id).await?),
        None => None,
    };
    Ok((Found { host, topology }, only))
}

/// The matrix and its legends; the interfaces are asked for their names alone.
pub fn render(topology: &Topology, nics: &[Nic], style: Style) -> String {
    if topology.rows.is_empty() {
        return "no GPUs and no network interfaces\n".to_owned();
    }
    let mut table = Table::for_headings(
        std::iter::once("")
            .chain(topology.devices.iter().map(String::as_str))
            .chain(["CPU Affinity", "NUMA Affinity", "GPU NUMA ID", "PCI"]),
    );
    for row in &topology.rows {
        let mut cells = vec![Cell::new(Ink::Bold, &row.device)];
        cells.extend(row.links.iter().map(|link| Cell::new(ink(link), link)));
        cells.push(Cell::optional(row.cpu_affinity.as_ref()));
        cells.push(Cell::optional(row.numa_node));
        let memory = row.gpu_numa_id.map(|node| node.to_string());
        cells.push(memory.unwrap_or_else(|| "N/A".to_owned()).into());
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
        link if link.ends_with(|one: char| one.is_ascii_digit()) => Ink::Cyan,
        _ => Ink::Plain,
    }
}

fn legend(topology: &Topology, style: Style) -> String {
    let mut table = Table::new(&["", "", ""]);
    let is_there = |word: &str| {
        let mut links = topology.rows.iter().flat_map(|row| &row.links);
        links.any(|link| link.trim_end_matches(|one: char| one.is_ascii_digit()) == word)
    };
    let more = MORE
        .iter()
        .filter(|(word, _)| is_there(word.trim_end_matches('#')));
    for (word, meaning) in LEGEND.iter().chain(more) {
        table.push(vec![
            (*word).into(),
            "=".into(),
            Cell::new(Ink::Dim, meaning),
        ]);
    }
    format!(
        "{}\n{}",
        style.paint(Ink::Bold, "Legend:"),
        table.render(style, "  ")
    )
}

/// The links of accelerators to processors, which have no column in the matrix.
fn processor_legend(topology: &Topology, links: &[Link], style: Style) -> String {
    let mut table = Table::new(&["", "", ""]);
    for row in &topology.rows {
        let own = row.pci.clone().map(End::Accelerator);
        for link in links.iter().filter(|link| Some(&link.a) == own.as_ref()) {
            let End::Cpu(node) = link.b else { continue };
            let (kind, count) = (link.kind.as_str(), link.count);
            let speed = link.gbps.map(|gbps| format!(", {gbps} GB/s one way"));
            let words = format!(
                "{count} links of {kind} to the CPUs of node {node}{}",
                speed.unwrap_or_default()
            );
            table.push(row![&row.device, "=", &words]);
        }
    }
    if table.is_empty() {
        return String::new();
    }
    let head = style.paint(Ink::Bold, "Processor Legend:");
    format!("\n{head}\n{}", table.render(style, "  "))
}

/// Which interface each `NIC<n>` is: those that do RDMA, in order. Several may be of one function, which may be an
/// accelerator's as well.
fn nic_legend(topology: &Topology, nics: &[Nic], style: Style) -> String {
    let mut table = Table::new(&["", "", ""]);
    let rows = topology.rows.iter();
    let rows = rows.filter(|row| row.device.starts_with("NIC"));
    let nics = nics.iter().filter(|nic| nic.kind == NicKind::Rdma);
    for (row, nic) in rows.zip(nics) {
        table.push(row![&row.device, "=", &nic.name]);
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
