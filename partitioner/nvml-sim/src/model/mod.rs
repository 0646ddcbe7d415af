//! The pure model of a machine, foremost of its NVIDIA GPUs. Owns every rule; does no IO, reads no clock and
//! draws no random number.

pub mod capacity;
pub mod card;
pub mod events;
pub mod fabric;
pub mod gpu;
pub mod imported;
pub mod load;
pub mod machine;
pub mod meter;
pub mod mig;
pub mod mischief;
pub mod new;
pub mod nvlink;
pub mod processor;
pub mod product;
pub mod profile;
pub mod share;
pub mod spec;
pub mod status;
pub mod tables;
pub mod tool;
pub mod walk;

#[cfg(test)]
mod tests;

/// A 64-bit mixer (the finaliser of SplitMix64): one round turns a counter into noise.
#[must_use]
pub(crate) fn mix(value: u64) -> u64 {
    let mut mixed = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}
