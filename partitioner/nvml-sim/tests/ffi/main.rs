//! The library as other programs use it: loaded from a machine's folder, called through the C ABI.

mod busy;
mod clients;
mod common;
mod faults;
mod inventory;
mod mig;
mod nodes;
mod processes;
mod symbols;
mod telemetry;
