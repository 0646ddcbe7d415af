//! The AMD part of a layout: which rule speaks of which AMD GPU, and the plan to its modes.
//!
//! Rules with `amd` and rules without see different GPUs, so that on a host with both `all` and an index mean those of
//! the rule's own kind: an AMD GPU has no NVML index, and is counted among AMD GPUs in order of their addresses.

use std::collections::BTreeMap;

use kerf_types::layout::{GpuSelector, Layout, LayoutRule};
use kerf_types::{AmdGpu, AmdWish, Inventory, PciAddress};

use super::select::{health_text, listed, selector_text};
use super::{GpuName, HostPlan, HostRequest, PlanError};
use crate::amd::{AmdPlanError, AmdRequest, plan_amd};

/// An AMD GPU and the rule that speaks of it.
struct Selected<'a> {
    gpu: &'a AmdGpu,
    rule: &'a LayoutRule,
    wish: AmdWish,
    /// Counted from 1.
    rule_number: usize,
    /// Whether the rule names it, rather than covering it by `all` or its model.
    by_name: bool,
}

/// Adds what is to be done on AMD GPUs.
pub(super) fn plan(request: &HostRequest<'_>, plan: &mut HostPlan) -> Result<(), PlanError> {
    let mut wishes = BTreeMap::new();
    for selected in select(request.inventory, request.layout)? {
        let gpu = GpuName::from(selected.gpu);
        if selected.gpu.health.is_ok() {
            wishes.insert(gpu.pci, selected.wish);
        } else if selected.by_name {
            return Err(PlanError::Amd(AmdPlanError::Sick { gpu }));
        } else {
            plan.amd_skipped
                .push((gpu, health_text(&selected.gpu.health)));
        }
    }
    let planned = plan_amd(&AmdRequest {
        gpus: &request.inventory.amd,
        wishes: &wishes,
        leased: &request.usage.gpus,
    });
    plan.amd = planned.map_err(PlanError::Amd)?;
    Ok(())
}

/// The rule that speaks of each AMD GPU, by address.
pub(super) fn rules(
    inventory: &Inventory,
    layout: &Layout,
) -> Result<BTreeMap<PciAddress, LayoutRule>, PlanError> {
    let selected = select(inventory, layout)?;
    let rules = selected.into_iter();
    Ok(rules
        .map(|one| (one.gpu.pci, one.rule.of_gpu(one.gpu.pci)))
        .collect())
}

/// Every AMD GPU that a rule speaks of, in order of the addresses.
fn select<'a>(
    inventory: &'a Inventory,
    layout: &'a Layout,
) -> Result<Vec<Selected<'a>>, PlanError> {
    let mut out: BTreeMap<PciAddress, Selected<'a>> = BTreeMap::new();
    for (rule, rule_number) in layout.rules.iter().zip(1..) {
        let Some(wish) = rule.amd else {
            continue;
        };
        for selector in &rule.gpus {
            let gpus = inventory.amd.iter();
            let mut found = gpus.filter(|gpu| selector.selects_amd(gpu)).peekable();
            if *selector != GpuSelector::All && found.peek().is_none() {
                return Err(PlanError::NoAmdGpu {
                    rule: rule_number,
                    selector: selector_text(selector),
                    known: listed(inventory.amd.iter().map(|gpu| (gpu.index, gpu.pci))),
                });
            }
            let by_name = !selector.is_sweeping();
            for gpu in found {
                let new = Selected {
                    gpu,
                    rule,
                    wish,
                    rule_number,
                    by_name,
                };
                let old = out.entry(gpu.pci).or_insert(new);
                if old.rule_number != rule_number {
                    return Err(PlanError::TwoAmdRules {
                        gpu: gpu.into(),
                        first: old.rule_number,
                        second: rule_number,
                    });
                }
                old.by_name |= by_name;
            }
        }
    }
    Ok(out.into_values().collect())
}
