//! The register in simulated worlds: loss, doubling, reordering, crashes at any write, lost stores.

#![expect(
    clippy::indexing_slicing,
    reason = "a test that indexes wrongly fails, as it should"
)]

mod cases;
mod check;
mod mutants;
mod random;
mod world;
