//! What moves: sensors, clocks, memory in use, counters. nvidia-smi was asked before and after kerf.

use serde_json::Value;

use super::super::parse::Said;
use super::super::parse::query::Queried;
use super::super::reading::Heard;
use super::exact::MIB;
use super::{Gpu, NOTHING, Row, Verdict};

/// How far outside of nvidia-smi's two values kerf's may lie.
#[derive(Debug, Clone, Copy)]
enum Slack {
    /// This much, in nvidia-smi's unit.
    By(f64),
    /// This share of the value.
    Share(f64),
}

/// Where kerf says it.
#[derive(Debug, Clone, Copy)]
enum Source {
    /// In the reading.
    Sample(&'static str),
    /// In the inventory, where 0 stands for a figure that the driver does not tell.
    Inventory(&'static str),
}

struct Moving {
    field: &'static str,
    source: Source,
    /// What one of nvidia-smi's unit is in kerf's.
    scale: f64,
    unit: &'static str,
    slack: Slack,
}

/// Each tolerance covers what a value does within the second that a look takes, on a GPU with steady work.
/// Counters and PCIe links have none: they only step, and between two equal values they have not moved.
const MOVING: [Moving; 12] = [
    sample(
        "temperature.gpu",
        "/temperature_celsius",
        1.0,
        "C",
        Slack::By(3.0),
    ),
    sample(
        "temperature.memory",
        "/memory_temperature_celsius",
        1.0,
        "C",
        Slack::By(3.0),
    ),
    sample("power.draw", "/power_watts", 1.0, "W", Slack::Share(0.15)),
    sample(
        "clocks.current.sm",
        "/sm_clock_hertz",
        1e6,
        "MHz",
        Slack::Share(0.15),
    ),
    sample(
        "clocks.current.memory",
        "/memory_clock_hertz",
        1e6,
        "MHz",
        Slack::Share(0.15),
    ),
    sample(
        "memory.used",
        "/memory_used_bytes",
        MIB_BYTES,
        "MiB",
        Slack::By(64.0),
    ),
    sample(
        "utilization.gpu",
        "/utilization_ratio",
        0.01,
        "%",
        Slack::By(10.0),
    ),
    sample(
        "utilization.memory",
        "/memory_utilization_ratio",
        0.01,
        "%",
        Slack::By(10.0),
    ),
    sample(
        "ecc.errors.corrected.volatile.total",
        "/ecc_corrected",
        1.0,
        "",
        Slack::By(0.0),
    ),
    sample(
        "ecc.errors.uncorrected.volatile.total",
        "/ecc_uncorrected",
        1.0,
        "",
        Slack::By(0.0),
    ),
    inventory("pcie.link.gen.current", "/pcie/current_generation"),
    inventory("pcie.link.width.current", "/pcie/current_width"),
];

/// [`MIB`] as a float, exactly.
const MIB_BYTES: f64 = 1_048_576.0;
const _: () = assert!(MIB == 1_048_576);

const fn sample(
    field: &'static str,
    pointer: &'static str,
    scale: f64,
    unit: &'static str,
    slack: Slack,
) -> Moving {
    Moving {
        field,
        source: Source::Sample(pointer),
        scale,
        unit,
        slack,
    }
}

const fn inventory(field: &'static str, pointer: &'static str) -> Moving {
    Moving {
        field,
        source: Source::Inventory(pointer),
        scale: 1.0,
        unit: "",
        slack: Slack::By(0.0),
    }
}

/// Every value that moves, of one GPU.
pub fn gpu(gpu: &Gpu<'_>, smi: &Heard) -> Vec<Row> {
    let before = smi.before.gpu(gpu.index);
    let Some(before) = before else {
        return Vec::new();
    };
    let after = smi.after.gpu(gpu.index);
    let mut rows: Vec<Row> = MOVING
        .iter()
        .map(|moving| moving.row(gpu, before, after))
        .collect();
    rows.push(reasons(gpu, before, after));
    rows.push(replays(gpu, smi));
    rows
}

impl Moving {
    fn row(&self, gpu: &Gpu<'_>, before: &Queried, after: Option<&Queried>) -> Row {
        let of = gpu.name();
        let ours = self.ours(gpu).map(|value| value / self.scale);
        let shown = ours.map_or_else(|| NOTHING.to_owned(), |value| self.shown(value));
        let first = before.number(self.field);
        let last = after.and_then(|after| after.number(self.field)).or(first);
        let row = match (before.said(self.field), ours, first.zip(last)) {
            (Said::Withheld(why), _, _) => Row::not_compared(&of, self.field, &shown, why),
            (Said::Nothing, ours, _) => Row::of(&of, self.field, &shown, NOTHING, ours.is_none()),
            (Said::Value(_), Some(ours), Some((first, last))) => {
                let smi = self.shown_both(first, last);
                let mut row = Row::of(&of, self.field, &shown, &smi, true);
                row.verdict = self.verdict(ours, first, last);
                row
            }
            (Said::Value(text), _, _) => Row::of(&of, self.field, &shown, text, false),
        };
        row.moving()
    }

    fn ours(&self, gpu: &Gpu<'_>) -> Option<f64> {
        match self.source {
            Source::Sample(pointer) => gpu.sample.pointer(pointer)?.as_f64(),
            Source::Inventory(pointer) => gpu
                .gpu
                .pointer(pointer)?
                .as_f64()
                .filter(|figure| *figure > 0.0),
        }
    }

    fn verdict(&self, ours: f64, first: f64, last: f64) -> Verdict {
        let (low, high) = (first.min(last), first.max(last));
        let (below, above) = match self.slack {
            Slack::By(slack) => (slack, slack),
            Slack::Share(share) => (low * share, high * share),
        };
        if self.shown(ours) == self.shown(first) && self.shown(ours) == self.shown(last) {
            Verdict::Same
        } else if (low - below..=high + above).contains(&ours) {
            Verdict::Near
        } else {
            Verdict::Different
        }
    }

    fn shown(&self, value: f64) -> String {
        let figure = match self.unit {
            "W" => format!("{value:.2}"),
            _ => format!("{value:.0}"),
        };
        format!("{figure} {}", self.unit).trim_end().to_owned()
    }

    fn shown_both(&self, first: f64, last: f64) -> String {
        let (first, last) = (self.shown(first), self.shown(last));
        if first == last {
            first
        } else {
            format!("{first} .. {last}")
        }
    }
}

/// Why the clocks are held down: a bit that stood before and after must stand, one that stood at neither
/// time must not.
fn reasons(gpu: &Gpu<'_>, before: &Queried, after: Option<&Queried>) -> Row {
    let (of, field) = (gpu.name(), "clocks_event_reasons.active");
    let bits = |queried: &Queried| match queried.said(field) {
        Said::Value(text) => u64::from_str_radix(text.trim_start_matches("0x"), 16).ok(),
        _ => None,
    };
    let ours = gpu
        .sample
        .get("clock_event_reasons")
        .and_then(Value::as_u64);
    let shown = ours.map(|bits| format!("0x{bits:016X}"));
    let mut near = false;
    let row = Row::said(&of, field, shown, before.said(field), |_, _| {
        let first = bits(before);
        let last = after.and_then(bits).or(first);
        let (Some(ours), Some(first), Some(last)) = (ours, first, last) else {
            return false;
        };
        near = ours != first || ours != last;
        first & last & !ours == 0 && ours & !(first | last) == 0
    });
    let near = near && row.verdict == Verdict::Same;
    let verdict = if near { Verdict::Near } else { row.verdict };
    Row { verdict, ..row }.moving()
}

/// PCIe replays, which only `-q` shows.
fn replays(gpu: &Gpu<'_>, smi: &Heard) -> Row {
    const PATH: &str = "PCI/Replays Since Reset";
    let count = |moment: &super::super::reading::Moment| match moment
        .details
        .gpus
        .get(gpu.place())?
        .said(PATH)
    {
        Said::Value(text) => text.parse::<u64>().ok(),
        _ => None,
    };
    let ours = gpu.sample.get("pcie_replays").and_then(Value::as_u64);
    let before = smi.before.details.gpus.get(gpu.place());
    let said = before.map_or(Said::Withheld("not in nvidia-smi -q"), |gpu| gpu.said(PATH));
    let shown = ours.map(|count| count.to_string());
    let row = Row::said(&gpu.name(), "pcie replays", shown, said, |_, _| {
        let (Some(ours), Some(first)) = (ours, count(&smi.before)) else {
            return false;
        };
        (first..=count(&smi.after).unwrap_or(first)).contains(&ours)
    });
    row.moving()
}
