//! From a request to the multiset that each GPU gets: what cannot be is told, the rest is searched.

use std::collections::BTreeMap;
use std::sync::Arc;

use kerf_types::ProfileId;

use super::fit::fits;
use super::layers::{Found, Search};
use super::price::{ONE, Prices};
use super::seat::{Question, Seat, pin_not_wanted};
use super::table::Table;
use super::tables::STATE_LIMIT;
use super::{SplitError, SplitGpu, Tables, Wanted};
use crate::gpu::Existing;

/// Searches that were too narrow before it is asked whether there is any split: most requests have one near the bound.
const FIT_AFTER: usize = 2;

/// Tries up to which the prices are made better: a search that is wider costs more than a closer bound.
const IMPROVED: usize = 4;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// What each GPU gets; `None` where no search could be made, or it ended early.
    pub targets: Option<Vec<BTreeMap<ProfileId, u32>>>,
    /// No split costs less.
    pub bound: u64,
}

/// The cheapest split, if it can be searched for.
pub(super) fn solve(
    gpus: &[SplitGpu<'_>],
    wanted: &[Wanted],
    tables: &mut Tables,
    nodes: u64,
) -> Result<Outcome, SplitError> {
    check_pins(gpus, wanted)?;
    if wanted.is_empty() {
        // All must go, which the plain bound of what is not wanted proves.
        return Ok(Outcome {
            targets: Some(vec![BTreeMap::new(); gpus.len()]),
            bound: 0,
        });
    }
    let found = gpus.iter().map(|gpu| table(gpu, tables));
    let (Some(found), Some(question)) = (
        found.collect::<Option<Vec<Arc<Table>>>>(),
        Question::new(gpus, wanted),
    ) else {
        return Ok(Outcome::default());
    };
    let (seats, seat_of) = seats(&question, &found)?;
    let all: Vec<&Seat> = seat_of.iter().filter_map(|at| seats.get(*at)).collect();
    check_counts(&question, &all)?;
    let outcome = search(&question, &all, nodes)?;
    let targets = outcome.choices.map(|choices| {
        let parts = all.iter().zip(&found).zip(choices);
        parts
            .map(|((seat, table), choice)| target(seat, table, choice))
            .collect()
    });
    Ok(Outcome {
        targets,
        bound: outcome.bound,
    })
}

fn table(gpu: &SplitGpu<'_>, tables: &mut Tables) -> Option<Arc<Table>> {
    let table = tables.of(gpu.grid)?;
    if table.has(gpu.grid, gpu.current) {
        return Some(table);
    }
    Table::for_odd(gpu.grid, gpu.current, STATE_LIMIT).map(Arc::new)
}

/// What each GPU can come to; GPUs that are alike in all that matters share it.
fn seats(
    question: &Question<'_>,
    tables: &[Arc<Table>],
) -> Result<(Vec<Seat>, Vec<usize>), SplitError> {
    let mut seats: Vec<Seat> = Vec::new();
    let mut seat_of: Vec<usize> = Vec::new();
    for (at, (gpu, table)) in question.gpus.iter().zip(tables).enumerate() {
        let earlier = question.gpus.iter().zip(tables).zip(&seat_of);
        let mut alike = earlier.enumerate().filter(|(before, ((other, one), _))| {
            let mut means = question.wanted.iter();
            Arc::ptr_eq(one, table)
                && other
                    .current
                    .iter()
                    .map(essence)
                    .eq(gpu.current.iter().map(essence))
                && means.all(|one| one.profiles.get(*before) == one.profiles.get(at))
        });
        let known = alike.next().map(|(_, (_, seat))| *seat);
        let index = known.unwrap_or(seats.len());
        if known.is_none() {
            seats.push(question.seat(at, table)?);
        }
        seat_of.push(index);
    }
    Ok((seats, seat_of))
}

fn essence(one: &Existing) -> (ProfileId, kerf_types::Placement, u64, bool, bool) {
    let mended = one.is_mended_at_a_cost();
    (one.profile, one.placement, one.weight, one.pinned, mended)
}

/// Every pinned instance must be among the wanted.
fn check_pins(gpus: &[SplitGpu<'_>], wanted: &[Wanted]) -> Result<(), SplitError> {
    let mut left: Vec<u32> = wanted.iter().map(|one| one.count).collect();
    for (at, gpu) in gpus.iter().enumerate() {
        for pin in gpu.current.iter().filter(|one| one.pinned) {
            let means = |one: &Wanted| one.profiles.get(at).copied().flatten() == Some(pin.profile);
            let slot = wanted.iter().position(means);
            let slot = slot.and_then(|kind| left.get_mut(kind));
            match slot.filter(|left| **left > 0) {
                Some(left) => *left -= 1,
                None => return Err(pin_not_wanted(at, gpu, pin.profile, pin.placement)),
            }
        }
    }
    Ok(())
}

fn no_split(question: &Question<'_>) -> SplitError {
    let mut gpus = question.gpus.iter();
    SplitError::NoSplit {
        pins: gpus.any(|gpu| gpu.current.iter().any(|one| one.pinned)),
    }
}

fn check_counts(question: &Question<'_>, seats: &[&Seat]) -> Result<(), SplitError> {
    if seats.iter().any(|seat| seat.choices.is_empty()) {
        return Err(no_split(question));
    }
    for (kind, one) in question.wanted.iter().enumerate() {
        let most = seats.iter().filter_map(|seat| seat.most.get(kind));
        let most = most.fold(0_u32, |sum, count| sum.saturating_add(*count));
        if most < one.count {
            return Err(SplitError::TooMany {
                name: one.name.clone(),
                asked: one.count,
                most,
            });
        }
    }
    let volume: u64 = seats.iter().map(|seat| seat.most_volume()).sum();
    match question.volume() > volume {
        true => Err(no_split(question)),
        false => Ok(()),
    }
}

fn target(seat: &Seat, table: &Table, choice: usize) -> BTreeMap<ProfileId, u32> {
    let choice = seat.choices.get(choice);
    let row = choice.and_then(|choice| table.multisets.get(choice.multiset));
    let pairs = table.profiles.iter().zip(row.into_iter().flatten());
    pairs
        .filter(|(_, count)| **count > 0)
        .map(|(id, count)| (*id, *count))
        .collect()
}

struct Searched {
    choices: Option<Vec<usize>>,
    bound: u64,
}

/// Searches with an allowance that grows from what the prices prove to what is found.
fn search(
    question: &Question<'_>,
    seats: &[&Seat],
    mut nodes: u64,
) -> Result<Searched, SplitError> {
    let want: Vec<u32> = question.wanted.iter().map(|one| one.count).collect();
    let signed: Vec<i64> = want.iter().map(|count| i64::from(*count)).collect();
    let mut prices = Prices::none(seats, &signed);
    let shift = prices.shift;
    let most = seats.iter().map(|seat| seat.movable >> shift).sum::<u64>();
    let step = if shift == 0 { unit(question.gpus) } else { 1 };
    let nothing = || no_split(question);
    let first = proven(prices.bound, step);
    let (mut allowed, mut bound, mut tries) = (first, first, 0_usize);
    let mut does_fit = None;
    loop {
        if bound > most {
            return Err(nothing());
        }
        let beyond: Vec<Vec<i64>> = seats.iter().map(|seat| prices.beyond(seat)).collect();
        let beyond: Vec<&[i64]> = beyond.iter().map(Vec::as_slice).collect();
        let search = Search {
            packing: &question.packing,
            seats,
            beyond: &beyond,
            all: question.all(),
            volume: question.volume(),
            want: &want,
        };
        let allowance = i128::from(allowed) * i128::from(ONE) - prices.bound;
        let allowance = i64::try_from(allowance.max(0)).unwrap_or(i64::MAX);
        match search.run(allowance, &mut nodes) {
            // With shifted costs a cheaper one may lie just beyond what was allowed.
            Found::Split { cost, .. } if cost >> shift > allowed => allowed = cost >> shift,
            Found::Split { cost, choices } => {
                let choices = Some(choices);
                return Ok(Searched {
                    choices,
                    bound: cost,
                });
            }
            Found::Nothing => return Err(nothing()),
            Found::Exhausted => {
                let bound = bound << shift;
                return Ok(Searched {
                    choices: None,
                    bound,
                });
            }
            Found::Beyond(_) if allowed >= most => return Err(nothing()),
            Found::Beyond(least) => {
                bound = bound.max(proven(prices.bound + i128::from(least), step));
                tries += 1;
                if tries == FIT_AFTER {
                    does_fit = fits(question, seats, &mut nodes);
                    if does_fit == Some(false) {
                        return Err(nothing());
                    }
                }
                let aim = aim(&prices, seats, (most, does_fit), tries);
                if let Some(aim) = aim {
                    prices.improve(seats, &signed, aim);
                    bound = bound.max(proven(prices.bound, step));
                }
                (bound, allowed) = widen(&prices, seats, (step, most), tries, bound);
            }
        }
    }
}

/// How much better the prices are to be after so many tries that were too narrow: for the cheapest split, and where
/// nobody knows whether there is any, to show that there is none.
fn aim(
    prices: &Prices,
    seats: &[&Seat],
    (most, does_fit): (u64, Option<bool>),
    tries: usize,
) -> Option<i128> {
    match tries {
        3 if does_fit.is_none() => Some((i128::from(most) + 1) * i128::from(ONE) - prices.bound),
        1..=IMPROVED => Some(i128::from(prices.lightest(seats))),
        _ => None,
    }
}

/// What is proven and what is allowed next, after so many tries that were too narrow.
fn widen(
    prices: &Prices,
    seats: &[&Seat],
    (step, most): (u64, u64),
    tries: usize,
    bound: u64,
) -> (u64, u64) {
    // Narrow searches first: most requests are answered near the bound. Then ever wider ones, since
    // what none of them answers most often has no answer.
    let lightest = u64::try_from(prices.lightest(seats) / ONE)
        .unwrap_or(1)
        .max(1);
    let times = [0, 1, 2, 4].get(tries - 1).copied();
    let times =
        times.unwrap_or_else(|| 4_u64.saturating_pow(u32::try_from(tries - 3).unwrap_or(32)));
    let ahead = lightest.saturating_mul(times);
    let further = proven(prices.bound, step).saturating_add(ahead);
    let allowed = bound.max(further.div_ceil(step).saturating_mul(step).min(most));
    (bound, allowed)
}

/// The least cost that a bound leaves: costs are whole multiples of `step`.
fn proven(bound: i128, step: u64) -> u64 {
    let units = i128::from(ONE) * i128::from(step.max(1));
    let multiples = (bound.max(0) + units - 1) / units;
    u64::try_from(multiples).map_or(u64::MAX, |count| count.saturating_mul(step))
}

/// The greatest number of which every weight is a multiple.
fn unit(gpus: &[SplitGpu<'_>]) -> u64 {
    let weights = gpus
        .iter()
        .flat_map(|gpu| gpu.current)
        .map(|one| one.weight);
    let gcd = |mut a: u64, mut b: u64| {
        while b != 0 {
            (a, b) = (b, a % b);
        }
        a
    };
    weights.fold(0, gcd).max(1)
}
