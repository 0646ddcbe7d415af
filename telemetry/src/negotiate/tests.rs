//! Headers as clients send them.

use super::{format, gzip};
use crate::render::Format::{Classic, OpenMetrics};

#[test]
fn formats_that_clients_get() {
    let prometheus_2 = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;\
        version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    let prometheus_3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
        application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;\
        escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,/;q=0.1";
    for (accept, expected) in [
        (prometheus_2, OpenMetrics),
        (prometheus_3, OpenMetrics),
        ("application/openmetrics-text", OpenMetrics),
        (
            "Application/OpenMetrics-Text; version=\"1.0.0\"",
            OpenMetrics,
        ),
        ("application/openmetrics-text; version=2.0.0", Classic),
        ("application/openmetrics-text; q=0", Classic),
        (
            "application/openmetrics-text; q=0.2, text/plain; q=0.3",
            Classic,
        ),
        (
            "application/openmetrics-text; q=much, text/plain; q=0.1",
            Classic,
        ),
        ("text/plain", Classic),
        ("text/html,*/*", Classic),
        ("*/*", Classic),
        ("", Classic),
        (";;;,,,=", Classic),
    ] {
        assert_eq!(format(accept), expected, "{accept}");
    }
}

#[test]
fn encodings_that_clients_get() {
    for (accept, expected) in [
        ("gzip", true),
        ("deflate, GZIP;q=0.5", true),
        ("gzip;q=0", false),
        ("gzip;q=0, *", false),
        ("*", true),
        ("*;q=0", false),
        ("identity", false),
        ("br, zstd", false),
        ("", false),
    ] {
        assert_eq!(gzip(accept), expected, "{accept}");
    }
}
