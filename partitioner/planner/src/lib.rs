//! The planner: which slices to keep, destroy and create so that a GPU holds what is wanted, at the least
//! disturbance of what lives on it; where one more slice should go; and the checker that vets each plan.
//!
//! Pure: every function maps facts (what a driver told, who uses what) to data. It never opens a device,
//! reads a clock or carries anything out; a search is bounded by a count of nodes, not by time, so that
//! the same question has the same answer on every machine.
//!
//! | module | what it answers |
//! |---|---|
//! | [`grid`] | what may lie where on one GPU, as its driver describes it |
//! | [`options`] | how much room is left beside what lies there |
//! | [`gpu`] | the cheapest way of one GPU to a wanted multiset of slices, proven |
//! | [`split`] | the cheapest way of several GPUs to one multiset, split over them in any way |
//! | [`host`] | a whole layout: rules, pins, MIG mode, one plan per GPU |
//! | [`amd`] | the modes of AMD GPUs: which steps, and what is refused |
//! | [`mod@choose`] | which slice or GPU an ask gets |
//! | [`rings`] | which set of accelerators has the widest ring and leaves the most for later |
//! | [`check`] | whether a plan may be carried out; shares no code with the rest |

#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing)]

pub mod amd;
pub mod check;
pub mod choose;
pub mod gpu;
pub mod grid;
pub mod host;
pub mod options;
pub mod rings;
mod search;
pub mod split;
mod steps;

pub use choose::{Choice, GpuView, NoRoom, PartCut, Pick, SharePick, choose};
pub use gpu::{
    Budget, Division, Existing, FitError, GpuPlan, Kept, Part, Target, plan_gpu, plan_slices,
};
pub use grid::{Grid, GridError, GridProfile, NameError};
pub use host::{GpuChange, HostPlan, HostRequest, PlanError, Usage, Use, plan_host};
pub use options::Options;
pub use split::{SplitBudget, SplitError, SplitGpu, SplitPlan, Tables, Wanted, plan_split};

// The fixtures name the crate as a benchmark does.
#[cfg(test)]
extern crate self as kerf_planner;
#[cfg(test)]
#[path = "../benches/fixtures/families.rs"]
mod families;
#[cfg(test)]
#[path = "../benches/fixtures/host.rs"]
mod hosts;
#[cfg(test)]
#[path = "../benches/fixtures/machine.rs"]
mod machine;
#[cfg(test)]
#[path = "../benches/fixtures/space.rs"]
mod space;
#[cfg(test)]
mod tests;
