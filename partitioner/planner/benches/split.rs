//! Times splits of wanted slices over several GPUs, and compares them with trying all.
//!
//! Eight and sixteen GPUs: random states, wanted is all that lives and a batch of five. One GPU: every pair
//! of placed state and wanted multiset. Two and three GPUs: 10,000 random cases, each compared with the best
//! that trying every split finds. Every plan is checked. Each time is the best of three, since the answer is
//! the same: what else runs on the machine is not the planner's.
//!
//! `cargo bench -p kerf-planner --bench split` takes some minutes and prints one line for each row.

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::time::Instant;

use kerf_planner::check::{Subject, check_split};
use kerf_planner::host::existing;
use kerf_planner::{Existing, SplitBudget, SplitError, SplitGpu, Tables, Wanted, plan_split};

#[expect(dead_code, reason = "the tests use the rest")]
#[path = "fixtures/families.rs"]
mod families;
#[expect(dead_code, reason = "the tests use the rest")]
#[path = "fixtures/host.rs"]
mod host;
#[path = "fixtures/machine.rs"]
mod machine;
#[expect(dead_code, reason = "the tests use the rest")]
#[path = "fixtures/space.rs"]
mod space;

use host::{Draw, Family, Host, end_states};
use machine::Random;

/// All that lives and a batch of five, each of weight 1.
const BATCH: Draw = Draw {
    requests: 5,
    weights: 0,
    pins: 0,
    surplus: 0,
};

/// Rounds of a row about many GPUs.
const ROUNDS: usize = 1_000;

/// Cases that are compared with trying all.
const CASES: usize = 10_000;

/// Nanoseconds of each round.
#[derive(Default)]
struct Times(Vec<u128>);

impl Times {
    /// Does the same thing three times and notes the shortest.
    fn of<T>(&mut self, mut thing: impl FnMut() -> T) -> T {
        let mut timed = || {
            let start = Instant::now();
            let out = thing();
            (start.elapsed().as_nanos(), out)
        };
        let (first, out) = timed();
        self.0.push(first.min(timed().0).min(timed().0));
        out
    }

    fn print(mut self, name: &str) {
        self.0.sort_unstable();
        let at = |share: usize| {
            let index = (self.0.len() * share / 1000).min(self.0.len() - 1);
            let nanos = u32::try_from(self.0[index]).unwrap_or(u32::MAX);
            f64::from(nanos) / 1000.0
        };
        let figures = [500, 990, 999, 1000].map(|share| format!("{:>11.1}", at(share)));
        println!("{name:<46} {:>7} {}", self.0.len(), figures.join(" "));
    }
}

fn main() {
    let head = ["p50 µs", "p99 µs", "p99.9 µs", "max µs"].map(|name| format!("{name:>11}"));
    println!("{:<46} {:>7} {}", "", "rounds", head.join(" "));
    let all = families::FAMILIES.map(|(name, _)| (name, Family::new(families::profiles(name))));
    let six = Family::new(families::some_profiles("h100-80gb", &[19, 14, 9, 5, 0, 15]));
    let [_, _, (_, seven), _] = &all;
    for (name, family) in &all {
        one_gpu(name, family);
    }
    exact(&all.each_ref().map(|(_, family)| family));
    let mixed: Vec<&Family> = all
        .iter()
        .cycle()
        .take(16)
        .map(|(_, family)| family)
        .collect();
    let few = Draw {
        requests: 2,
        ..BATCH
    };
    let heavy = Draw {
        weights: 10,
        pins: 8,
        surplus: 20,
        ..BATCH
    };
    for gpus in [8, 16] {
        many("h100-80gb, 6 profiles", &vec![&six; gpus], BATCH);
        many("h100-80gb, 7 profiles", &vec![seven; gpus], BATCH);
        many("h100-80gb, weights and pins", &vec![seven; gpus], heavy);
        many("four families, two requests", &mixed[..gpus], few);
    }
    // Beyond the batches of the specification, where the relaxation leaves a gap.
    let large = Draw {
        requests: 15,
        surplus: 3,
        ..BATCH
    };
    let dear = Draw {
        weights: 1_000_000,
        ..heavy
    };
    many("four families, fifteen requests", &mixed, large);
    many("four families, weights to a million", &mixed, dear);
}

/// Every pair of placed state and multiset of one GPU: plan and check together.
fn one_gpu(name: &str, family: &Family) {
    let mut tables = Tables::default();
    let mut first = Times::default();
    first.of(|| Tables::default().prepare(&family.grid));
    first.print(&format!("{name}: table of a new grid"));
    let mut times = Times::default();
    for state in &family.space.states {
        let mut gpu = machine::gpu(0, &family.profiles);
        for (placement, profile) in state {
            machine::add(&mut gpu, *profile, *placement);
        }
        let live = gpu.instances.iter();
        let current: Vec<Existing> = live.map(|one| existing(&gpu, one, 1, false)).collect();
        let gpus = [SplitGpu {
            grid: &family.grid,
            current: &current,
        }];
        let subjects = [Subject {
            profiles: &family.profiles,
            engines: None,
            current: &current,
        }];
        for multiset in family.space.by_multiset.keys() {
            let wanted = multiset.iter().map(|(id, count)| Wanted {
                name: family.grid.label(*id),
                count: *count,
                profiles: vec![Some(*id)],
            });
            let wanted: Vec<Wanted> = wanted.collect();
            let (plan, found) = times.of(|| {
                let plan = plan_split(&gpus, &wanted, &mut tables, SplitBudget::default());
                let plan = plan.expect("a plan");
                let found = check_split(&subjects, &wanted, &plan);
                (plan, found)
            });
            assert!(plan.proof && found.is_empty());
        }
    }
    times.print(&format!("{name}: one GPU, plan and check"));
}

/// Random hosts of these GPUs.
fn many(name: &str, families: &[&Family], draw: Draw) {
    let mut tables = Tables::default();
    for family in families {
        tables.prepare(&family.grid);
    }
    let mut random = Random(7);
    let (mut plans, mut refusals, mut checks) = <(Times, Times, Times)>::default();
    let (mut cost, mut unproven, mut undecided) = (0, 0, 0);
    for _ in 0..ROUNDS {
        let host = Host::random(families, draw, &mut random);
        let (gpus, wanted) = (host.gpus(), host.wanted());
        let mut time = Times::default();
        let plan = time.of(|| plan_split(&gpus, &wanted, &mut tables, SplitBudget::default()));
        match plan {
            Ok(plan) => {
                plans.0.append(&mut time.0);
                let found = checks.of(|| check_split(&host.subjects(), &wanted, &plan));
                assert_eq!(found, []);
                cost += plan.cost;
                unproven += usize::from(!plan.proof);
            }
            Err(error) => {
                refusals.0.append(&mut time.0);
                undecided += usize::from(matches!(error, SplitError::Undecided { .. }));
            }
        }
    }
    let planned = plans.0.len();
    plans.print(&format!("{} GPUs, {name}: plan", families.len()));
    checks.print(&format!("{} GPUs, {name}: check", families.len()));
    if !refusals.0.is_empty() {
        refusals.print(&format!("{} GPUs, {name}: no plan", families.len()));
    }
    let mean = f64::from(u32::try_from(cost).unwrap_or(u32::MAX)) / planned as f64;
    println!("  cost {mean:.2} on average; {unproven} not proven, {undecided} not decided");
}

/// Two and three GPUs against trying all.
fn exact(families: &[&Family]) {
    let mut tables = Tables::default();
    let mut random = Random(11);
    let (mut planned, mut refused) = (0, 0);
    for case in 0..CASES {
        let some: Vec<&Family> = (0..2 + case % 2)
            .map(|_| families[random.below(families.len())])
            .collect();
        let draw = Draw {
            requests: random.below(5),
            weights: [0, 0, 5, 1000][random.below(4)],
            pins: [0, 5][random.below(2)],
            surplus: [0, 4][random.below(2)],
        };
        let host = Host::random(&some, draw, &mut random);
        let wanted = host.wanted();
        let plan = plan_split(&host.gpus(), &wanted, &mut tables, SplitBudget::default());
        match (plan, host.best()) {
            (Ok(plan), Some(best)) => {
                assert!(plan.proof && plan.cost == best.cost, "{:?}", host.want);
                assert_eq!(end_states(&plan), best.states, "{:?}", host.want);
                assert_eq!(check_split(&host.subjects(), &wanted, &plan), []);
                planned += 1;
            }
            (Err(SplitError::Undecided { .. }), _) => panic!("undecided: {:?}", host.want),
            (Err(_), None) => refused += 1,
            (plan, best) => panic!("{:?}: {plan:?}, {best:?}", host.want),
        }
    }
    println!(
        "2 and 3 GPUs against trying all: {CASES} cases, {planned} planned, {refused} refused, no difference"
    );
}
