//! The plugin's end of NRI, the interface by which containerd and CRI-O ask plugins about the containers of pods.
//!
//! ```text
//! Registering ──registered──► Configuring ──configured──► Synchronizing ──all chunks──► Ready ──shut down──► Ended
//!      └───────────────configured before the answer came────────▲
//! ```
//! [`Session`] takes the bytes of one connection and gives [`Event`]s and bytes to send. Calls that need a decision
//! come with a [`CallId`] and are answered by [`Session::answer`]; everything else it answers itself. Owns the framing
//! and the meaning of messages, and no rule of who may have what. Opens no socket, reads no clock, and never waits.
//!
//! What is read comes from a runtime that runs as root, and is bounded all the same: by the length of a frame, by the
//! number of calls under way, and by keeping of each container only what [`Container`] holds.
//!
//! Sources: `pkg/api/api.proto`, `pkg/net/multiplex` and `pkg/adaptation` of containerd/nri, `channel.go` of
//! containerd/ttrpc.

#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing)]

mod adjustment;
mod facts;
pub mod mux;
mod session;
pub mod ttrpc;

pub use adjustment::{Adjustment, Device, Mount};
pub use facts::{Container, ContainerState, Pod, Runtime};
pub use session::{Call, CallId, Event, Reply, Session, SessionError, Stage};

/// Messages of NRI, package `nri.pkg.api.v1alpha1`, as far as they are needed; for tests that play the runtime too.
pub mod wire {
    #![expect(missing_docs, reason = "generated code; the words stand in nri.proto")]
    include!(concat!(env!("OUT_DIR"), "/nri.pkg.api.v1alpha1.rs"));
}
