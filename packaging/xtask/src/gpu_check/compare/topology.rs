//! kerf's topology matrix beside that of `topo -m`, row by row.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::super::kerf::{Documents, elements};
use super::super::parse::topology::{Matrix, MatrixRow};
use super::super::reading::Told;
use super::{NOTHING, Row, number, text};

/// Rows of every device. GPUs go by index, interfaces by name, since each side numbers them for itself.
pub fn rows(kerf: &Documents, told: &Told<Matrix>) -> Vec<Row> {
    let theirs = match told {
        Told::Yes(matrix) => matrix,
        Told::No(why) => return vec![Row::not_compared("host", "topology", "", why)],
    };
    let ours = Ours::new(kerf);
    let names: Vec<String> = theirs
        .devices
        .iter()
        .map(|device| their_name(theirs, device))
        .collect();
    let mut found = Vec::new();
    for (name, row) in names.iter().zip(&theirs.rows) {
        let of = |position: &usize| ours.line(*position, &names);
        let line = ours.positions.get(name).map(of);
        let shown = line.clone().unwrap_or_else(|| "no such device".to_owned());
        let told = row.links.join(" ");
        let agree = line.is_some_and(|line| line == told);
        found.push(Row::of(name, "topology", &shown, &told, agree));
        if row.device.starts_with("GPU") {
            found.extend(ours.affinities(name, row));
        }
    }
    let known: BTreeSet<&String> = names.iter().collect();
    let more = ours.positions.keys().filter(|name| !known.contains(name));
    // nvidia-smi lists the interfaces of one vendor only.
    found.extend(more.map(|name| Row::not_compared(name, "topology", "", "not in topo -m")));
    found
}

/// `GPU0`, or the interface's own name.
fn their_name(matrix: &Matrix, device: &str) -> String {
    let name = matrix.nics.get(device);
    name.cloned().unwrap_or_else(|| device.to_owned())
}

/// kerf's matrix.
struct Ours<'a> {
    rows: &'a [Value],
    /// Place of each device in the order of rows and links.
    positions: BTreeMap<String, usize>,
}

impl<'a> Ours<'a> {
    fn new(kerf: &'a Documents) -> Self {
        let rows = elements(&kerf.topology, "rows");
        let nics = elements(&kerf.inventory, "nics");
        let name = |row: &Value| {
            let device = text(row, "/device")?;
            let position = device.strip_prefix("NIC").map(str::parse::<usize>);
            match position {
                Some(position) => text(nics.get(position.ok()?)?, "/name"),
                None => Some(device),
            }
        };
        let named = rows.iter().zip(0..);
        Self {
            rows,
            positions: named
                .filter_map(|(row, position)| Some((name(row)?, position)))
                .collect(),
        }
    }

    /// The row at a place, its links in the order of these names.
    fn line(&self, position: usize, names: &[String]) -> String {
        let links = self.rows.get(position).map(|row| elements(row, "links"));
        let link = |name: &String| {
            let to = self.positions.get(name)?;
            links?.get(*to)?.as_str()
        };
        let links: Vec<&str> = names
            .iter()
            .map(|name| link(name).unwrap_or(NOTHING))
            .collect();
        links.join(" ")
    }

    fn affinities(&self, name: &str, theirs: &MatrixRow) -> Vec<Row> {
        let row = self.positions.get(name).and_then(|at| self.rows.get(*at));
        let Some(row) = row else { return Vec::new() };
        let shown = |value: Option<&str>| value.unwrap_or(NOTHING).to_owned();
        let cpus = text(row, "/cpu_affinity").filter(|cpus| !cpus.is_empty());
        let node = number(row, "/numa_node").map(|node| node.to_string());
        let (their_cpus, their_node) = (
            theirs.cpu_affinity.as_deref(),
            theirs.numa_affinity.as_deref(),
        );
        let same_cpus = match (cpus.as_deref(), their_cpus) {
            (Some(ours), Some(theirs)) => {
                cpu_set(ours).is_some() && cpu_set(ours) == cpu_set(theirs)
            }
            (ours, theirs) => ours == theirs,
        };
        vec![
            Row::of(
                name,
                "cpu affinity",
                &shown(cpus.as_deref()),
                &shown(their_cpus),
                same_cpus,
            ),
            Row::of(
                name,
                "numa affinity",
                &shown(node.as_deref()),
                &shown(their_node),
                node.as_deref() == their_node,
            ),
        ]
    }
}

/// `0-3,8` as a set; the two sides need not cut the ranges alike.
fn cpu_set(text: &str) -> Option<BTreeSet<u32>> {
    let mut cpus = BTreeSet::new();
    for range in text.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        cpus.extend(first.trim().parse::<u32>().ok()?..=last.trim().parse().ok()?);
    }
    Some(cpus)
}
