//! Where jobs go in a fleet that has no master, and how they get there all or none.
//!
//! Pure: [`place()`] is a function of what is known of the hosts, and [`Core`] a state machine whose time,
//! randomness, messages and storage are arguments. It never opens a socket or a file, never reads a clock, and
//! never grants a device: the host that has it does.
//!
//! | module | what it owns |
//! |---|---|
//! | [`compact`](mod@compact) | from an inventory to what a record says of it |
//! | [`model`] | one host rebuilt from its record, asked with the owner's own planner |
//! | [`fleet`] | the newest record of each host, and whether it is there |
//! | [`filter`], [`effect`], [`score`] | whether a host may get a member, what that does to it, how good it is |
//! | [`place`](mod@place), [`explain`] | which host each member gets, and what was said of every host |
//! | [`core`] | reserve, decide, confirm, start: for jobs submitted here and for devices owned here |

#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing)]

pub mod compact;
pub mod core;
pub mod effect;
pub mod explain;
pub mod filter;
pub mod fleet;
pub mod model;
pub mod place;
pub mod rng;
pub mod score;

pub use self::core::{Core, Faults, Input, NoFaults, Output, Saved, Settings};
pub use compact::compact;
pub use explain::{Explanation, Verdict};
pub use filter::Refusal;
pub use fleet::{Fleet, Liveness};
pub use place::{Claim, Placement, SAMPLE, Wish, place};
pub use rng::Rng;
pub use score::Score;

#[cfg(test)]
mod tests;
