//! `nvidia-smi --query-gpu=... --format=csv,noheader,nounits`: one line for each GPU.

use super::{NotUnderstood, Said, not_understood};

/// Every field that is asked for. `vbios_version` is only recorded: kerf does not read it.
pub const FIELDS: [&str; 29] = [
    "index",
    "name",
    "uuid",
    "serial",
    "pci.bus_id",
    "pci.device_id",
    "pci.sub_device_id",
    "driver_version",
    "vbios_version",
    "compute_cap",
    "memory.total",
    "memory.used",
    "mig.mode.current",
    "mig.mode.pending",
    "pcie.link.gen.max",
    "pcie.link.gen.current",
    "pcie.link.width.max",
    "pcie.link.width.current",
    "ecc.errors.corrected.volatile.total",
    "ecc.errors.uncorrected.volatile.total",
    "temperature.gpu",
    "temperature.memory",
    "power.draw",
    "enforced.power.limit",
    "clocks.current.sm",
    "clocks.current.memory",
    "utilization.gpu",
    "utilization.memory",
    "clocks_event_reasons.active",
];

/// One GPU's line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queried {
    /// NVML index.
    pub index: u32,
    cells: Vec<(&'static str, String)>,
}

impl Queried {
    /// What it says of a field; one that this nvidia-smi does not know is withheld.
    pub fn said(&self, field: &str) -> Said<'_> {
        let cell = self.cells.iter().find(|(name, _)| *name == field);
        cell.map_or(Said::Withheld("unknown to this nvidia-smi"), |(_, text)| {
            Said::new(text)
        })
    }

    /// A number that it says of a field.
    pub fn number(&self, field: &str) -> Option<f64> {
        match self.said(field) {
            Said::Value(text) => text.parse().ok(),
            _ => None,
        }
    }
}

/// Reads the answer to a query for `fields`.
pub fn query(text: &str, fields: &[&'static str]) -> Result<Vec<Queried>, NotUnderstood> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines
        .map(|line| {
            let cells: Vec<&str> = line.split(", ").collect();
            if cells.len() != fields.len() {
                return Err(not_understood("a line of --query-gpu", line));
            }
            let own = cells.into_iter().map(str::to_owned);
            let cells: Vec<_> = fields.iter().copied().zip(own).collect();
            let index = cells.iter().find(|(name, _)| *name == "index");
            let index = index.and_then(|(_, text)| text.trim().parse().ok());
            let index = index.ok_or_else(|| not_understood("a GPU's index", line))?;
            Ok(Queried { index, cells })
        })
        .collect()
}

/// The field that nvidia-smi refuses, if that is what it says.
pub fn refused_field(text: &str) -> Option<&'static str> {
    let rest = text.split_once("Field \"")?.1;
    let (name, rest) = rest.split_once('"')?;
    rest.contains("not a valid field")
        .then(|| FIELDS.into_iter().find(|field| *field == name))?
}
