//! What lives have in common: medians, and what one variant has more than another.

use crate::lives::{Life, Variant};

/// One number of a life, in milliseconds.
type Measure = fn(&Life) -> f64;

/// What the second of a pair has more.
pub struct Added {
    pub cpu_ms: f64,
    pub wall_ms: f64,
    /// Of the medians of `create`.
    pub create_ratio: f64,
}

/// The medians of the differences per round.
pub fn added(base: &Variant, ours: &Variant) -> Added {
    let paired = |of: Measure| {
        let lives = ours.lives.iter().zip(&base.lives);
        median(lives.map(|(a, b)| of(a) - of(b)).collect())
    };
    Added {
        cpu_ms: paired(cpu),
        wall_ms: paired(wall),
        create_ratio: middle(ours, create) / middle(base, create),
    }
}

/// How many lives of the second fit into one of the first, by wall time.
pub fn speedup(base: &Variant, ours: &Variant) -> f64 {
    middle(base, wall) / middle(ours, wall)
}

fn middle(variant: &Variant, of: Measure) -> f64 {
    median(variant.lives.iter().map(of).collect())
}

fn create(life: &Life) -> f64 {
    life.create.as_secs_f64() * 1000.0
}

fn wall(life: &Life) -> f64 {
    life.wall.as_secs_f64() * 1000.0
}

fn cpu(life: &Life) -> f64 {
    life.cpu.as_secs_f64() * 1000.0
}

/// Medians of the variants in pairs, and of what the second of a pair has more in the same round.
pub fn table(variants: &[Variant]) {
    let measures: [(&str, Measure); 3] = [("create", create), ("life", wall), ("cpu", cpu)];
    println!(
        "{:16} {:>8} {:>10} {:>16} {:>20} {:>8}",
        "variant", "measure", "median ms", "paired delta ms", "95 % of the delta", "ratio"
    );
    for pair in variants.chunks(2) {
        let [base, ours] = pair else { continue };
        for (name, of) in measures {
            let there = median(base.lives.iter().map(of).collect());
            let here = median(ours.lives.iter().map(of).collect());
            let lives = ours.lives.iter().zip(&base.lives);
            let deltas: Vec<f64> = lives.map(|(a, b)| of(a) - of(b)).collect();
            let (low, high) = confidence(deltas.clone());
            let delta = median(deltas);
            println!("{:16} {name:>8} {there:>10.3}", base.name);
            println!(
                "{:16} {name:>8} {here:>10.3} {delta:>+16.3} {:>20} {:>8.3}",
                ours.name,
                format!("{low:+.3} to {high:+.3}"),
                here / there
            );
        }
    }
}

/// Where the median of what the values are drawn from lies with 95 % confidence, by the binomial distribution
/// of ranks: it asks nothing of the values, whose tails are those of a shared machine.
fn confidence(mut values: Vec<f64>) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    // 1.96 standard deviations of a rank, which are half the root of the count.
    let around = values.len().isqrt() * 98 / 100 + 1;
    let at = |rank: usize| values.get(rank).copied().unwrap_or(f64::NAN);
    (at(half.saturating_sub(around)), at(half + around))
}

/// The value in the middle.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    values.get(middle).copied().unwrap_or(f64::NAN)
}
