//! What a session says to its caller, and is told.

use super::Stage;
use crate::ttrpc::FrameError;
use crate::{Adjustment, Container, Pod, Runtime, mux};

/// Containers that are kept of what a runtime has at the start, of those that carry a lease. A host runs a few
/// hundred.
pub(super) const CONTAINERS: usize = 65_536;

/// Why a connection was given up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// Its frames cannot be read.
    #[error("the connection cannot be read")]
    Mux(#[from] mux::TooLong),
    /// What the frames hold cannot be read.
    #[error("a call cannot be read")]
    Frame(#[from] FrameError),
    /// The runtime does not want this plugin.
    #[error("the runtime refused the plugin: {0}")]
    Refused(String),
    /// It has more containers with leases than any host has.
    #[error("the runtime has more than {CONTAINERS} containers with leases")]
    Crowded,
}

/// A call that waits for its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CallId(pub(super) u32);

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The runtime said who it is, and knows now what it is to call for.
    Configured {
        /// The runtime.
        runtime: Runtime,
        /// Milliseconds after which it goes on without an answer; none where it does not say.
        request_timeout_ms: Option<u64>,
    },
    /// A call that is to be answered.
    Call(CallId, Call),
    /// The runtime goes down.
    Shutdown,
}

/// A call that needs a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// These containers were there before, of those that carry the annotation that is kept.
    Synchronize(Vec<Container>),
    /// A container is to be made.
    Create(Box<(Pod, Container)>),
    /// Something happens to a container.
    Container(Stage, Box<(Pod, Container)>),
    /// A pod is gone.
    PodRemoved(Box<Pod>),
}

/// The answer to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// It may go on, with these changes where it is about a container that is to be made.
    Go(Box<Adjustment>),
    /// It must not go on, for this reason.
    Refuse(String),
}
