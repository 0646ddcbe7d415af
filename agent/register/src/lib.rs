//! A rewritable register that a few hosts hold together: CASPaxos, so a ballot and a value, and no log.
//!
//! Pure: [`Registers`] is a state machine whose time, messages and storage are arguments. What its rules are and why each
//! is needed stands in `ALGORITHM.md` beside this crate.
//!
//! | module | what it owns |
//! |---|---|
//! | [`ballot`] | replicas, and the order of proposals |
//! | [`config`] | who the replicas of a register are, and how they are exchanged |
//! | [`state`] | what a register holds, and what a replica writes down |
//! | [`message`], [`io`] | what is said, wanted and answered |
//! | `acceptor` | what this host promises and accepts |
//! | `proposer`, `proposal`, `answers` | what this host wants of registers |
//! | `ending` | how a retired register is forgotten by all who know it |
//! | `gate` | nothing leaves before what it depends on is durable |

#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing)]

mod acceptor;
mod answers;
pub mod ballot;
pub mod config;
mod ending;
mod faults;
mod gate;
pub mod io;
pub mod message;
mod proposal;
mod proposer;
mod random;
mod registers;
pub mod state;

pub use ballot::{Ballot, Replica};
pub use config::{Config, Forced, Step};
pub use faults::{Faults, NoFaults};
pub use io::{Answer, Ending, Input, Output, Settings, Want};
pub use message::{Body, Message};
pub use registers::{Registers, Waiting};
pub use state::{Accepted, Change, Row, State};

#[cfg(test)]
mod tests;
