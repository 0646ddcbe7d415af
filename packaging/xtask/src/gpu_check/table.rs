//! The comparison as people read it. Pure.

use super::compare::{Row, Verdict};

const HEADER: [&str; 5] = ["OF", "FIELD", "KERF", "NVIDIA-SMI", "VERDICT"];
/// Widest cell that sets the width of its column: a matrix row of sixteen devices would push the verdicts
/// off the screen, so a longer cell only shifts its own line.
const WIDEST: usize = 40;

/// How many rows there are of each verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// Equal.
    pub same: usize,
    /// Near enough.
    pub near: usize,
    /// Different.
    pub different: usize,
    /// Not comparable.
    pub not_compared: usize,
}

impl Summary {
    /// Counts.
    pub fn new(rows: &[Row]) -> Self {
        let mut summary = Self::default();
        for row in rows {
            match row.verdict {
                Verdict::Same => summary.same += 1,
                Verdict::Near => summary.near += 1,
                Verdict::Different => summary.different += 1,
                Verdict::NotCompared(_) => summary.not_compared += 1,
            }
        }
        summary
    }

    /// In one line.
    pub fn line(self) -> String {
        let Self {
            same,
            near,
            different,
            not_compared,
        } = self;
        format!("{same} same, {near} near, {different} different, {not_compared} not compared")
    }
}

/// The names of the fields that differ.
pub fn different(rows: &[Row]) -> Vec<String> {
    let rows = rows.iter().filter(|row| row.verdict == Verdict::Different);
    rows.map(|row| format!("{} {}", row.of, row.field))
        .collect()
}

/// A header and a line for each row.
pub fn lines(rows: &[Row]) -> Vec<String> {
    let cells = |row: &Row| {
        let verdict = match &row.verdict {
            Verdict::Same => "same".to_owned(),
            Verdict::Near => "near".to_owned(),
            Verdict::Different => "DIFFERENT".to_owned(),
            Verdict::NotCompared(why) => format!("not compared: {why}"),
        };
        let Row {
            of,
            field,
            kerf,
            smi,
            ..
        } = row;
        [
            of.clone(),
            field.clone(),
            kerf.clone(),
            smi.clone(),
            verdict,
        ]
    };
    let mut table = vec![HEADER.map(str::to_owned)];
    table.extend(rows.iter().map(cells));
    let mut widths = [0; HEADER.len()];
    for row in &table {
        for (width, cell) in widths.iter_mut().zip(row) {
            let own = cell.chars().count();
            if own <= WIDEST {
                *width = own.max(*width);
            }
        }
    }
    let line = |row: &[String; HEADER.len()]| {
        let cells = row.iter().zip(widths);
        let padded: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        padded.join("  ").trim_end().to_owned()
    };
    table.iter().map(line).collect()
}

#[cfg(test)]
mod tests;
