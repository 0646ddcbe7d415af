//! The one integration binary: what holds for the source tree, and what holds for running worlds.

mod cli;
mod fleet;
mod host;
mod launcher;
mod structure;
mod world;
