//! Tests of the core: the bytes, hostile datagrams, and the lives of hosts. Whole fleets are tested by
//! kerf-cluster-sim.

#![expect(
    clippy::indexing_slicing,
    reason = "a test that indexes wrongly fails, as it should"
)]

mod forget;
mod health;
mod hostile;
mod lives;
mod probes;
mod records;
mod releases;
mod vouched;
mod wire;
mod world;
