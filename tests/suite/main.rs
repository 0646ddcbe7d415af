//! The one integration binary: what holds for the source tree, and what holds for running worlds.

mod structure;
mod world;
