//! Documents of users and of the operator beside layouts: jobs, and kerfd's own configuration.

use std::path::Path;

use kerf_agent::config::{error, file};
use kerf_api::json::job;

/// A job as `kerf submit` takes it.
pub fn job_spec(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match job::parse(text) {
        Ok(spec) => {
            let canonical = job::canonical_json(&spec);
            let again = job::parse(&canonical).expect("kerf reads what it writes");
            assert_eq!(again, spec, "{canonical}");
            assert_eq!(job::canonical_json(&again), canonical);
            assert_eq!(job::spec_hash(&again), job::spec_hash(&spec));
            assert_eq!(job::validate(&spec), Ok(()));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// `kerf.toml`.
pub fn kerfd_config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match file::parse(Path::new("kerf.toml"), text) {
        Ok(read) => {
            let mut merged = file::FileConfig::default();
            merged.merge(read);
            if let Err(error) = merged.resolve(Path::new("/usr/bin"), "host") {
                assert!(!error.to_string().is_empty());
            }
        }
        Err(error) => assert!(error::show(&error).contains("kerf.toml")),
    }
}
