//! Fields that came after the first version.

use kerf_types::job::Network;

use super::minimal;
use crate::json::job::{canonical_json, parse, spec_hash};

/// A field that came after the first version is in the canonical form only where it says something, so that hashes of
/// before stay what they were.
#[test]
fn what_came_later_is_not_in_older_forms() {
    let older = canonical_json(&minimal());
    let mut hashes = vec![spec_hash(&minimal())];
    for (network, word) in [(Network::Host, "host"), (Network::None, "none")] {
        let mut spec = minimal();
        spec.network = Some(network);
        let form = canonical_json(&spec);
        let rest = form.strip_prefix(older.trim_end_matches('}'));
        assert_eq!(rest, Some(format!(",\"network\":\"{word}\"}}").as_str()));
        let again = parse(&form).expect("canonical is valid");
        assert_eq!(again.network, Some(network));
        hashes.push(spec_hash(&spec));
    }
    hashes.dedup();
    assert_eq!(hashes.len(), 3, "what it says is part of the job");
    let null = parse(r#"{"image": "busybox", "network": null}"#).expect("the default");
    assert_eq!(canonical_json(&null), older);
}
