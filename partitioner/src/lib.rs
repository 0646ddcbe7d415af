//! The privileged side of kerf: finds what a host has and makes the changes that a plan names.
//!
//! Owns every access to NVML, to sysfs and to device nodes, all under an injected root and an injected
//! driver library, so that a simulated machine is served by the same code as a real one. Keeps no state
//! that matters: what it says is read from the hardware when it is asked. Never decides anything: the
//! planner says what to cut, kerfd says when.

pub mod accelerators;
pub mod amd;
pub mod client;
pub mod confine;
pub mod discover;
pub mod library;
pub mod nccl;
pub mod nodes;
pub mod nvml;
pub mod process;
pub mod sharing;
pub mod sysfs;
pub mod systree;
pub mod topology;
pub mod vgpu;
mod words;
pub mod worker;

pub use words::in_words;
