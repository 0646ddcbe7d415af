//! Random numbers of a run: one generator for each purpose, so that one more use of one moves no other.

use kerf_scheduler::Rng;

use crate::world::Micros;

/// The generators.
#[derive(Debug)]
pub struct Dice {
    /// What is submitted.
    pub jobs: Rng,
    /// What goes wrong, and when.
    pub faults: Rng,
    /// How long things take, and what a crash leaves.
    pub hosts: Rng,
    /// Seeds of cores.
    pub seeds: Rng,
}

impl Dice {
    /// The generators of a seed.
    pub fn new(seed: u64) -> Self {
        // Seeds that follow each other give streams that have nothing in common.
        let mut first = Rng::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x6b65_7266_7369_6d21);
        let mut next = || Rng::new(first.next_u64());
        Self {
            jobs: next(),
            faults: next(),
            hosts: next(),
            seeds: next(),
        }
    }
}

/// Whether something happens that does so this often in a thousand.
pub fn chance(rng: &mut Rng, in_thousand: u64) -> bool {
    rng.below(1_000) < in_thousand
}

/// A time from `least` to `most`.
pub fn between(rng: &mut Rng, least: Micros, most: Micros) -> Micros {
    least + rng.below(most.saturating_sub(least) + 1)
}
