//! From what the registry gathers to lines of a page. The crate's own encoder writes the classic format
//! alone; this one writes both, with the same text as every other family.

use prometheus::proto::{Metric, MetricFamily};

use crate::families::{Family, Kind};
use crate::labels::Labels;
use crate::page::{Page, Samples};

/// Writes one gathered family.
pub(super) fn family(family: &'static Family, gathered: &MetricFamily, page: &mut Page) {
    page.family(family, |samples| {
        for metric in gathered.get_metric() {
            let labels = labels(metric);
            match family.kind {
                Kind::Histogram => histogram(&labels, metric, samples),
                Kind::Counter => samples.add(&labels, metric.get_counter().get_value()),
                Kind::Gauge | Kind::Info => samples.add(&labels, metric.get_gauge().get_value()),
            }
        }
    });
}

fn labels(metric: &Metric) -> Labels {
    let mut labels = Labels::none();
    for pair in metric.get_label() {
        labels.push(pair.name(), pair.value());
    }
    labels
}

fn histogram(labels: &Labels, metric: &Metric, samples: &mut Samples<'_>) {
    let histogram = metric.get_histogram();
    let buckets = histogram
        .get_bucket()
        .iter()
        .map(|bucket| (bucket.upper_bound(), bucket.cumulative_count()));
    let (sum, count) = (histogram.get_sample_sum(), histogram.get_sample_count());
    samples.add_histogram(labels, buckets, sum, count);
}
