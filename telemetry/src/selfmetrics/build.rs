//! Makes handles from the declared families and registers them.

use prometheus::core::Collector;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry,
};

use super::SelfMetricsError;
use crate::families::Family;

/// Upper bounds of buckets for work inside kerfd, in seconds: 10 µs to 100 ms.
pub(super) fn fast() -> Vec<f64> {
    scale(&[0.00001, 0.0001, 0.001, 0.01])
}

/// Upper bounds of buckets for work with drivers, disks and peers, in seconds: 1 ms to 10 s.
pub(super) fn slow() -> Vec<f64> {
    scale(&[0.001, 0.01, 0.1, 1.0])
}

/// Three bounds a decade and the last one's end. They are products of short decimals, rounded to
/// the digits that a reader of `le` expects.
fn scale(decades: &[f64]) -> Vec<f64> {
    let steps = [1.0, 2.0, 5.0];
    let inner = decades
        .iter()
        .flat_map(|decade| steps.map(|step| round(decade * step)));
    let end = decades.last().map(|decade| round(decade * 10.0));
    inner.chain(end).collect()
}

fn round(seconds: f64) -> f64 {
    (seconds * 1e6).round() / 1e6
}

/// Counters by the values of `N` labels.
#[derive(Debug, Clone)]
pub struct CounterBy<const N: usize>(IntCounterVec);

impl<const N: usize> CounterBy<N> {
    /// Counts one.
    pub fn inc(&self, labels: [&'static str; N]) {
        self.add(labels, 1);
    }

    /// Counts several.
    pub fn add(&self, labels: [&'static str; N], count: u64) {
        // The number of labels was checked when the handle was made; there is no other error.
        if let Ok(counter) = self.0.get_metric_with_label_values(&labels) {
            counter.inc_by(count);
        }
    }

    /// What was counted until now.
    pub fn get(&self, labels: [&'static str; N]) -> u64 {
        let counter = self.0.get_metric_with_label_values(&labels);
        counter.map_or(0, |counter| counter.get())
    }

    /// Makes the series with 0, so that a rate over the first event is not lost.
    pub fn declare(&self, labels: [&'static str; N]) {
        drop(self.0.get_metric_with_label_values(&labels));
    }
}

/// Gauges by the values of `N` labels.
#[derive(Debug, Clone)]
pub struct GaugeBy<const N: usize>(IntGaugeVec);

impl<const N: usize> GaugeBy<N> {
    /// Sets the value.
    pub fn set(&self, labels: [&'static str; N], value: usize) {
        // As in CounterBy::add.
        if let Ok(gauge) = self.0.get_metric_with_label_values(&labels) {
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        }
    }
}

/// Histograms by the values of `N` labels.
#[derive(Debug, Clone)]
pub struct HistogramBy<const N: usize>(HistogramVec);

impl<const N: usize> HistogramBy<N> {
    /// Observes a duration in seconds.
    pub fn observe(&self, labels: [&'static str; N], seconds: f64) {
        // As in CounterBy::add.
        if let Ok(histogram) = self.0.get_metric_with_label_values(&labels) {
            histogram.observe(seconds);
        }
    }
}

pub(super) fn counter(
    registry: &Registry,
    family: &'static Family,
) -> Result<IntCounter, SelfMetricsError> {
    check_labels(family, 0)?;
    register(registry, family, IntCounter::new(family.name, family.help))
}

pub(super) fn counter_by<const N: usize>(
    registry: &Registry,
    family: &'static Family,
) -> Result<CounterBy<N>, SelfMetricsError> {
    check_labels(family, N)?;
    let made = IntCounterVec::new(Opts::new(family.name, family.help), family.labels);
    register(registry, family, made).map(CounterBy)
}

pub(super) fn gauge_by<const N: usize>(
    registry: &Registry,
    family: &'static Family,
) -> Result<GaugeBy<N>, SelfMetricsError> {
    check_labels(family, N)?;
    let made = IntGaugeVec::new(Opts::new(family.name, family.help), family.labels);
    register(registry, family, made).map(GaugeBy)
}

pub(super) fn histogram(
    registry: &Registry,
    family: &'static Family,
    bounds: &[f64],
) -> Result<Histogram, SelfMetricsError> {
    check_labels(family, 0)?;
    let options = HistogramOpts::new(family.name, family.help).buckets(bounds.to_vec());
    register(registry, family, Histogram::with_opts(options))
}

pub(super) fn histogram_by<const N: usize>(
    registry: &Registry,
    family: &'static Family,
    bounds: &[f64],
) -> Result<HistogramBy<N>, SelfMetricsError> {
    check_labels(family, N)?;
    let options = HistogramOpts::new(family.name, family.help).buckets(bounds.to_vec());
    let made = HistogramVec::new(options, family.labels);
    register(registry, family, made).map(HistogramBy)
}

fn check_labels(family: &'static Family, taken: usize) -> Result<(), SelfMetricsError> {
    let declared = family.labels.len();
    if declared == taken {
        return Ok(());
    }
    Err(SelfMetricsError::LabelCount {
        family: family.name,
        declared,
        taken,
    })
}

fn register<C: Collector + Clone + 'static>(
    registry: &Registry,
    family: &'static Family,
    made: Result<C, prometheus::Error>,
) -> Result<C, SelfMetricsError> {
    let error = |source| SelfMetricsError::Register {
        family: family.name,
        source,
    };
    let collector = made.map_err(error)?;
    registry
        .register(Box::new(collector.clone()))
        .map_err(error)?;
    Ok(collector)
}
