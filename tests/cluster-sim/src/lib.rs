//! Deterministic simulation of many hosts in one thread: virtual time, a network that misbehaves, crashes,
//! pauses, clocks that are hours apart, and checkers that share no code with what they check.
//!
//! [`World`] moves messages and time for any [`Node`]; [`Fleet`] is a world of membership cores with the
//! checks of [`Watch`]; [`scenario`] holds what the command runs. The same seed gives the same run.

#![forbid(unsafe_code)]

mod fleet;
pub mod gossip;
mod keys;
mod member;
mod network;
mod node;
mod report;
pub mod run;
pub mod scenario;
mod watch;
mod world;

pub use fleet::{Fleet, Sealing, Setup};
pub use keys::Keys;
pub use member::{KeyedSealer, MemberNode, Note, Packet};
pub use network::{Network, Weather};
pub use node::{Carriage, Effect, Event, Node};
pub use report::{HEAD, Percentiles, Report};
pub use watch::{Violation, Watch};
pub use world::{HostIndex, Micros, Observer, SECOND, Truth, World};

#[cfg(test)]
mod tests;
