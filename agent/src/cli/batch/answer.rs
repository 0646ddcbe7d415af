//! What a line of output holds, word for word, in this order.

use kerf_planner::SplitPlan;
use kerf_types::{Placement, ProfileId};
use serde::Serialize;

use super::question::{Outcome, Question};
use super::wire::Id;

/// An answer.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Answer {
    /// What to do.
    Plan(Box<Plan>),
    /// It cannot be had.
    None {
        id: Id,
        feasible: bool,
        reason: String,
    },
    /// The line has no answer.
    Error { id: Option<Id>, error: String },
}

/// What to do.
#[derive(Debug, Serialize)]
pub(super) struct Plan {
    id: Id,
    feasible: bool,
    cost: u64,
    lower_bound: u64,
    proof: bool,
    destroy: Vec<Place>,
    create: Vec<Place>,
    keep: Vec<Place>,
    /// What plan and check took together.
    micros: u64,
}

#[derive(Debug, Serialize)]
struct Place {
    gpu: usize,
    profile: String,
    start: u8,
}

impl Answer {
    /// An error with its causes.
    pub fn error(id: Option<Id>, error: &dyn std::error::Error) -> Self {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        Self::Error { id, error: text }
    }

    pub fn is_error(&self) -> bool {
        matches!(self, Self::Error { .. })
    }
}

/// The answer to a question.
pub(super) fn of(question: Question, outcome: Outcome, micros: u64) -> Answer {
    match outcome {
        Outcome::Plan(plan) => Answer::Plan(Box::new(planned(question, &plan, micros))),
        Outcome::None(reason) => Answer::None {
            id: question.id,
            feasible: false,
            reason,
        },
    }
}

fn planned(question: Question, plan: &SplitPlan, micros: u64) -> Plan {
    let grids = &question.grids;
    let place = |gpu: usize, profile: ProfileId, placement: Placement| Place {
        gpu,
        profile: grids
            .get(gpu)
            .map_or("", |grid| grid.name(profile))
            .to_owned(),
        start: placement.start,
    };
    let parts = || plan.gpus.iter().enumerate();
    let destroy = parts().flat_map(|(gpu, part)| {
        let gone = part.destroy.iter();
        gone.map(move |one| place(gpu, one.profile, one.placement))
    });
    let create = parts().flat_map(|(gpu, part)| {
        let made = part.create.iter();
        made.map(move |one| place(gpu, one.profile, one.placement))
    });
    let keep = parts().flat_map(|(gpu, part)| {
        let kept = part.keep.iter().map(|kept| &kept.instance);
        kept.map(move |one| place(gpu, one.profile, one.placement))
    });
    Plan {
        feasible: true,
        cost: plan.cost,
        lower_bound: plan.lower_bound,
        proof: plan.proof,
        destroy: destroy.collect(),
        create: create.collect(),
        keep: keep.collect(),
        micros,
        id: question.id,
    }
}
