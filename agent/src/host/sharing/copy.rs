//! Which GPUs are shared now, as a file of the run folder.
//!
//! Daemons, compute modes and time slices end with the boot, and so does this file: what is to be shared after the
//! next one stands in the kept layout. Not in the store, so that a store that is lost leaves no daemon that nobody
//! knows of.

use std::collections::BTreeMap;

use kerf_api::json::layout::SharingDocument;
use kerf_types::{PciAddress, Sharing};
use serde::{Deserialize, Serialize};

/// Name of the file.
pub const COPY: &str = "sharing.json";

#[derive(Debug, Default, Serialize, Deserialize)]
struct Document {
    boot_id: String,
    gpus: BTreeMap<String, SharingDocument>,
}

/// The content of the file.
pub fn encode(boot_id: &str, gpus: &BTreeMap<PciAddress, Sharing>) -> Vec<u8> {
    let gpus = gpus.iter();
    let document = Document {
        boot_id: boot_id.to_owned(),
        gpus: gpus
            .map(|(pci, sharing)| (pci.to_string(), (*sharing).into()))
            .collect(),
    };
    // Maps of texts and numbers always encode.
    serde_json::to_vec(&document).unwrap_or_default()
}

/// What is shared in this boot. A file that is damaged is one that is not there: what it spoke of is then shared by
/// the kept layout anew, or not at all.
pub fn decode(bytes: &[u8], boot_id: &str) -> BTreeMap<PciAddress, Sharing> {
    let document: Document = serde_json::from_slice(bytes).unwrap_or_default();
    if document.boot_id != boot_id {
        return BTreeMap::new();
    }
    let read = |(pci, sharing): (String, SharingDocument)| {
        Some((pci.parse().ok()?, Sharing::try_from(sharing).ok()?))
    };
    document.gpus.into_iter().filter_map(read).collect()
}
