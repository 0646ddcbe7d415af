//! Going on with a layout that an earlier kerfd began.

use std::collections::BTreeSet;

use kerf_planner::HostPlan;
use kerf_planner::host::rules_by_gpu;
use kerf_types::PciAddress;
use kerf_types::layout::{Layout, LayoutRule};

use super::layout::plan;
use super::{Host, HostError, LayoutDone, LayoutRequest};
use crate::errors::chain;
use crate::store::{StoreError, Work};

impl Host {
    /// Finishes a layout that an earlier kerfd began: it is planned again from what is there now, so that
    /// it does not matter where the crash fell. It ends as its plan would have; only where that cannot be had any more it
    /// may lie elsewhere.
    pub(super) async fn resume_layout(
        &mut self,
        number: i64,
        request: LayoutRequest,
        placed: Option<LayoutRequest>,
        history: Option<i64>,
    ) -> Result<(), HostError> {
        let usage = self.usage_but(&request.force);
        let exact = placed.and_then(|placed| {
            let plan = plan(&self.inventory, &usage, &placed).ok()?;
            Some((placed, plan))
        });
        let (carried, plan) = match exact {
            Some(exact) => exact,
            None => (request.clone(), plan(&self.inventory, &usage, &request)?),
        };
        tracing::info!("interrupted apply goes on");
        if let Some(history) = history {
            self.go_on_with_record(history);
        }
        let mut done = LayoutDone::default();
        let outcome = self.carry_out(&carried, plan, None, &mut done).await;
        self.end_forced(&request.force, None).await;
        self.end_record(outcome.as_ref().map(drop));
        outcome?;
        self.keep(&request, &done.after_reset)?;
        self.write(|store| store.end_work(number))
    }

    /// An interrupted layout is given up: GPUs that have neither it nor what is kept for them are told. One that is
    /// looked at again anyway has an entry of its own.
    pub(super) fn lose_interrupted(&mut self, work: &Work, why: &str) {
        let Work::Layout { layout, force, .. } = work else {
            return;
        };
        let Ok(request) = interrupted(layout, false, force) else {
            return;
        };
        let open: BTreeSet<PciAddress> = self.kept.open().collect();
        for (pci, rule) in self.rules_that_read(&request.layout) {
            let is_kept = self.kept.wanted(pci).is_some() && is_there(&self.plan_kept(&[pci]));
            if !is_kept && !open.contains(&pci) && !is_there(&self.plan_again(vec![rule])) {
                self.lose_kept(
                    pci,
                    &format!("an interrupted change of it was given up: {why}"),
                );
            }
        }
        drop(self.save_kept());
    }

    /// The rules of a layout for the GPUs that are there; one that is gone hides no other.
    fn rules_that_read(&self, layout: &Layout) -> Vec<(PciAddress, LayoutRule)> {
        let each = layout.rules.iter().flat_map(|rule| {
            let gpus = rule.gpus.iter();
            gpus.map(|gpu| LayoutRule {
                gpus: vec![gpu.clone()],
                ..rule.clone()
            })
        });
        let one = |rule: LayoutRule| {
            let layout = Layout { rules: vec![rule] };
            rules_by_gpu(&self.inventory, &layout).unwrap_or_default()
        };
        each.flat_map(one).collect()
    }
}

/// Whether a plan found nothing to do.
fn is_there(planned: &Result<(LayoutRequest, HostPlan), HostError>) -> bool {
    planned.as_ref().is_ok_and(|(_, plan)| plan.is_empty())
}

/// What an interrupted layout asked for.
pub(super) fn interrupted(
    layout: &str,
    allow_reset: bool,
    force: &[String],
) -> Result<LayoutRequest, HostError> {
    let layout = kerf_api::json::layout::parse(layout).map_err(|error| StoreError::Row {
        what: "layout",
        why: chain(&error),
    })?;
    Ok(LayoutRequest {
        layout,
        allow_reset,
        expected_generation: 0,
        force: force.iter().filter_map(|uuid| uuid.parse().ok()).collect(),
        by: None,
    })
}
