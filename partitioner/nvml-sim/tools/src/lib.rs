//! The vendor's small tools on a simulated machine, as programs with state: `nvidia-cuda-mps-control` with its
//! daemon, `nvidia-cuda-mps-server`, and of `nvidia-smi` what NVML cannot do.
//!
//! One program under three names. It finds its machine by where it lies, as the library does, and the machine's
//! state has what it changes there: time slices, compute modes, the processes of servers and clients, and what is
//! to go wrong.
//!
//! - `state` owns what a control daemon knows, and is pure: commands in, answers and effects out;
//! - `daemon` carries that out: files, sockets, threads, server processes;
//! - `shell` is the tool without `-d` and `-f`: commands from standard input;
//! - `client` is a process that computes through MPS, for `kerf sim mps-client` and for tests;
//! - `smi`, `server` and `home` own what their names say.
//!
//! It never touches a device: what it does to GPUs it does to the machine's state.

pub mod client;
mod daemon;
mod home;
mod out;
mod run;
mod server;
mod shell;
mod smi;
mod state;

pub use run::run;
