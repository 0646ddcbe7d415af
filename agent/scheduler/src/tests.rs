//! The scheduler under faults: a world of hosts in one thread, in virtual time, from a seed.

#![expect(
    clippy::indexing_slicing,
    reason = "a test that indexes wrongly fails, as it should"
)]

mod believed;
mod explained;
mod fixture;
mod forced;
mod forgotten;
mod gang;
mod kept;
mod line;
mod mutants;
mod protocol;
mod race;
mod random;
mod scores;
mod sweep;
mod trust;
mod turns;
mod waiting;
mod world;
mod writes;
