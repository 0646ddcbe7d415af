//! `[gpu_labels]`: names that an operator gives to GPUs, for the rules of layouts.
//!
//! ```toml
//! [gpu_labels]
//! "0000:1b:00.0" = ["training"]
//! "7" = ["training", "spare"]
//! ```

use std::collections::{BTreeMap, BTreeSet};

use kerf_api::convert::{
    GPU_LIMIT, LABEL_LIMIT, LABEL_TEXT_LIMIT, gpu_selector, gpu_selector_text,
};
use kerf_types::layout::{GpuSelector, Layout};
use kerf_types::{Inventory, PciAddress};

use super::ConfigError;

const KEY: &str = "gpu_labels";

/// The labels of GPUs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GpuLabels(Vec<(GpuSelector, Vec<String>)>);

/// A rule names a label that no GPU of this host has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no GPU of this host has the label {label:?}: {}", known_text(known))]
pub struct NoLabel {
    /// The label.
    pub label: String,
    /// What there is, the most alike first.
    pub known: Vec<String>,
}

fn known_text(known: &[String]) -> String {
    match known {
        [] => "gpu_labels in kerf.toml gives none".to_owned(),
        known => format!("there is {}", known.join(", ")),
    }
}

impl GpuLabels {
    /// Reads the table.
    pub fn try_new(table: BTreeMap<String, Vec<String>>) -> Result<Self, ConfigError> {
        let wrong = |message: String| ConfigError::Value { key: KEY, message };
        if table.len() > GPU_LIMIT {
            return Err(wrong(format!(
                "{} GPUs, at most {GPU_LIMIT} are named",
                table.len()
            )));
        }
        let mut read = Vec::new();
        for (gpu, labels) in table {
            let selector = gpu_selector(&gpu).map_err(|error| wrong(error.to_string()))?;
            if !matches!(
                selector,
                GpuSelector::Index(_) | GpuSelector::Uuid(_) | GpuSelector::Pci(_)
            ) {
                return Err(wrong(format!(
                    "{gpu:?} is not an index, a UUID or an address of one GPU"
                )));
            }
            let is_wrong = |label: &&String| label.is_empty() || label.len() > LABEL_TEXT_LIMIT;
            if let Some(label) = labels.iter().find(is_wrong) {
                return Err(wrong(format!(
                    "{label:?} of GPU {gpu:?} is no label of 1 to {LABEL_TEXT_LIMIT} bytes"
                )));
            }
            if labels.len() > LABEL_LIMIT {
                return Err(wrong(format!(
                    "GPU {gpu:?} has more than {LABEL_LIMIT} labels"
                )));
            }
            read.push((selector, labels));
        }
        Ok(Self(read))
    }

    /// The same as a table.
    pub fn as_table(&self) -> BTreeMap<String, Vec<String>> {
        let rows = self.0.iter();
        rows.map(|(gpu, labels)| (gpu_selector_text(gpu), labels.clone()))
            .collect()
    }

    /// A layout in which GPUs go by their addresses where it says a label.
    pub fn resolve(&self, layout: &Layout, inventory: &Inventory) -> Result<Layout, NoLabel> {
        let mut resolved = layout.clone();
        for rule in &mut resolved.rules {
            let mut gpus = Vec::new();
            for selector in &rule.gpus {
                match selector {
                    GpuSelector::Label(label) if rule.amd.is_some() => {
                        gpus.extend(self.labelled_amd(label, inventory)?);
                    }
                    GpuSelector::Label(label) => gpus.extend(self.labelled(label, inventory)?),
                    other => gpus.push(other.clone()),
                }
            }
            rule.gpus = gpus;
        }
        Ok(resolved)
    }

    fn labelled(&self, label: &str, inventory: &Inventory) -> Result<Vec<GpuSelector>, NoLabel> {
        let has = |gpu: &&kerf_types::Gpu| {
            let mut rows = self.0.iter().filter(|(selector, _)| selector.selects(gpu));
            rows.any(|(_, labels)| labels.iter().any(|one| one == label))
        };
        let gpus = inventory.gpus.iter().filter(has);
        self.some(label, gpus.map(|gpu| gpu.pci))
    }

    /// AMD GPUs with a label. They have it by their address alone: an index of the table is one of NVML's.
    fn labelled_amd(
        &self,
        label: &str,
        inventory: &Inventory,
    ) -> Result<Vec<GpuSelector>, NoLabel> {
        let has = |gpu: &&kerf_types::AmdGpu| {
            let own = GpuSelector::Pci(gpu.pci);
            let mut rows = self.0.iter().filter(|(selector, _)| *selector == own);
            rows.any(|(_, labels)| labels.iter().any(|one| one == label))
        };
        let gpus = inventory.amd.iter().filter(has);
        self.some(label, gpus.map(|gpu| gpu.pci))
    }

    fn some(
        &self,
        label: &str,
        found: impl Iterator<Item = PciAddress>,
    ) -> Result<Vec<GpuSelector>, NoLabel> {
        let found: Vec<GpuSelector> = found.map(GpuSelector::Pci).collect();
        if found.is_empty() {
            return Err(NoLabel {
                label: label.to_owned(),
                known: self.alike(label),
            });
        }
        Ok(found)
    }

    fn alike(&self, label: &str) -> Vec<String> {
        let known: BTreeSet<&String> = self.0.iter().flat_map(|(_, labels)| labels).collect();
        let mut known: Vec<String> = known.into_iter().cloned().collect();
        known.sort_by(|a, b| {
            strsim::jaro_winkler(label, b).total_cmp(&strsim::jaro_winkler(label, a))
        });
        known
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use kerf_types::layout::{GpuSelector, Layout, LayoutRule};

    use super::GpuLabels;
    use crate::host::fixture;

    fn labels(rows: &[(&str, &[&str])]) -> Result<GpuLabels, String> {
        let row = |(gpu, labels): &(&str, &[&str])| {
            let labels = labels.iter().map(|label| (*label).to_owned());
            ((*gpu).to_owned(), labels.collect())
        };
        let table: BTreeMap<String, Vec<String>> = rows.iter().map(row).collect();
        GpuLabels::try_new(table).map_err(|error| error.to_string())
    }

    #[test]
    fn a_label_means_the_gpus_that_have_it() {
        let inventory = fixture::inventory(vec![fixture::gpu(0), fixture::gpu(1)]);
        let gpu = &inventory.gpus[0];
        let rows = labels(&[
            (&gpu.pci.to_string(), &["training", "spare"]),
            ("99", &["gone"]),
        ]);
        let rows = rows.expect("labels");
        let layout = |label: &str| Layout {
            rules: vec![LayoutRule {
                gpus: vec![GpuSelector::Label(label.to_owned())],
                mig_enabled: true,
                ..LayoutRule::default()
            }],
        };
        let resolved = rows
            .resolve(&layout("spare"), &inventory)
            .expect("it is there");
        assert_eq!(resolved.rules[0].gpus, [GpuSelector::Pci(gpu.pci)]);
        let text = |label: &str| {
            let refusal = rows.resolve(&layout(label), &inventory).expect_err("none");
            refusal.to_string()
        };
        assert_eq!(
            text("trainin"),
            "no GPU of this host has the label \"trainin\": there is training, gone, spare"
        );
        assert!(text("gone").starts_with("no GPU of this host has the label \"gone\""));
        // A label may be one of GPUs of both kinds.
        let mut mixed = inventory.clone();
        mixed.amd = vec![fixture::amd(0)];
        let amd = mixed.amd[0].pci;
        let rows = labels(&[(&amd.to_string(), &["both"]), ("0", &["both", "own"])]);
        let rows = rows.expect("labels");
        let about_amd = |label: &str| {
            let mut layout = layout(label);
            layout.rules[0].amd = Some(kerf_types::AmdWish::default());
            rows.resolve(&layout, &mixed)
        };
        let resolved = about_amd("both").expect("it is there");
        assert_eq!(resolved.rules[0].gpus, [GpuSelector::Pci(amd)]);
        assert!(about_amd("own").is_err());
        assert_eq!(
            labels(&[("all", &["x"])]),
            Err("gpu_labels: \"all\" is not an index, a UUID or an address of one GPU".to_owned())
        );
        assert!(labels(&[("0", &[""])]).is_err() && labels(&[("card0", &["x"])]).is_err());
    }
}
