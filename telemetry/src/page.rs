//! The writer: one page in both text formats, family by family.
//!
//! The sample lines of both formats are the same bytes here (counters carry `_total` in both, `le` is
//! written as OpenMetrics wants it), so each is formatted once and copied; only the comment lines
//! above a family differ. What keeps them the same: no exemplars, no timestamps, no state sets.

use std::fmt::Write;

use kerf_types::{Bytes, Timestamp};

use crate::families::{Family, Kind};
use crate::labels::Labels;

/// A number of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Value {
    /// A measured number.
    Real(f64),
    /// A count or an amount.
    Whole(u64),
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Real(value)
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Whole(value)
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::Whole(u64::from(value))
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Whole(u64::from(value))
    }
}

impl From<Bytes> for Value {
    fn from(value: Bytes) -> Self {
        Self::Whole(value.0)
    }
}

impl From<Timestamp> for Value {
    /// Seconds since 1970.
    fn from(value: Timestamp) -> Self {
        Self::Real(seconds(value.0))
    }
}

impl Value {
    /// The same number, unless it is no number: a sensor that says NaN says nothing.
    pub(crate) fn finite(self) -> Option<Self> {
        match self {
            Self::Real(value) if !value.is_finite() => None,
            _ => Some(self),
        }
    }
}

/// Milliseconds as seconds.
pub(crate) fn seconds(milliseconds: u64) -> f64 {
    milliseconds as f64 / 1_000.0
}

/// A page in both formats, without the closing mark of OpenMetrics.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// Prometheus text 0.0.4.
    pub(crate) classic: String,
    /// OpenMetrics text 1.0.
    pub(crate) openmetrics: String,
}

impl Page {
    /// An empty page with room for `bytes` in each format.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self {
            classic: String::with_capacity(bytes),
            openmetrics: String::with_capacity(bytes),
        }
    }

    /// Writes a family: its comment lines and the samples that `fill` adds. A family without samples
    /// leaves no trace.
    pub(crate) fn family(&mut self, family: &'static Family, fill: impl FnOnce(&mut Samples<'_>)) {
        let start = self.classic.len();
        comments(
            &mut self.classic,
            family,
            family.name,
            classic_type(family.kind),
        );
        let first = self.classic.len();
        fill(&mut Samples {
            name: family.name,
            text: &mut self.classic,
        });
        if self.classic.len() == first {
            self.classic.truncate(start);
            return;
        }
        let name = family.openmetrics_name();
        comments(
            &mut self.openmetrics,
            family,
            name,
            openmetrics_type(family.kind),
        );
        if let Some(unit) = family.unit {
            for part in ["# UNIT ", name, " ", unit, "\n"] {
                self.openmetrics.push_str(part);
            }
        }
        let samples = self.classic.get(first..).unwrap_or_default();
        self.openmetrics.push_str(samples);
    }

    /// A family with at most one series and no labels.
    pub(crate) fn single(&mut self, family: &'static Family, value: Option<impl Into<Value>>) {
        self.family(family, |samples| {
            samples.add_some(&Labels::none(), value);
        });
    }
}

fn comments(text: &mut String, family: &Family, name: &str, kind: &str) {
    for part in ["# HELP ", name, " ", family.help, "\n"] {
        text.push_str(part);
    }
    for part in ["# TYPE ", name, " ", kind, "\n"] {
        text.push_str(part);
    }
}

fn classic_type(kind: Kind) -> &'static str {
    match kind {
        // The classic format has no info type; a constant 1 is a gauge there.
        Kind::Gauge | Kind::Info => "gauge",
        Kind::Counter => "counter",
        Kind::Histogram => "histogram",
    }
}

fn openmetrics_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Gauge => "gauge",
        Kind::Info => "info",
        Kind::Counter => "counter",
        Kind::Histogram => "histogram",
    }
}

/// Where the samples of one family go.
pub(crate) struct Samples<'a> {
    name: &'static str,
    text: &'a mut String,
}

impl Samples<'_> {
    /// Adds a series.
    pub(crate) fn add(&mut self, labels: &Labels, value: impl Into<Value>) {
        self.line("", labels, None, value.into());
    }

    /// Adds a series if there is a value: what is absent is never written as zero.
    pub(crate) fn add_some(&mut self, labels: &Labels, value: Option<impl Into<Value>>) {
        if let Some(value) = value.and_then(|value| value.into().finite()) {
            self.line("", labels, None, value);
        }
    }

    /// Adds a histogram: cumulative counts by upper bound, without the last bucket, which is `count`.
    pub(crate) fn add_histogram(
        &mut self,
        labels: &Labels,
        buckets: impl Iterator<Item = (f64, u64)>,
        sum: f64,
        count: u64,
    ) {
        let finite = buckets.filter(|(bound, _)| bound.is_finite());
        for (bound, cumulative) in finite {
            self.line("_bucket", labels, Some(bound), cumulative.into());
        }
        self.line("_bucket", labels, Some(f64::INFINITY), count.into());
        self.line("_sum", labels, None, sum.into());
        self.line("_count", labels, None, count.into());
    }

    fn line(&mut self, suffix: &str, labels: &Labels, bound: Option<f64>, value: Value) {
        let text = &mut *self.text;
        text.push_str(self.name);
        text.push_str(suffix);
        let labels = labels.as_str();
        if !labels.is_empty() || bound.is_some() {
            text.push('{');
            text.push_str(labels);
            if let Some(bound) = bound {
                text.push_str(if labels.is_empty() { "le=\"" } else { ",le=\"" });
                push_real(text, bound, true);
                text.push('"');
            }
            text.push('}');
        }
        text.push(' ');
        match value {
            Value::Real(real) => push_real(text, real, false),
            Value::Whole(whole) => push(text, format_args!("{whole}")),
        }
        text.push('\n');
    }
}

/// Writes a number as both formats read it; `canonical` keeps the `.0` that OpenMetrics wants in `le`.
fn push_real(text: &mut String, value: f64, canonical: bool) {
    if value.is_nan() {
        text.push_str("NaN");
    } else if value.is_infinite() {
        text.push_str(if value > 0.0 { "+Inf" } else { "-Inf" });
    } else if canonical {
        push_canonical(text, value);
    } else {
        push(text, format_args!("{value}"));
    }
}

/// Writes `1.0` for 1 and `1e-05` for 0.00001, as Go and with it OpenMetrics (section on `le`) has it; Rust
/// gives the exponent one digit.
fn push_canonical(text: &mut String, value: f64) {
    let rust = format!("{value:?}");
    match rust.split_once("e-") {
        Some((digits, exponent)) if exponent.len() == 1 => {
            push(text, format_args!("{digits}e-0{exponent}"));
        }
        _ => text.push_str(&rust),
    }
}

fn push(text: &mut String, what: std::fmt::Arguments<'_>) {
    let written = text.write_fmt(what);
    debug_assert!(written.is_ok(), "formatting a number cannot fail");
}

#[cfg(test)]
mod tests;
