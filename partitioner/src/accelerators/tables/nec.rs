//! NEC's vector engines.

use kerf_types::map::CapabilityKey as Key;

use super::{Fact, flag, word};

/// What all of SX-Aurora TSUBASA have ("SX-Aurora TSUBASA Architecture Guide", Vector Engine Type 10 to 30). They
/// have no matrix units, so they set no formats.
pub const VECTOR_ENGINE: &[Fact] = &[
    word(Key::MemoryKind, "hbm2").unverified(),
    flag(Key::MemoryEcc, true).unverified(),
    flag(Key::TransformerEngine, false).unverified(),
];
