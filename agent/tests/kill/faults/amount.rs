//! Which calls are made to fail, and with which codes: every pair where the whole drill was asked for, else a share
//! that is the same each time.

use std::collections::BTreeSet;

use crate::drill::POINTS_ENV;
use crate::life::is_change;

/// Every code of nvml.h that a call can answer with, and 0: success, and nothing done.
const CODES: [u32; 32] = [
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25,
    26, 27, 28, 29, 30, 999,
];

/// A call that says so and has done nothing.
const SUCCESS: u32 = 0;

/// Of the mode: there is no MIG.
const NOT_SUPPORTED: u32 = 3;

/// From one code to the next: it shares no factor with their number, so that all come in turn, and neighbours in the
/// list, which are alike, come far apart.
const CODE_STRIDE: usize = 11;

/// Single faults of a scene where no number is given, and lasting ones.
const SHARE: (usize, usize) = (40, 14);

/// Of them two in three befall a change of the driver or the call after one.
const NEAR: (usize, usize) = (2, 3);

/// How much of a scene is tried.
#[derive(Debug, Clone, Copy)]
pub struct Amount {
    once: usize,
    ever: usize,
    /// Scenes begin with different codes.
    first: usize,
}

impl Amount {
    /// Of the scene of this number: [`SHARE`], or as many of each kind as [`POINTS_ENV`] says, or all.
    pub fn of(scene: usize) -> Self {
        let (once, ever) = match std::env::var(POINTS_ENV).ok().as_deref() {
            None => SHARE,
            Some("all") => (usize::MAX, usize::MAX),
            Some(text) => {
                let number = text.parse().expect("KERF_KILL_POINTS is a number or all");
                (number, number)
            }
        };
        let first = scene * 5;
        Self { once, ever, first }
    }

    /// Calls with the code that each answers once.
    pub fn once(self, calls: &[String]) -> Vec<(usize, u32)> {
        let is_near = |at: &usize| {
            let before = at.checked_sub(1).is_some_and(|at| is_change(&calls[at]));
            before || is_change(&calls[*at])
        };
        let (near, others): (Vec<usize>, Vec<usize>) = (0..calls.len()).partition(is_near);
        self.pairs(self.once, &near, &others)
    }

    /// Functions with the code that each answers for ever.
    pub fn ever(self, calls: &[String]) -> Vec<(String, u32)> {
        let functions: BTreeSet<&String> = calls.iter().collect();
        let (near, others): (Vec<&String>, Vec<&String>) =
            functions.into_iter().partition(|name| is_change(name));
        let pairs = self.pairs(self.ever, &near, &others);
        let mut owned: Vec<(String, u32)> = pairs
            .into_iter()
            .map(|(name, code)| (name.clone(), code))
            .collect();
        // What reads wrong for ever nobody can know.
        owned.retain(|(name, code)| is_change(name) || *code != SUCCESS);
        owned.retain(|(name, code)| name != "nvmlDeviceGetMigMode" || *code != NOT_SUPPORTED);
        owned
    }

    fn pairs<T: Copy + Ord>(self, most: usize, near: &[T], others: &[T]) -> Vec<(T, u32)> {
        let all = (near.len() + others.len()) * CODES.len();
        if most >= all {
            let each = near.iter().chain(others);
            return each
                .flat_map(|one| CODES.map(|code| (*one, code)))
                .collect();
        }
        let of_near = (most * NEAR.0 / NEAR.1).min(near.len() * CODES.len());
        let mut chosen = self.spread(near, of_near);
        chosen.extend(self.spread(others, most - of_near));
        chosen
    }

    /// So many of them at equal distances, each round with other codes.
    fn spread<T: Copy + Ord>(self, from: &[T], most: usize) -> Vec<(T, u32)> {
        let step = from.len().checked_div(most).unwrap_or(1).max(1);
        let rounds = 0..CODES.len();
        let each = rounds.flat_map(|round| (0..from.len()).map(move |at| (round, at)));
        let pairs = each.step_by(step).map(|(round, at)| {
            let number = self.first + at / step + round;
            (from[at], CODES[number * CODE_STRIDE % CODES.len()])
        });
        pairs.take(most).collect()
    }
}
