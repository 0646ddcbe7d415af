//! What the integration tests and `cargo xtask demo` share: real processes, real containerd, real files.
//!
//! It owns the private worlds that tests run in (temporary folders, child processes, a containerd
//! of their own) and sees to it that nothing of them stays behind. It never touches the host's own
//! containerd and never ends a process that it did not start.

pub mod bins;
pub mod capability;
pub mod drawing;
pub mod engines;
pub mod executable;
pub mod http;
pub mod junk;
pub mod mounts;
pub mod nspawn;
pub mod poll;
pub mod probe;
pub mod process;
pub mod scratch;
mod sys;
pub mod tree;
pub mod world;

pub use capability::{Capability, note, require, skip};
pub use process::ChildGuard;
pub use scratch::Scratch;
