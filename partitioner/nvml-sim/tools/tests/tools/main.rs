//! The vendor's tools on a simulated machine, run as the programs that they are.

mod clients;
mod daemon;
mod smi;
mod trouble;
mod world;
