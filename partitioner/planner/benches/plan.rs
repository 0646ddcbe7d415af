//! Times plans and choices, and counts what plans disturb.
//!
//! One GPU: every pair of placed state and wanted multiset of each family, each plan compared with the best
//! that looking at all states finds. Eight GPUs: random states, random layouts, one slice asked for.
//!
//! `cargo bench -p kerf-planner --bench plan` takes some minutes and prints one line for each row.

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use kerf_planner::check::{Expected, check_host, check_plan};
use kerf_planner::host::existing;
use kerf_planner::{
    Budget, Existing, GpuView, Grid, HostRequest, Usage, choose, plan_gpu, plan_host,
};
use kerf_types::layout::{GpuSelector, Layout, LayoutRule};
use kerf_types::{Ask, Engines, Gpu, Inventory, Profile};

#[expect(dead_code, reason = "the tests use the rest")]
#[path = "fixtures/families.rs"]
mod families;
#[path = "fixtures/machine.rs"]
mod machine;
#[expect(dead_code, reason = "the tests use the rest")]
#[path = "fixtures/space.rs"]
mod space;

use machine::Random;
use space::{Multiset, Space, State};

/// Rounds of the rows about eight GPUs.
const ROUNDS: usize = 20_000;

/// First plans of a new grid, each of which reads the profiles anew.
const FIRST_PLANS: usize = 1_000;

/// Nanoseconds of each round.
#[derive(Default)]
struct Times(Vec<u128>);

impl Times {
    fn since(&mut self, start: Instant) {
        self.0.push(start.elapsed().as_nanos());
    }

    /// Median, 99th and 99.9th percentile and the largest, in microseconds.
    fn row(mut self) -> String {
        self.0.sort_unstable();
        let at = |share: usize| {
            let index = (self.0.len() * share / 1000).min(self.0.len() - 1);
            let nanos = u32::try_from(self.0[index]).unwrap_or(u32::MAX);
            f64::from(nanos) / 1000.0
        };
        format!(
            "{:>9.2} {:>9.2} {:>9.2} {:>9.2}",
            at(500),
            at(990),
            at(999),
            at(1000)
        )
    }
}

fn main() {
    let head = ["p50 µs", "p99 µs", "p99.9 µs", "max µs"].map(|name| format!("{name:>9}"));
    println!("{:<36} {:>7} {}", "", "rounds", head.join(" "));
    let all = families::FAMILIES.iter();
    let pairs: usize = all.map(|(family, _)| one_gpu(family)).sum();
    println!("{pairs} pairs of all families, none left out");
    eight_gpus("h100-80gb");
}

fn space_of(profiles: &[Profile], grid: &Grid) -> Space {
    let [decoder, encoder, jpeg, ofa] = grid
        .capacity()
        .map(|count| u32::try_from(count).expect("few engines"));
    let capacity = Engines {
        copy: 0,
        decoder,
        encoder,
        jpeg,
        ofa,
    };
    Space::new(profiles, Some(capacity), 10_000).expect("a small space")
}

fn holding(index: u32, profiles: &[Profile], state: &State) -> Gpu {
    let mut gpu = machine::gpu(index, profiles);
    for (placement, profile) in state {
        machine::add(&mut gpu, *profile, *placement);
    }
    gpu
}

fn one_gpu(family: &str) -> usize {
    let profiles = families::profiles(family);
    let grid = Grid::from_profiles(&profiles).expect("a grid");
    let space = space_of(&profiles, &grid);
    let first = first_plans(&profiles, &space);
    let (mut plans, mut checked) = (Times::default(), Times::default());
    let (mut cost, mut live) = (0_u64, 0_u64);
    for state in &space.states {
        let gpu = holding(0, &profiles, state);
        let current: Vec<Existing> = gpu
            .instances
            .iter()
            .map(|one| existing(&gpu, one, 1, false))
            .collect();
        let from: Vec<_> = state.iter().map(|item| (*item, 1, false)).collect();
        for multiset in space.by_multiset.keys() {
            let expected = Expected {
                profiles: &profiles,
                mig_on: true,
                slices: multiset.clone(),
                pinned: BTreeSet::new(),
                gpu_in_use: false,
                allow_reset: false,
                weights: BTreeMap::new(),
            };
            let start = Instant::now();
            let plan = plan_gpu(&grid, &current, multiset, Budget::default()).expect("a plan");
            plans.since(start);
            let violations = check_plan(&gpu, &plan, &plan.steps(gpu.pci), &expected);
            checked.since(start);
            assert_eq!(violations, []);
            let (best, _) = space.best(&from, multiset).expect("a state");
            assert!(
                plan.proof && plan.cost == best,
                "{family}: {from:?} to {multiset:?}"
            );
            cost += plan.cost;
            live += u64::try_from(state.len()).expect("few instances");
        }
    }
    let pairs = plans.0.len();
    let grid_row = format!("{family}: grid and first plan");
    println!("{grid_row:<36} {:>7} {}", first.0.len(), first.row());
    println!(
        "{:<36} {pairs:>7} {}",
        format!("{family}: plan"),
        plans.row()
    );
    println!(
        "{:<36} {pairs:>7} {}",
        format!("{family}: plan and check"),
        checked.row()
    );
    let mean = |sum: u64| sum as f64 / pairs as f64;
    let share = 100.0 * mean(cost) / mean(live);
    println!(
        "  all optimal; {:.3} instances disturbed, {share:.1} % of clear-all",
        mean(cost)
    );
    pairs
}

/// Plans of GPUs that were never seen before: from what the driver tells to the plan of a random layout.
fn first_plans(profiles: &[Profile], space: &Space) -> Times {
    let (mut random, mut first) = (Random(3), Times::default());
    let multisets: Vec<&Multiset> = space.by_multiset.keys().collect();
    for _ in 0..FIRST_PLANS {
        let gpu = holding(0, profiles, random.pick(&space.states));
        let current = gpu.instances.iter();
        let current: Vec<Existing> = current.map(|one| existing(&gpu, one, 1, false)).collect();
        let wanted = random.pick(&multisets);
        let start = Instant::now();
        let grid = Grid::from_profiles(profiles).expect("a grid");
        plan_gpu(&grid, &current, wanted, Budget::default()).expect("a plan");
        first.since(start);
    }
    first
}

/// For each of eight GPUs one of the multisets.
fn random_layout(grid: &Grid, multisets: &[&Multiset], random: &mut Random) -> Layout {
    let rule = |index| {
        let wanted = multisets[random.below(multisets.len())];
        let name = |id| grid.profile(id).expect("a profile").name.clone();
        let slices: BTreeMap<_, u32> = wanted
            .iter()
            .map(|(id, count)| (name(*id), *count))
            .collect();
        LayoutRule {
            gpus: vec![GpuSelector::Index(index)],
            mig_enabled: true,
            slices,
            ..LayoutRule::default()
        }
    };
    Layout {
        rules: (0..8).map(rule).collect(),
    }
}

fn eight_gpus(family: &str) {
    let profiles = families::profiles(family);
    let grid = Grid::from_profiles(&profiles).expect("a grid");
    let space = space_of(&profiles, &grid);
    let multisets: Vec<&Multiset> = space.by_multiset.keys().collect();
    let mut random = Random(5);
    let (mut plans, mut choices) = (Times::default(), Times::default());
    let usage = Usage::default();
    for _ in 0..ROUNDS {
        let state = |random: &mut Random| &space.states[random.below(space.states.len())];
        let gpus = (0..8).map(|index| holding(index, &profiles, state(&mut random)));
        let inventory = Inventory {
            host: String::new(),
            driver: None,
            gpus: gpus.collect(),
            amd: Vec::new(),
            numa_nodes: Vec::new(),
            nics: Vec::new(),
            problems: Vec::new(),
            map: Default::default(),
        };
        let layout = random_layout(&grid, &multisets, &mut random);
        let request = HostRequest {
            inventory: &inventory,
            layout: &layout,
            usage: &usage,
            allow_reset: false,
        };
        let start = Instant::now();
        let plan = plan_host(&request).expect("a plan");
        assert_eq!(check_host(&request, &plan), []);
        plans.since(start);
        let view = |gpu| GpuView {
            gpu,
            grid: Some(&grid),
            may_enable_mig: false,
            may_disable_mig: false,
            closed: None,
        };
        let views: Vec<GpuView<'_>> = inventory.gpus.iter().map(view).collect();
        let profile = &grid.profiles()[random.below(grid.profiles().len())];
        let ask = Ask::Slice {
            profile: profile.name.clone(),
            count: 1,
        };
        let start = Instant::now();
        drop(choose(&views, &usage, None, &ask));
        choices.since(start);
    }
    println!(
        "{:<36} {ROUNDS:>7} {}",
        "8 GPUs: layout planned and checked",
        plans.row()
    );
    println!(
        "{:<36} {ROUNDS:>7} {}",
        "8 GPUs: one slice chosen",
        choices.row()
    );
}
