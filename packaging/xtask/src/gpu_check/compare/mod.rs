//! Field by field: what kerf says beside what nvidia-smi says. Pure.
//!
//! What never moves must be equal. What moves was read from nvidia-smi before and after kerf read it, and
//! must lie between the two or near them by a tolerance that stands with the field. Where only one side
//! knows a value they differ: both ask the same library, so a value that nvidia-smi calls N/A is one that
//! kerf has made up.

mod exact;
mod links;
mod live;
mod mig;
mod processes;
mod slices;
mod topology;

use std::collections::BTreeSet;

use serde_json::Value;

use super::parse::{NotUnderstood, Said};
use super::reading::{Heard, Reading};

/// One field of one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// `host`, `GPU0`, `GPU0 gi 2 ci 0`, `GPU0 profile 19`.
    pub of: String,
    /// The field.
    pub field: String,
    /// What kerf says.
    pub kerf: String,
    /// What nvidia-smi says.
    pub smi: String,
    /// What follows.
    pub verdict: Verdict,
    /// Whether it moves, so that another look may find it near.
    pub moves: bool,
}

/// What follows from two sayings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// They are equal.
    Same,
    /// It moves, and kerf's value is near enough.
    Near,
    /// They are not.
    Different,
    /// One side cannot say, for this reason.
    NotCompared(String),
}

impl Row {
    /// Both sides as shown, and whether they agree.
    fn of(of: &str, field: &str, kerf: &str, smi: &str, agree: bool) -> Self {
        let verdict = if agree {
            Verdict::Same
        } else {
            Verdict::Different
        };
        Self {
            of: of.to_owned(),
            field: field.to_owned(),
            kerf: kerf.to_owned(),
            smi: smi.to_owned(),
            verdict,
            moves: false,
        }
    }

    /// A row where one side cannot say.
    fn not_compared(of: &str, field: &str, kerf: &str, why: &str) -> Self {
        Self {
            verdict: Verdict::NotCompared(why.to_owned()),
            ..Self::of(of, field, kerf, "", false)
        }
    }

    /// A row of what kerf knows or not and what nvidia-smi says; `agree` decides where both know.
    fn said(
        of: &str,
        field: &str,
        kerf: Option<String>,
        smi: Said<'_>,
        agree: impl FnOnce(&str, &str) -> bool,
    ) -> Self {
        let shown = kerf.as_deref().unwrap_or(NOTHING);
        match (smi, kerf.as_deref()) {
            (Said::Withheld(why), _) => Self::not_compared(of, field, shown, why),
            (Said::Nothing, known) => Self::of(of, field, shown, NOTHING, known.is_none()),
            (Said::Value(text), None) => Self::of(of, field, shown, text, false),
            (Said::Value(text), Some(known)) => {
                Self::of(of, field, shown, text, agree(known, text))
            }
        }
    }

    /// Marks a value that moves: a difference may be gone at another look.
    fn moving(self) -> Self {
        Self {
            moves: true,
            ..self
        }
    }
}

/// Shown for a value that a side does not know.
const NOTHING: &str = "-";

/// Compares everything.
pub fn compare(reading: &Reading) -> Result<Vec<Row>, NotUnderstood> {
    let Reading { kerf, smi, .. } = reading;
    let mut rows = exact::host(kerf, smi);
    let ours = kerf.gpus().iter().filter_map(|gpu| number(gpu, "/index"));
    let theirs = smi.before.gpus.iter().map(|gpu| u64::from(gpu.index));
    let indices: BTreeSet<u64> = ours.chain(theirs).collect();
    for index in indices {
        let gpu = kerf
            .gpus()
            .iter()
            .find(|gpu| number(gpu, "/index") == Some(index));
        match (gpu, smi.before.gpu(index)) {
            (Some(gpu), Some(_)) => {
                let sample = kerf.sample(index).unwrap_or(&Value::Null);
                one_gpu(&mut rows, &Gpu { index, gpu, sample }, smi)?;
            }
            (ours, theirs) => rows.push(Row::of(
                &format!("GPU{index}"),
                "present",
                present(ours.is_some()),
                present(theirs.is_some()),
                false,
            )),
        }
    }
    rows.extend(topology::rows(kerf, &smi.topology));
    Ok(rows)
}

/// One GPU as kerf describes it.
struct Gpu<'a> {
    index: u64,
    /// Its part of the inventory.
    gpu: &'a Value,
    /// Its reading; null without one.
    sample: &'a Value,
}

impl Gpu<'_> {
    fn name(&self) -> String {
        format!("GPU{}", self.index)
    }

    fn has_mig_on(&self) -> bool {
        matches!(
            text(self.gpu, "/mig_mode").as_deref(),
            Some("enabled" | "disable_pending")
        )
    }

    /// Its place in the order of `-q`.
    fn place(&self) -> usize {
        usize::try_from(self.index).unwrap_or(usize::MAX)
    }
}

fn one_gpu(rows: &mut Vec<Row>, gpu: &Gpu<'_>, smi: &Heard) -> Result<(), NotUnderstood> {
    rows.extend(exact::gpu(gpu, smi));
    rows.extend(live::gpu(gpu, smi));
    rows.extend(processes::gpu(gpu, smi));
    rows.push(links::gpu(gpu, &smi.links));
    rows.extend(mig::profiles(gpu, smi));
    rows.extend(mig::instances(gpu, smi));
    rows.extend(slices::gpu(gpu, smi)?);
    Ok(())
}

fn present(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

/// A text of a document.
fn text(document: &Value, pointer: &str) -> Option<String> {
    document.pointer(pointer)?.as_str().map(str::to_owned)
}

/// A whole number of a document.
fn number(document: &Value, pointer: &str) -> Option<u64> {
    document.pointer(pointer)?.as_u64()
}

#[cfg(test)]
mod tests;
