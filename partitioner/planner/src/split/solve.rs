//! From a request to the multiset that each GPU gets: what cannot be is told, the rest is searched.

use std::collections::BTreeMap;
use std::sync::Arc;

use kerf_types::ProfileId;

use super::scale::Scale;
use super::seat::{Question, Seat, pin_not_wanted};
use super::table::Table;
use super::tables::STATE_LIMIT;
use super::widen::search;
use super::{SplitError, SplitGpu, Tables, Wanted};
use crate::gpu::Existing;

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
    mut nodes: u64,
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
    let (mut seats, seat_of) = seats(&question, &found)?;
    let all: Vec<&Seat> = seat_of.iter().filter_map(|at| seats.get(*at)).collect();
    let scale = Scale::of(&all, unit(gpus));
    seats.iter_mut().for_each(|seat| seat.weigh(&scale));
    let all: Vec<&Seat> = seat_of.iter().filter_map(|at| seats.get(*at)).collect();
    check_counts(&question, &all)?;
    let outcome = search(&question, &all, scale, &mut nodes).ok_or_else(|| no_split(&question))?;
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
