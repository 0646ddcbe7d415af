//! `kerf nodes`: the hosts of the fleet, as this one knows them, and the end of one that is gone.

use kerf_api::json::{Node, NodeRecord, Nodes};
use kerf_api::v1;
use kerf_types::Bytes;

use super::client::soon;
use super::fail::Failure;
use super::members::{name_of, names};
use super::style::{Ink, Style};
use super::table::{Cell, Table};
use super::words::span;
use super::{Context, Exit};

/// `kerf nodes`
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
}

/// What else can be done with hosts.
#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Remove a host that is down or has left from the lists of the whole fleet
    Forget {
        /// The host, by its id, or by its name where no other carries it
        #[arg(value_name = "HOST")]
        host: String,
    },
}

/// Asks kerfd what it knows of its peers, after it has forgotten one where that was asked for.
pub async fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let mut client = context.connect().await?;
    let answer = match &args.verb {
        None => {
            let answer = client.list_nodes(soon(v1::ListNodesRequest {})).await;
            answer.map_err(Failure::call("list the hosts"))?
        }
        Some(Verb::Forget { host }) => {
            let request = v1::ForgetNodeRequest { host: host.clone() };
            let answer = client.forget_node(soon(request)).await;
            answer.map_err(Failure::call("forget the host"))?
        }
    };
    let nodes = Nodes::from(answer.get_ref());
    context.print.document(&nodes, render)?;
    if !nodes.listens && context.print.is_table() {
        context
            .print
            .note("this host runs alone: it listens to no peers");
    }
    Ok(Exit::Done)
}

/// A line a host; what a host has not said of itself is not known.
pub fn render(nodes: &Nodes, style: Style) -> String {
    let names = names(nodes.nodes.iter().map(|node| node.name.as_str()));
    let mut table = Table::new(&[
        "NAME", "STATE", "GPUS", "FREE", ">JOBS", ">LOAD", ">CPU", ">MEMORY", ">AGE", "ADDRESS",
    ]);
    for node in &nodes.nodes {
        let name = name_of(&node.name, &node.id, &names);
        let name = if node.here {
            Cell::new(Ink::Bold, format!("{name} (here)"))
        } else {
            name.into()
        };
        let record = node.record.as_ref();
        let age = node.record_age_ms.map(|age| span(age / 1_000));
        table.push(vec![
            name,
            state(node),
            Cell::optional(record.map(gpus)),
            Cell::optional(record.map(free)),
            Cell::optional(record.map(|record| record.jobs)),
            Cell::optional(record.map(|record| format!("{}%", record.load_per_mille / 10))),
            Cell::optional(record.map(cpu)),
            Cell::optional(record.map(memory)),
            Cell::optional(age),
            Cell::optional(node.address.as_ref()),
        ]);
    }
    table.render(style, "")
}

/// Whether it answers; for one that does, also whether it takes new work.
fn state(node: &Node) -> Cell {
    let closed = node.record.as_ref().map(|record| record.admission.as_str());
    match closed.filter(|word| *word != "open" && node.presence == "alive") {
        Some(word) => Cell::new(Ink::of_state(word), format!("alive, {word}")),
        None => Cell::new(Ink::of_state(&node.presence), &node.presence),
    }
}

/// `8 x NVIDIA H100 80GB HBM3, 2 in maintenance, 1 not well`
fn gpus(record: &NodeRecord) -> String {
    let models = record.models.iter();
    let mut words: Vec<String> = models
        .map(|model| format!("{} x {}", model.count, model.name))
        .collect();
    let out = record.gpus_in_maintenance;
    let ill = record
        .gpus
        .saturating_sub(record.gpus_ok)
        .saturating_sub(out);
    if out > 0 {
        words.push(format!("{out} in maintenance"));
    }
    if ill > 0 {
        words.push(format!("{ill} not well"));
    }
    if words.is_empty() {
        "none".to_owned()
    } else {
        words.join(", ")
    }
}

/// `2/8 GPUs, 3/14 slices`, of each only where there are any.
fn free(record: &NodeRecord) -> String {
    let parts = [
        (record.gpus_free, record.gpus, "GPUs"),
        (record.slices_free, record.slices, "slices"),
    ];
    let some = parts.iter().filter(|(_, all, _)| *all > 0);
    let words: Vec<String> = some
        .map(|(free, all, what)| format!("{free}/{all} {what}"))
        .collect();
    if words.is_empty() {
        "-".to_owned()
    } else {
        words.join(", ")
    }
}

/// Tenths are fine enough for a look over many hosts.
fn cpu(record: &NodeRecord) -> String {
    let tenths = |milli: u64| match (milli / 1_000, milli % 1_000 / 100) {
        (whole, 0) => whole.to_string(),
        (whole, tenths) => format!("{whole}.{tenths}"),
    };
    let (free, all) = (record.cpu_free_milli, record.cpu_milli);
    format!("{}/{}", tenths(free), tenths(all))
}

fn memory(record: &NodeRecord) -> String {
    let (free, all) = (record.memory_free_bytes, record.memory_bytes);
    format!("{}/{}", Bytes(free), Bytes(all))
}
