//! A CDI file of whoever has written one: it is refused, or is found at fault, or means the same in both languages.

use kerf_agent::cdi::check::{VERSIONS, faults};
use kerf_agent::cdi::registry::parse;
use kerf_agent::cdi::spec::lowest_version;

/// A file, read as JSON and as YAML.
pub fn cdi_document(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    for is_json in [true, false] {
        let Ok(document) = parse(text, is_json) else {
            continue;
        };
        let found = faults(&document);
        let json = serde_json::to_string(&document).expect("what was read can be written");
        let again = parse(&json, true).expect("what was written can be read");
        assert_eq!(again, document);
        assert_eq!(faults(&again), found);
        let yaml = serde_saphyr::to_string(&document).expect("also in YAML");
        let again = parse(&yaml, false).expect("what was written can be read");
        assert_eq!(again, document, "{yaml}");
        if found.is_empty() {
            let place = |version: &str| VERSIONS.iter().position(|known| *known == version);
            let lowest = place(lowest_version(&document));
            assert!(lowest.is_some() && lowest <= place(&document.cdi_version));
            assert!(document.kind.contains('/') && !document.devices.is_empty());
        }
    }
}
