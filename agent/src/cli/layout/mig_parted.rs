//! Files of NVIDIA's mig-parted, `version: v1`, read unchanged.
//!
//! ```yaml
//! version: v1
//! mig-configs:
//!   all-balanced:
//!     - device-filter: ["0x233010DE", "0x233110DE"]
//!       devices: all
//!       mig-enabled: true
//!       mig-devices: { "1g.10gb": 2, "2g.20gb": 1, "3g.40gb": 1 }
//! ```
//! An entry speaks of the GPUs that its filter lets through and its `devices` name. mig-parted carries out
//! entries one after the other, so that a later one undoes an earlier one; kerf makes one plan, and refuses two
//! entries that want different things of one GPU.

use std::collections::{BTreeMap, BTreeSet};

use kerf_api::json::layout::{GpuName, Gpus, LayoutRuleDocument};
use kerf_api::json::unique_map;
use kerf_api::v1;
use kerf_types::layout::Layout;
use serde::Deserialize;

use super::{LayoutInputError, check};

/// The version that is read.
const VERSION: &str = "v1";

/// A whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    version: String,
    #[serde(rename = "mig-configs", deserialize_with = "unique_map")]
    configs: BTreeMap<String, Vec<Entry>>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Entry {
    #[serde(default)]
    device_filter: Filters,
    devices: Gpus,
    mig_enabled: bool,
    #[serde(default, deserialize_with = "unique_map")]
    mig_devices: BTreeMap<String, u32>,
}

/// PCI ids of GPU models; an entry without any is for every model.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
enum Filters {
    One(String),
    Many(Vec<String>),
}

impl Default for Filters {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl Filters {
    fn as_slice(&self) -> &[String] {
        match self {
            Self::One(filter) => std::slice::from_ref(filter),
            Self::Many(filters) => filters,
        }
    }
}

/// A configuration of a file.
#[derive(Debug)]
pub struct Config {
    file: String,
    name: String,
    entries: Vec<Entry>,
}

impl File {
    /// The configuration of that name, or the only one.
    pub fn select(self, file: &str, name: Option<&str>) -> Result<Config, LayoutInputError> {
        let file = file.to_owned();
        if self.version != VERSION {
            return Err(LayoutInputError::Version {
                name: file,
                version: self.version,
            });
        }
        let names = || self.configs.keys().cloned().collect();
        let selected = match name {
            Some(name) => name.to_owned(),
            None => match self.configs.keys().next() {
                Some(only) if self.configs.len() == 1 => only.clone(),
                _ => {
                    return Err(LayoutInputError::NotSelected {
                        name: file,
                        names: names(),
                    });
                }
            },
        };
        match self.configs.get(&selected) {
            Some(entries) => Ok(Config {
                file,
                name: selected,
                entries: entries.clone(),
            }),
            None => Err(LayoutInputError::NoSuchConfig {
                name: file,
                selected,
                names: names(),
            }),
        }
    }
}

impl Config {
    /// Whether it speaks of every GPU, whatever it is; otherwise [`Config::layout`] must know those of the host.
    pub fn is_for_all(&self) -> bool {
        let mut entries = self.entries.iter();
        entries.all(|entry| entry.device_filter.as_slice().is_empty() && entry.devices == Gpus::All)
    }

    /// Names of GPUs that are not in the host.
    pub fn absent(&self, gpus: &[v1::Gpu]) -> BTreeSet<String> {
        let lists = self
            .entries
            .iter()
            .filter_map(|entry| match &entry.devices {
                Gpus::All => None,
                Gpus::List(names) => Some(names),
            });
        let absent = lists
            .flatten()
            .filter(|name| !gpus.iter().any(|gpu| is(name, gpu)));
        absent
            .map(|name| match name {
                GpuName::Index(index) => index.to_string(),
                GpuName::Text(text) => text.clone(),
            })
            .collect()
    }

    /// The layout for a host with these GPUs.
    pub fn layout(&self, gpus: &[v1::Gpu]) -> Result<Layout, LayoutInputError> {
        let rules = if !self.is_for_all() {
            self.matched(gpus)?
        } else {
            self.entries
                .iter()
                .map(|entry| entry.rule(entry.devices.clone()))
                .collect()
        };
        check(&self.file, rules)
    }

    /// A rule for each GPU that an entry speaks of.
    fn matched(&self, gpus: &[v1::Gpu]) -> Result<Vec<LayoutRuleDocument>, LayoutInputError> {
        let mut rules: BTreeMap<u32, LayoutRuleDocument> = BTreeMap::new();
        for entry in &self.entries {
            for gpu in gpus.iter().filter(|gpu| entry.names(gpu)) {
                if !self.passes(entry, gpu)? {
                    continue;
                }
                let rule = entry.rule(Gpus::List(vec![GpuName::Index(gpu.index)]));
                if let Some(other) = rules.insert(gpu.index, rule.clone())
                    && other != rule
                {
                    let (config, gpu) = (self.name.clone(), gpu.index);
                    return Err(LayoutInputError::Conflict { config, gpu });
                }
            }
        }
        if rules.is_empty() {
            let config = self.name.clone();
            let mut entries = self.entries.iter();
            let filters = entries.any(|entry| !entry.device_filter.as_slice().is_empty());
            return Err(match filters {
                true => LayoutInputError::NoMatch { config },
                false => LayoutInputError::NoneHere { config },
            });
        }
        Ok(rules.into_values().collect())
    }

    fn passes(&self, entry: &Entry, gpu: &v1::Gpu) -> Result<bool, LayoutInputError> {
        let filters = entry.device_filter.as_slice();
        let mut passes = filters.is_empty();
        for filter in filters {
            let ids = pci_ids(filter).ok_or_else(|| LayoutInputError::Filter {
                config: self.name.clone(),
                filter: filter.clone(),
            })?;
            let subsystem = ids.1.is_none_or(|id| id == gpu.pci_subsystem_id);
            passes |= ids.0 == gpu.pci_device_id && subsystem;
        }
        Ok(passes)
    }
}

impl Entry {
    fn rule(&self, gpus: Gpus) -> LayoutRuleDocument {
        LayoutRuleDocument {
            gpus,
            mig: Some(self.mig_enabled),
            slices: self.mig_devices.clone(),
            ..LayoutRuleDocument::default()
        }
    }

    fn names(&self, gpu: &v1::Gpu) -> bool {
        match &self.devices {
            Gpus::All => true,
            Gpus::List(names) => names.iter().any(|name| is(name, gpu)),
        }
    }
}

/// Whether a name means a GPU.
fn is(name: &GpuName, gpu: &v1::Gpu) -> bool {
    match name {
        GpuName::Index(index) => *index == gpu.index,
        GpuName::Text(text) => {
            *text == gpu.uuid || *text == gpu.pci || *text == gpu.index.to_string()
        }
    }
}

impl std::fmt::Display for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "configuration {:?}", self.name)
    }
}

/// `0x233010DE`, device and vendor; after a colon the same of the subsystem may stand.
fn pci_ids(filter: &str) -> Option<(u32, Option<u32>)> {
    let id = |text: &str| {
        let digits = text
            .strip_prefix("0x")
            .or_else(|| text.strip_prefix("0X"))?;
        u32::from_str_radix(digits, 16).ok()
    };
    match filter.split_once(':') {
        None => Some((id(filter)?, None)),
        Some((device, subsystem)) => Some((id(device)?, Some(id(subsystem)?))),
    }
}
