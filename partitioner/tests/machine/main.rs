//! The worker against simulated machines, through the real library ABI and the real socket.

mod amd;
mod beside;
mod compute_mode;
mod crash;
mod faults;
mod imported;
mod known;
mod look;
mod mode;
mod mounted;
mod nodes;
mod observe;
mod parts;
mod process;
mod sampling;
mod sharing;
mod steps;
mod symbols;
mod world;
