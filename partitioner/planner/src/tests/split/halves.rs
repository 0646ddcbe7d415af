//! More than three GPUs, which are searched in two halves: the same plans and the same refusals as by trying all.

use super::{DRAW, check_best};
use crate::families::some_profiles;
use crate::hosts::{Draw, Family, Host};
use crate::machine::Random;
use crate::split::Tables;

/// Hosts of so many GPUs each.
const SIZES: [usize; 3] = [4, 5, 6];
const HOSTS_OF_A_SIZE: usize = 40;

#[test]
fn four_to_six_gpus_are_split_optimally() {
    let families = [
        Family::new(some_profiles("a30-24gb", &[14, 5, 0])),
        Family::new(some_profiles("a30-24gb", &[14, 6, 0])),
    ];
    let draws = [
        Draw {
            requests: 6,
            ..DRAW
        },
        Draw {
            weights: 6,
            pins: 5,
            surplus: 6,
            ..DRAW
        },
    ];
    let (mut random, mut tables) = (Random(29), Tables::default());
    let (mut planned, mut refused) = (0, 0);
    for gpus in SIZES {
        for round in 0..HOSTS_OF_A_SIZE {
            let some: Vec<&Family> = (0..gpus).map(|_| random.pick(&families)).collect();
            let host = Host::random(&some, draws[round % draws.len()], &mut random);
            match check_best(&host, &mut tables) {
                true => planned += 1,
                false => refused += 1,
            }
        }
    }
    assert!(planned > 20 && refused > 20, "{planned} and {refused}");
}
