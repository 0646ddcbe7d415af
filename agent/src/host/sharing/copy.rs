//! Which GPUs are shared now, as a file of the run folder.
//!
//! Daemons, compute modes and time slices end with the boot, and so does this file: what is to be shared after the
//! next one stands in the kept layout. Not in the store, so that a store that is lost leaves no daemon that nobody
//! knows of.

use std::collections::BTreeMap;

use kerf_api::json::layout::SharingDocument;
use kerf_types::{PciAddress, Sharing};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Name of the file.
pub const COPY: &str = "sharing.json";

#[derive(Debug, Serialize)]
struct Written<'g> {
    boot_id: &'g str,
    gpus: BTreeMap<String, SharingDocument>,
    unsettled: Vec<String>,
    /// Those of them that are to be shared no longer.
    ending: Vec<String>,
}

/// What is read: one GPU of which it tells something new, as another release may, takes nothing from the others.
#[derive(Debug, Deserialize)]
struct Read {
    boot_id: String,
    gpus: BTreeMap<String, Value>,
    #[serde(default)]
    unsettled: Vec<String>,
    #[serde(default)]
    ending: Vec<String>,
}

/// What the file tells of this boot.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// What is shared.
    pub gpus: BTreeMap<PciAddress, Sharing>,
    /// Of which of them it is not known that all stands; each with whether it is to be shared no longer.
    pub unsettled: BTreeMap<PciAddress, bool>,
    /// What of it could not be read, and why.
    pub damage: Option<String>,
}

/// The content of the file.
pub fn encode(
    boot_id: &str,
    gpus: &BTreeMap<PciAddress, Sharing>,
    unsettled: &BTreeMap<PciAddress, bool>,
) -> Vec<u8> {
    let gpus = gpus.iter();
    let document = Written {
        boot_id,
        gpus: gpus
            .map(|(pci, sharing)| (pci.to_string(), (*sharing).into()))
            .collect(),
        unsettled: unsettled.keys().map(ToString::to_string).collect(),
        ending: unsettled
            .iter()
            .filter(|(_, ends)| **ends)
            .map(|(pci, _)| pci.to_string())
            .collect(),
    };
    // Maps of texts and numbers always encode.
    serde_json::to_vec(&document).unwrap_or_default()
}

/// What is shared in this boot. What cannot be read is told, and is nothing else's loss.
pub fn decode(bytes: &[u8], boot_id: &str) -> Told {
    let mut told = Told::default();
    let document: Read = match serde_json::from_slice(bytes) {
        Ok(document) => document,
        Err(error) => {
            told.damage = Some(error.to_string());
            return told;
        }
    };
    if document.boot_id != boot_id {
        return told;
    }
    for (name, value) in document.gpus {
        match read(&name, value) {
            Ok((pci, sharing)) => drop(told.gpus.insert(pci, sharing)),
            Err(why) => told.damage = Some(format!("{name}: {why}")),
        }
    }
    let unsettled = document.unsettled.iter();
    told.unsettled = unsettled
        .filter_map(|pci| Some((pci.parse().ok()?, document.ending.contains(pci))))
        .collect();
    told
}

fn read(pci: &str, value: Value) -> Result<(PciAddress, Sharing), String> {
    let pci = pci.parse().map_err(|_| "no PCI address".to_owned())?;
    let document: SharingDocument =
        serde_json::from_value(value).map_err(|error| error.to_string())?;
    let sharing = Sharing::try_from(document).map_err(|error| error.to_string())?;
    Ok((pci, sharing))
}
