//! The verbs of the command, and what their arguments have in common. They print; what they measure is the library's.

pub mod gossip;
pub mod run;
pub mod scenario;

use std::ops::Range;

use anyhow::{Context, Result};
use clap::ValueEnum;
use kerf_cluster_sim::Sealing;

/// In which form a result is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// For people
    Table,
    /// For programs
    Json,
}

/// Reads `A..B`, B not included.
pub fn range(text: &str) -> Result<Range<u64>> {
    let (from, to) = text.split_once("..").context("A..B expected")?;
    let range: Range<u64> = from.parse()?..to.parse()?;
    anyhow::ensure!(!range.is_empty(), "a range that is not empty expected");
    Ok(range)
}

/// Reads the length of a record.
pub fn record_bytes(text: &str) -> Result<usize> {
    let bytes: usize = text.parse()?;
    anyhow::ensure!((32..=8_192).contains(&bytes), "32 to 8192 bytes expected");
    Ok(bytes)
}

/// What protects a fleet that is to be sealed as kerfd's are, or need not be.
pub fn sealing(as_kerfd_does: bool) -> Sealing {
    if as_kerfd_does {
        Sealing::Real
    } else {
        Sealing::Keyed
    }
}

/// Reads a share of datagrams, `0.05` or `5%`, as parts of a thousand.
pub fn in_thousand(text: &str) -> Result<u64> {
    let (number, whole) = match text.strip_suffix('%') {
        Some(percent) => (percent, 100.0),
        None => (text, 1.0),
    };
    let share: f64 = number.trim().parse::<f64>()? / whole;
    anyhow::ensure!(
        (0.0..=0.9).contains(&share),
        "a fraction from 0 to 0.9 expected, or a percentage such as 5%"
    );
    let parts = (0..=900_u32).find(|parts| (f64::from(*parts) / 1_000.0 - share).abs() < 1e-9);
    parts
        .map(u64::from)
        .context("whole parts of a thousand expected")
}
