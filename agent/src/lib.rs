//! kerfd, the host daemon, and kerf, its command line.
//!
//! `main` of each binary is a table of contents; what it lists lies here, one folder a duty. IO stands
//! in this crate, decisions in the pure crates that it drives.

pub mod cdi;
pub mod cli;
pub mod cluster;
pub mod config;
pub mod daemon;
pub mod errors;
pub mod events;
pub mod files;
pub mod fleet;
pub mod hardware;
pub mod host;
pub mod jobs;
pub mod launcher;
pub mod members;
pub mod nri;
pub mod others;
pub mod peers;
pub mod problems;
pub mod process;
pub mod rpc;
pub mod sampler;
pub mod setup;
pub mod shim;
pub mod sockets;
pub mod store;
pub mod usage;
pub mod web;
