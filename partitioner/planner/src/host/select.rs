//! Which rule of a layout speaks of which GPU.

use std::collections::BTreeMap;

use kerf_types::inventory::Health;
use kerf_types::layout::{GpuSelector, Layout, LayoutRule};
use kerf_types::{Gpu, Inventory, PciAddress};

use super::{HostRequest, PlanError};

/// A GPU and the rule that speaks of it.
pub(super) struct Selected<'a> {
    pub gpu: &'a Gpu,
    pub rule: &'a LayoutRule,
    /// Counted from 1, for messages.
    pub rule_number: usize,
    /// Whether the rule names it, rather than covering it by `all` or its model.
    pub by_name: bool,
}

/// Every GPU that a rule speaks of, in order of the index.
pub(super) fn select<'a>(request: &HostRequest<'a>) -> Result<Vec<Selected<'a>>, PlanError> {
    selected(request.inventory, request.layout)
}

fn selected<'a>(
    inventory: &'a Inventory,
    layout: &'a Layout,
) -> Result<Vec<Selected<'a>>, PlanError> {
    let mut out: Vec<Selected<'a>> = Vec::new();
    let rules = layout.rules.iter().zip(1..);
    for (rule, rule_number) in rules.filter(|(rule, _)| rule.amd.is_none()) {
        if !rule.mig_enabled && wants_slices(rule) {
            return Err(PlanError::SlicesWithoutMig { rule: rule_number });
        }
        for selector in &rule.gpus {
            let by_name = !selector.is_sweeping();
            let mut found = inventory
                .gpus
                .iter()
                .filter(|gpu| selector.selects(gpu))
                .filter(|gpu| !is_index(selector) || !has_lost_its_index(gpu, inventory))
                .peekable();
            if *selector != GpuSelector::All && found.peek().is_none() {
                return Err(PlanError::NoGpu {
                    rule: rule_number,
                    selector: selector_text(selector),
                    known: known(inventory),
                });
            }
            for gpu in found {
                add(
                    &mut out,
                    Selected {
                        gpu,
                        rule,
                        rule_number,
                        by_name,
                    },
                )?;
            }
        }
    }
    out.sort_by_key(|selected| selected.gpu.index);
    Ok(out)
}

/// The rule that speaks of each GPU, by address: what a layout means on this host, one GPU at a time.
pub fn rules_by_gpu(
    inventory: &Inventory,
    layout: &Layout,
) -> Result<BTreeMap<PciAddress, LayoutRule>, PlanError> {
    let selected = selected(inventory, layout)?;
    let rules = selected.into_iter();
    let rules = rules.map(|one| (one.gpu.pci, one.rule.of_gpu(one.gpu.pci)));
    let amd = super::amd::rules(inventory, layout)?;
    Ok(rules.chain(amd).collect())
}

fn wants_slices(rule: &LayoutRule) -> bool {
    let mut counts = rule.slices.values().chain(rule.at_least.values());
    counts.any(|count| *count > 0)
        || !rule.fill.is_empty()
        || rule
            .places
            .as_ref()
            .is_some_and(|places| !places.is_empty())
}

fn is_index(selector: &GpuSelector) -> bool {
    matches!(selector, GpuSelector::Index(_))
}

/// Whether a lost GPU is known by an index that the driver has given to another one since: indices close up
/// when a GPU leaves, and the one that left is served no more, so the index does not mean it.
fn has_lost_its_index(gpu: &Gpu, inventory: &Inventory) -> bool {
    let is_lost = |gpu: &Gpu| gpu.health.is_lost();
    let mut others = inventory.gpus.iter().filter(|other| other.pci != gpu.pci);
    is_lost(gpu) && others.any(|other| other.index == gpu.index && !is_lost(other))
}

fn add<'a>(out: &mut Vec<Selected<'a>>, new: Selected<'a>) -> Result<(), PlanError> {
    match out.iter_mut().find(|old| old.gpu.pci == new.gpu.pci) {
        None => out.push(new),
        Some(old) if old.rule_number == new.rule_number => old.by_name |= new.by_name,
        Some(old) => {
            return Err(PlanError::TwoRules {
                gpu: new.gpu.into(),
                first: old.rule_number,
                second: new.rule_number,
            });
        }
    }
    Ok(())
}

/// A selector in words.
pub(super) fn selector_text(selector: &GpuSelector) -> String {
    match selector {
        GpuSelector::All => "all GPUs".to_owned(),
        GpuSelector::Index(index) => format!("GPU {index}"),
        GpuSelector::Uuid(uuid) => uuid.to_string(),
        GpuSelector::Pci(pci) => format!("the GPU at {pci}"),
        GpuSelector::Model(pattern) => format!("model {pattern:?}"),
        GpuSelector::Label(label) => format!("label {label:?}"),
    }
}

fn known(inventory: &Inventory) -> String {
    listed(inventory.gpus.iter().map(|gpu| (gpu.index, gpu.pci)))
}

/// GPUs in a message.
pub(super) fn listed(gpus: impl Iterator<Item = (u32, PciAddress)>) -> String {
    let names: Vec<String> = gpus
        .map(|(index, pci)| format!("{index} ({pci})"))
        .collect();
    match names.as_slice() {
        [] => "no GPU".to_owned(),
        names => format!("GPUs {}", names.join(", ")),
    }
}

/// What a sick GPU has, in words.
pub(crate) fn health_text(health: &Health) -> String {
    match health {
        Health::Ok => "well".to_owned(),
        Health::Lost { since } => format!("lost since {since}"),
        Health::Unresponsive { since, operation } => {
            format!("no answer to {operation} since {since}")
        }
        Health::ResetRequired { since } => format!("in need of a reset since {since}"),
        Health::Xid { since, code } => format!("XID {code} at {since}"),
        Health::Maintenance { since } => format!("in maintenance since {since}"),
    }
}
