//! Whole hosts: a real kerfd on a simulated machine, with real containers of a real containerd.

pub mod browser;
mod bundle;
mod cdi;
mod cdi_spec;
mod client;
mod containers;
mod crash;
mod daemons;
mod faults;
mod gone;
mod isolation;
mod layouts;
mod maintenance;
mod metrics;
mod offered;
pub mod page;
mod parts;
mod refusals;
mod rings;
mod rules;
pub mod said;
mod scrapes;
mod sharing;
mod store;
mod vgpu;
mod web;
mod world;
