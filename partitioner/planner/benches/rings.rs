//! Times tables and choices of sets of accelerators, on hosts whose pairs are all alike (behind NVSwitches) and on hosts
//! whose pairs differ at random; every choice among a random half or more of the devices that are free.
//!
//! `cargo bench -p kerf-planner --bench rings` takes some seconds.

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::time::Instant;

use kerf_planner::rings::{DeviceSet, MOST_DEVICES, Pair, RingDevice, RingHost, RingTable, Wish};

#[expect(dead_code, reason = "the tests use the rest")]
#[path = "fixtures/machine.rs"]
mod machine;

use machine::Random;

const HOSTS: usize = 40;
const CHOICES: usize = 500;
/// Levels of PCIe and links in GB/s.
const GBPS: [u32; 8] = [8, 9, 10, 11, 12, 20, 40, 80];

fn main() {
    println!(
        "{:28} {:>10} {:>10} {:>10} {:>10} {:>10}",
        "microseconds", "table p50", "table max", "p50", "p99", "max"
    );
    for count in [8, MOST_DEVICES] {
        row("all alike", count, |_| 360);
        row("at random", count, |random| *random.pick(&GBPS));
    }
}

fn row(name: &str, count: usize, gbps: impl Fn(&mut Random) -> u32) {
    let mut random = Random(count.try_into().expect("small"));
    let (mut tables, mut choices) = (Vec::new(), Vec::new());
    for _ in 0..HOSTS {
        let host = host(count, || gbps(&mut random));
        let begun = Instant::now();
        let table = RingTable::new(host);
        tables.push(begun.elapsed());
        for _ in 0..CHOICES {
            let wish = wish(count, &mut random);
            let begun = Instant::now();
            let chosen = table.pick(&wish).expect("enough are free");
            choices.push(begun.elapsed());
            assert_eq!(chosen.set.len(), wish.count);
        }
    }
    let [table, table_max] = [50, 100].map(|percent| at(&mut tables, percent));
    let [p50, p99, max] = [50, 99, 100].map(|percent| at(&mut choices, percent));
    let name = format!("{count} accelerators, {name}");
    println!("{name:28} {table:10.1} {table_max:10.1} {p50:10.1} {p99:10.1} {max:10.1}");
}

fn host(count: usize, mut gbps: impl FnMut() -> u32) -> RingHost {
    let device = |at: usize| RingDevice {
        numa_node: u32::try_from(at * 2 / count).ok(),
        nic_score: 40,
    };
    let pair = |_, _| {
        let gbps = gbps();
        Pair {
            mbps: gbps * 1_000,
            score: gbps * 5,
        }
    };
    RingHost::new((0..count).map(device).collect(), pair).expect("not too many")
}

fn wish(count: usize, random: &mut Random) -> Wish {
    let mut free: Vec<usize> = (0..count).collect();
    for _ in 0..random.below(count / 2 + 1) {
        free.remove(random.below(free.len()));
    }
    Wish {
        count: 1 + random.below(free.len()),
        free: free.into_iter().collect(),
        include: DeviceSet::EMPTY,
        avoid: DeviceSet::EMPTY,
        within: None,
    }
}

fn at(times: &mut [std::time::Duration], percent: usize) -> f64 {
    times.sort_unstable();
    let time = times.get((times.len() - 1) * percent / 100);
    time.expect("some").as_secs_f64() * 1_000_000.0
}
