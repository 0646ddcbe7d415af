//! When a page is compressed.

use std::sync::Arc;

use super::Exporter;
use crate::render::Format;
use crate::selfmetrics::SelfMetrics;
use crate::snapshot::Snapshot;

#[test]
fn pages_are_packed_ahead_once_a_client_has_taken_gzip() {
    let own = SelfMetrics::try_new().expect("declared as the handles need it");
    let exporter = Exporter::new(Arc::new(own));
    let packed = || Format::ALL.map(|format| exporter.page.load().rendered.is_packed(format));
    exporter.publish(&Snapshot::default());
    exporter.scrape(Format::OpenMetrics, false);
    exporter.publish(&Snapshot::default());
    assert_eq!(packed(), [false, false], "nobody took gzip");
    exporter.scrape(Format::OpenMetrics, true);
    exporter.publish(&Snapshot::default());
    assert_eq!(packed(), [false, true], "the format that was taken");
}
