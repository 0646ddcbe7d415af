//! `nvidia-smi topo -m`: the matrix of who is how near to whom.

use std::collections::BTreeMap;

use super::{NotUnderstood, not_understood};

/// The matrix.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Matrix {
    /// `GPU0`, … and `NIC0`, … in the order of each row's links.
    pub devices: Vec<String>,
    /// One row for each.
    pub rows: Vec<MatrixRow>,
    /// Names of the interfaces: `NIC0` is `mlx5_0`.
    pub nics: BTreeMap<String, String>,
}

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatrixRow {
    /// Which device.
    pub device: String,
    /// `X`, `NV18`, `PIX`, `PXB`, `PHB`, `NODE` or `SYS` for each device.
    pub links: Vec<String>,
    /// CPUs near to it; only GPUs have them.
    pub cpu_affinity: Option<String>,
    /// NUMA node near to it.
    pub numa_affinity: Option<String>,
}

/// Reads it. Cells stand between tabs and the header is underlined; columns past the devices are filled
/// up with more tabs where a cell is short, so there an empty cell counts for nothing.
pub fn matrix(text: &str) -> Result<Matrix, NotUnderstood> {
    let text = without_escapes(text);
    let mut found = Matrix::default();
    for line in text.lines() {
        let cells: Vec<&str> = line.split('\t').map(str::trim).collect();
        let Some((first, rest)) = cells.split_first() else {
            continue;
        };
        if found.devices.is_empty() {
            if first.is_empty() {
                let devices = rest.iter().filter(|cell| is_device(cell));
                found.devices = devices.map(|cell| (*cell).to_owned()).collect();
            }
        } else if is_device(first) && !rest.is_empty() {
            found
                .rows
                .push(row(first, rest, found.devices.len(), line)?);
        } else if let Some((nic, name)) = line.trim().split_once(": ")
            && is_device(nic)
        {
            found.nics.insert(nic.to_owned(), name.trim().to_owned());
        }
    }
    if found.rows.len() != found.devices.len() {
        return Err(not_understood("topo -m", text.lines().next().unwrap_or("")));
    }
    Ok(found)
}

fn row(
    device: &str,
    cells: &[&str],
    devices: usize,
    line: &str,
) -> Result<MatrixRow, NotUnderstood> {
    let links = cells.get(..devices).filter(|links| {
        // A row that is too short would put an affinity among the links.
        links.iter().all(|link| !link.is_empty())
    });
    let links = links.ok_or_else(|| not_understood("a row of topo -m", line))?;
    let mut rest = cells
        .get(devices..)
        .unwrap_or_default()
        .iter()
        .filter(|cell| !cell.is_empty())
        .map(|cell| Some((*cell).to_owned()).filter(|cell| cell != "N/A"));
    Ok(MatrixRow {
        device: device.to_owned(),
        links: links.iter().map(|link| (*link).to_owned()).collect(),
        cpu_affinity: rest.next().flatten(),
        numa_affinity: rest.next().flatten(),
    })
}

/// `GPU0` or `NIC3`, and not `GPU NUMA ID`.
fn is_device(cell: &str) -> bool {
    let digits = cell
        .strip_prefix("GPU")
        .or_else(|| cell.strip_prefix("NIC"));
    digits.is_some_and(|digits| {
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// Leaves out `ESC [ … letter`.
fn without_escapes(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| c.is_ascii_alphabetic());
        plain.push_str(end.and_then(|end| part.get(end + 1..)).unwrap_or_default());
    }
    plain
}
