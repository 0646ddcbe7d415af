//! Going on with a layout that an earlier kerfd began.

use kerf_planner::HostPlan;
use kerf_planner::host::rules_by_gpu;

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

    /// An interrupted layout is given up: GPUs that have neither it nor what is kept for them are told.
    pub(super) fn lose_interrupted(&mut self, work: &Work, why: &str) {
        let rules = match work {
            Work::Layout { layout, force, .. } => {
                let request = interrupted(layout, false, force).ok();
                request.and_then(|request| rules_by_gpu(&self.inventory, &request.layout).ok())
            }
            _ => None,
        };
        for (pci, rule) in rules.into_iter().flatten() {
            let is_kept = self.kept.wanted(pci).is_some() && is_there(&self.plan_kept(&[pci]));
            if !is_kept && !is_there(&self.plan_again(vec![rule])) {
                self.lose_kept(
                    pci,
                    &format!("an interrupted change of it was given up: {why}"),
                );
            }
        }
        drop(self.save_kept());
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
