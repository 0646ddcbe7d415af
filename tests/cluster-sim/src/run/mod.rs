//! Whole hosts in virtual time: the real scheduler, planner and membership on simulated stores, GPUs, containers and
//! networks, with checkers for the invariants of the design.
//!
//! | module | what it owns |
//! |---|---|
//! | [`setup`], [`jobs`] | a scenario in numbers, and what is submitted |
//! | [`engine`] | time, the network, the order of events |
//! | `kerfd`, `lives` | the core of a host and its store; starts, crashes, what is found after them |
//! | `launcher`, `containers`, `owner` | what a core wants done: tasks, processes and their guards, leases |
//! | [`devices`], [`store`], [`clock`] | what outlives kerfd |
//! | `gossip`, `forge` | the membership, real or a stand-in, and who is not of the fleet |
//! | [`faults`] | what goes wrong |
//! | [`checkers`], [`oracle`], [`promise`], [`registers`] | what must be true |
//! | [`mutations`], `faulty` | what can be broken on purpose |
//!
//! A run is a function of its [`Setup`]: the same seed gives the same events in the same order.

pub mod checkers;
pub mod clock;
mod containers;
pub mod devices;
mod dice;
pub mod engine;
pub mod facts;
pub mod faults;
mod faulty;
mod forge;
mod gangs;
mod gossip;
mod host;
pub mod jobs;
mod kerfd;
mod launcher;
mod lives;
pub mod mutations;
pub mod oracle;
mod owner;
pub mod promise;
mod protocol;
pub mod registers;
mod report;
pub mod setup;
pub mod store;
mod trace;
mod words;

pub use engine::World;
pub use mutations::{MUTATIONS, Mutation};
pub use report::{Outcome, Violation};
pub use setup::{Scenario, Setup};

/// Runs one seed.
pub fn run(setup: Setup) -> Outcome {
    let mut world = World::new(setup);
    world.run();
    world.outcome()
}

#[cfg(test)]
mod tests;
