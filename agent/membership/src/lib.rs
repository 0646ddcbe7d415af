//! Who is in the fleet, and what each host says of itself: the core of kerf's gossip.
//!
//! Liveness is SWIM, by foca, tuned for networks that lose datagrams. Beside it each host is the only writer of
//! one record, which is pushed to all as an epidemic and repaired by bounded anti-entropy. Pure: [`Core::step`]
//! takes the time, an input and a list for what is to be done; [`Core::next_wakeup`] says when it wants to be
//! called again. It opens no socket, reads no clock and draws no randomness but from its seed.
//!
//! Gossip is a hint. Whatever is granted is granted by the host that owns it; nothing here may be a reason to
//! believe that a device is free.
//!
//! # What is remembered over a restart
//! Nothing, so there is no `Persist`. What would have to be, an incarnation that grows with every start, is the
//! caller's: it is in the store before [`Core::new`] is called, and from it follow new versions of this host's
//! record. Peers are found by the seeds again, or by those that miss this host and ask whether it lives.
//!
//! | module | what it holds |
//! |---|---|
//! | [`wire`] | the bytes of datagrams and streams |
//! | [`seal`] | the seam where datagrams are sealed |
//! | [`vouch`] | the seam where records are signed |
//! | `core` | what is done with an input; one file for each part of the protocol |
//! | `view`, `digest` | what is known, as states and as hashes |
//! | `swim` | foca behind a narrow door |

#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing)]

mod config;
mod core;
mod digest;
mod faults;
mod identity;
mod message;
mod pull;
mod record;
pub mod seal;
mod stats;
mod swim;
mod time;
mod timers;
mod view;
pub mod vouch;
pub mod wire;

pub use config::{Config, Timing};
pub use core::{Core, ForgetError};
pub use faults::{Faults, NoFaults};
pub use identity::{ClusterId, Identity, Incarnation, Life};
pub use message::{Change, Input, Member, Output, State};
pub use pull::{Answer, Wanted};
pub use record::{Aged, MAX_PAYLOAD, Payload, PayloadTooLong, Record, Stamp};
pub use seal::{OpenError, SealError, Sealer, Security};
pub use stats::{DropReason, ProbeEnd, Stats};
pub use time::Moment;
pub use vouch::{Proof, ProofError, Voucher, Vouching};

#[cfg(test)]
mod tests;
