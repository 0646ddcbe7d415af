//! A question with its names made out, and what the planner and the checker say to it.

use std::rc::Rc;

use kerf_planner::check::{Subject, Violation, check_split};
use kerf_planner::{
    Existing, FitError, SplitBudget, SplitError, SplitGpu, SplitPlan, Tables, Wanted, plan_split,
};
use kerf_types::ProfileId;

use super::grid::{BadGrid, Grids, Known};
use super::placed::{self, BadState};
use super::wire;

/// A question that can be planned.
#[derive(Debug)]
pub(super) struct Question {
    pub id: wire::Id,
    /// The grid of each GPU.
    pub grids: Vec<Rc<Known>>,
    current: Vec<Vec<Existing>>,
    wanted: Vec<Wanted>,
}

/// What comes of it.
#[derive(Debug)]
pub(super) enum Outcome {
    /// A plan that passed its check.
    Plan(SplitPlan),
    /// There is none, and why.
    None(String),
}

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum QuestionError {
    /// A grid makes no sense.
    #[error("the grid of GPU {gpu} is not right")]
    Grid { gpu: usize, source: BadGrid },
    /// What is placed cannot be.
    #[error("what is placed on GPU {gpu} is not right")]
    State { gpu: usize, source: BadState },
    /// The names do not say what is wanted, or the planner found out nothing.
    #[error(transparent)]
    Split(#[from] SplitError),
    /// The planner's own answer is wrong. What concerns all GPUs has the number after the last.
    #[error("the plan for GPU {gpu} did not pass its check")]
    Check { gpu: usize, source: Violation },
}

impl Question {
    pub fn new(request: wire::Request, grids: &mut Grids) -> Result<Self, QuestionError> {
        let mut out = Self {
            id: request.id,
            grids: Vec::with_capacity(request.gpus.len()),
            current: Vec::with_capacity(request.gpus.len()),
            wanted: Vec::with_capacity(request.want.0.len()),
        };
        for (gpu, at) in request.gpus.into_iter().zip(0..) {
            let known = grids.get(gpu.grid);
            let known = known.map_err(|source| QuestionError::Grid { gpu: at, source })?;
            let current = placed::current(&known, &gpu.placed);
            out.current
                .push(current.map_err(|source| QuestionError::State { gpu: at, source })?);
            out.grids.push(known);
        }
        for (name, count) in request.want.0 {
            let profiles = out.meaning(&name)?;
            match out
                .wanted
                .iter_mut()
                .find(|one| one.profiles == profiles && is_somewhere(one))
            {
                // Another spelling of the same name.
                Some(same) => same.count = same.count.saturating_add(count),
                None => out.wanted.push(Wanted {
                    name,
                    count,
                    profiles,
                }),
            }
        }
        Ok(out)
    }

    /// A name is meant literally wherever any GPU has it.
    fn meaning(&self, name: &str) -> Result<Vec<Option<ProfileId>>, SplitError> {
        let exact: Vec<_> = self.grids.iter().map(|grid| grid.id(name)).collect();
        if exact.iter().any(Option::is_some) {
            return Ok(exact);
        }
        let like = self.grids.iter().zip(0..).map(|(grid, gpu)| {
            grid.like(name).map_err(|candidates| SplitError::Ambiguous {
                name: name.to_owned(),
                gpu,
                candidates: candidates.join(", "),
            })
        });
        like.collect()
    }

    /// Plans, and has the plan checked.
    pub fn plan(&self, tables: &mut Tables) -> Result<Outcome, QuestionError> {
        let pairs = self.grids.iter().zip(&self.current);
        let gpus: Vec<SplitGpu<'_>> = pairs
            .map(|(known, current)| SplitGpu {
                grid: &known.grid,
                current,
            })
            .collect();
        let plan = match plan_split(&gpus, &self.wanted, tables, SplitBudget::default()) {
            Ok(plan) => plan,
            Err(error) => return self.refusal(error),
        };
        let pairs = self.grids.iter().zip(&self.current);
        let subjects: Vec<Subject<'_>> = pairs
            .map(|(known, current)| Subject {
                profiles: &known.profiles,
                engines: known.engines,
                current,
            })
            .collect();
        match check_split(&subjects, &self.wanted, &plan)
            .into_iter()
            .next()
        {
            None => Ok(Outcome::Plan(plan)),
            Some((gpu, source)) => Err(QuestionError::Check { gpu, source }),
        }
    }

    fn refusal(&self, error: SplitError) -> Result<Outcome, QuestionError> {
        match &error {
            SplitError::TooManyGpus { .. }
            | SplitError::Ambiguous { .. }
            | SplitError::Partial { .. }
            | SplitError::SameProfile { .. }
            | SplitError::Undecided { .. }
            | SplitError::Fit {
                source: FitError::Undecided { .. },
                ..
            } => Err(QuestionError::Split(error)),
            // The cause names profiles as the planner knows them.
            SplitError::Fit { source, .. } if self.grids.iter().all(|one| one.has_own_names) => {
                Ok(Outcome::None(source.to_string()))
            }
            SplitError::Nowhere { .. }
            | SplitError::TooMany { .. }
            | SplitError::PinNotWanted { .. }
            | SplitError::NoSplit { .. }
            | SplitError::Fit { .. } => Ok(Outcome::None(error.to_string())),
        }
    }
}

fn is_somewhere(one: &Wanted) -> bool {
    one.profiles.iter().any(Option::is_some)
}
