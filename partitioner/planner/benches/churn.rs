//! Requests that come and go on one GPU: how many are refused only because of where others lie, against the
//! least that any policy without evictions can come to.
//!
//! The mix of the reference measurement: 40 % one slice, 30 % two, 10 % each one slice with double memory,
//! three and four; half of all events are departures, each live instance as likely as the other. The optimum
//! is that of the Markov decision process over all placed states, by relative value iteration; its bounds
//! close in on the mean cost of an event.
//!
//! `cargo bench -p kerf-planner --bench churn` takes about a minute.

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

use std::collections::BTreeMap;

use kerf_planner::host::Use;
use kerf_planner::{GpuView, Grid, Pick, Usage, choose};
use kerf_types::{Ask, Gpu, Placement, ProfileId};

#[expect(dead_code, reason = "the tests use the rest")]
#[path = "fixtures/families.rs"]
mod families;
#[expect(dead_code, reason = "the tests use the rest")]
#[path = "fixtures/machine.rs"]
mod machine;
#[expect(dead_code, reason = "the tests use the rest")]
#[path = "fixtures/space.rs"]
mod space;

use machine::Random;
use space::{Space, multiset};

const FAMILY: &str = "a100-80gb";
const EVENTS: usize = 1_000_000;
/// Profile and its share of the requests in percent.
const MIX: [(u32, u32); 5] = [(19, 40), (14, 30), (15, 10), (9, 10), (5, 10)];
/// The bounds of the optimum are closer than this when the iteration ends.
const PRECISION: f64 = 1e-7;

/// What can happen in a state.
struct Moves {
    /// States after the departure of each live instance.
    departures: Vec<usize>,
    /// For each profile of the mix: the states after each place it can get, and whether a refusal counts.
    arrivals: Vec<(f64, Vec<usize>, bool)>,
}

/// A policy: where the next slice of a profile goes.
type Place<'a> = dyn Fn(&Gpu, ProfileId) -> Option<Placement> + 'a;

fn main() {
    let profiles = families::profiles(FAMILY);
    let space = Space::new(&profiles, None, 10_000).expect("a small space");
    let (low, high) = mean(&moves(&space, None));
    // Half of the events are requests.
    println!("{} states", space.states.len());
    println!(
        "optimum without evictions: {:.4} % to {:.4} % refused",
        200.0 * low,
        200.0 * high
    );
    let grid = Grid::from_profiles(&profiles).expect("a grid");
    let asks = asks(&grid);
    let keep = |gpu: &Gpu, profile| keep_options(gpu, profile, &grid, &asks);
    let policies: [(&str, &Place<'_>); 2] = [("choose()", &keep), ("first fit", &first_fit)];
    for (name, place) in policies {
        let (exact, _) = mean(&moves(&space, Some(place)));
        let seen = refused(&space, place);
        let above = 100.0 * (exact / low - 1.0);
        println!(
            "{name}: {:.4} % refused, {above:+.2} % against the optimum; {seen:.4} % of {EVENTS} events",
            200.0 * exact
        );
    }
}

/// A GPU in a state.
fn holding(space: &Space, state: &space::State) -> Gpu {
    let mut gpu = machine::gpu(0, &space.profiles);
    for (placement, profile) in state {
        machine::add(&mut gpu, *profile, *placement);
    }
    gpu
}

/// The moves of every state, an arrival going where `place` says or, where it says nothing, anywhere.
fn moves(space: &Space, place: Option<&Place<'_>>) -> Vec<Moves> {
    let index = |state: &space::State| space.states.binary_search(state).expect("a state of ours");
    let of = |state: &space::State| {
        let departures = (0..state.len()).map(|gone| {
            let mut less = state.clone();
            less.remove(gone);
            index(&less)
        });
        let arrivals = MIX.iter().map(|(id, share)| {
            let id = ProfileId(*id);
            let next = space.one_more(state, Some(id));
            let mut wanted = multiset(state);
            *wanted.entry(id).or_default() += 1;
            let counts = next.is_empty() && space.by_multiset.contains_key(&wanted);
            let chosen = place.and_then(|place| place(&holding(space, state), id));
            let is_chosen = |next: &&space::State| {
                let mut new = next.iter().filter(|item| !state.contains(item));
                place.is_none() || new.all(|(placement, _)| Some(*placement) == chosen)
            };
            let next = next.iter().filter(is_chosen).map(index).collect();
            (f64::from(*share) / 100.0, next, counts)
        });
        Moves {
            departures: departures.collect(),
            arrivals: arrivals.collect(),
        }
    };
    space.states.iter().map(of).collect()
}

/// Bounds of the least mean number of refusals that count, per event. A policy without evictions may refuse
/// only what has no place, as the measured ones do.
fn mean(moves: &[Moves]) -> (f64, f64) {
    let mut values = vec![0.0_f64; moves.len()];
    loop {
        let step = |(at, state): (usize, &Moves)| {
            let stay = values[at];
            let gone: f64 = state.departures.iter().map(|next| values[*next]).sum();
            let departure = match state.departures.len() {
                0 => stay,
                live => gone / live as f64,
            };
            let arrival = state.arrivals.iter().map(|(share, next, counts)| {
                let best = next.iter().map(|next| values[*next]).reduce(f64::min);
                share * best.unwrap_or(stay + f64::from(u8::from(*counts)))
            });
            0.5 * departure + 0.5 * arrival.sum::<f64>()
        };
        let next: Vec<f64> = moves.iter().enumerate().map(step).collect();
        let changes = || next.iter().zip(&values).map(|(new, old)| new - old);
        let (low, high) = (
            changes().fold(f64::MAX, f64::min),
            changes().fold(f64::MIN, f64::max),
        );
        let base = next[0];
        values = next.iter().map(|value| value - base).collect();
        if high - low < PRECISION {
            return (low, high);
        }
    }
}

/// Share of the requests, in percent, that were refused although the same slices would fit if moved.
fn refused(space: &Space, place: &Place<'_>) -> f64 {
    let mut gpu = machine::gpu(0, &space.profiles);
    let mut random = Random(7);
    let (mut asked, mut refused) = (0_u32, 0_u32);
    for _ in 0..EVENTS {
        if random.below(2) == 0 {
            if !gpu.instances.is_empty() {
                let gone = random.below(gpu.instances.len());
                gpu.instances.remove(gone);
            }
            continue;
        }
        let mut roll = u32::try_from(random.below(100)).expect("small");
        let drawn = MIX.iter().find(|(_, share)| {
            let hit = roll < *share;
            roll = roll.saturating_sub(*share);
            hit
        });
        let profile = ProfileId(drawn.expect("the shares sum to 100").0);
        asked += 1;
        if let Some(placement) = place(&gpu, profile) {
            machine::add(&mut gpu, profile, placement);
            continue;
        }
        let live = gpu.instances.iter().map(|one| (one.placement, one.profile));
        let mut wanted = multiset(&live.collect());
        *wanted.entry(profile).or_default() += 1;
        refused += u32::from(space.by_multiset.contains_key(&wanted));
    }
    100.0 * f64::from(refused) / f64::from(asked)
}

fn asks(grid: &Grid) -> BTreeMap<ProfileId, Ask> {
    let ask = |profile: &kerf_planner::GridProfile| Ask::Slice {
        profile: profile.name.clone(),
        count: 1,
    };
    grid.profiles()
        .iter()
        .map(|profile| (profile.id, ask(profile)))
        .collect()
}

fn keep_options(
    gpu: &Gpu,
    profile: ProfileId,
    grid: &Grid,
    asks: &BTreeMap<ProfileId, Ask>,
) -> Option<Placement> {
    let leased = |one| (gpu.slice_id(one), Use::Leased("somebody".to_owned()));
    let usage = Usage {
        slices: gpu.instances.iter().map(leased).collect(),
        ..Usage::default()
    };
    let view = GpuView {
        gpu,
        grid: Some(grid),
        may_enable_mig: false,
        may_disable_mig: false,
        closed: None,
    };
    let choice = choose(&[view], &usage, None, &asks[&profile]).ok()?;
    match choice.picks.as_slice() {
        [Pick::Cut { creation, .. }] => Some(creation.placement),
        other => panic!("one cut expected: {other:?}"),
    }
}

fn first_fit(gpu: &Gpu, profile: ProfileId) -> Option<Placement> {
    let profile = gpu.profile(profile)?;
    let same = gpu.instances.iter().filter(|one| one.profile == profile.id);
    let most = usize::try_from(profile.max_count).expect("a small count");
    let free = |place: &&Placement| {
        let mut others = gpu.instances.iter().map(|one| one.placement.mask());
        !others.any(|mask| mask.overlaps(place.mask()))
    };
    let free = profile.placements.iter().find(free).copied();
    free.filter(|_| same.count() < most)
}
