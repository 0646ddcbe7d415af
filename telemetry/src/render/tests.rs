//! Tail, encodings and what both formats share.

use std::io::Read;
use std::time::Duration;

use flate2::read::GzDecoder;
use kerf_types::Timestamp;

use super::{Format, Rendered};
use crate::selfmetrics::SelfMetrics;
use crate::snapshot::Snapshot;

fn rendered(snapshot: Option<&Snapshot>) -> Rendered {
    let own = SelfMetrics::try_new().expect("declared as the handles need it");
    Rendered::new(snapshot, &own)
}

#[test]
fn without_a_snapshot_kerfd_speaks_of_itself() {
    let page = rendered(None);
    let text = page.text(Format::OpenMetrics, Duration::from_secs(3));
    assert!(text.starts_with("# HELP kerf_launch_grants "), "{text}");
    assert!(text.ends_with("\n# EOF\n"), "{text}");
    assert!(!text.contains("_age_seconds"), "{text}");
    let classic = page.text(Format::Classic, Duration::ZERO);
    assert!(!classic.contains("# EOF"), "{classic}");
}

#[test]
fn the_age_of_a_page_is_of_the_scrape() {
    let snapshot = Snapshot {
        taken: Timestamp(5_000),
        ..Snapshot::default()
    };
    let page = rendered(Some(&snapshot));
    for millis in [0, 250, 90_000] {
        let text = page.text(Format::Classic, Duration::from_millis(millis));
        let line = format!("kerf_scrape_render_age_seconds {}", millis as f64 / 1e3);
        assert_eq!(text.lines().last(), Some(line.as_str()));
    }
}

#[test]
fn gzip_holds_the_same_text() {
    let page = rendered(Some(&Snapshot::default()));
    let elapsed = Duration::from_millis(10);
    for format in [Format::Classic, Format::OpenMetrics] {
        let scrape = page.scrape(format, true, elapsed);
        assert!(scrape.gzip);
        let stream = [scrape.head, scrape.tail].concat();
        let mut text = String::new();
        GzDecoder::new(stream.as_slice())
            .read_to_string(&mut text)
            .expect("a sound stream");
        assert_eq!(text, page.text(format, elapsed));
    }
}

#[test]
fn all_scrapes_of_a_page_share_its_buffers() {
    let page = rendered(Some(&Snapshot::default()));
    for gzip in [false, true] {
        let first = page.scrape(Format::Classic, gzip, Duration::ZERO);
        let second = page.scrape(Format::Classic, gzip, Duration::from_secs(1));
        assert_eq!(first.head.as_ptr(), second.head.as_ptr());
    }
}

#[test]
fn a_page_that_is_packed_ahead_is_not_packed_again() {
    let page = rendered(Some(&Snapshot::default()));
    assert!(page.body(Format::Classic).packed.get().is_none());
    page.pack(Format::Classic);
    let ahead = page.body(Format::Classic).packed.get();
    let ahead = ahead.and_then(Option::as_ref).expect("packed");
    let scrape = page.scrape(Format::Classic, true, Duration::ZERO);
    assert_eq!(scrape.head.as_ptr(), ahead.head.as_ptr());
    assert!(page.body(Format::OpenMetrics).packed.get().is_none());
}
