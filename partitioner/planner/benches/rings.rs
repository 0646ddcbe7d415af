//! Times tables and choices of sets of accelerators, on hosts whose pairs are all alike (behind NVSwitches) and on hosts
//! whose pairs differ at random; every choice among a random half or more of the devices that are free. Then whole asks for
//! GPUs, from who uses what to the picks.
//!
//! `cargo bench -p kerf-planner --bench rings` takes some seconds.

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::time::Instant;

use kerf_planner::rings::{GpuRings, MOST_DEVICES, Pair, RingDevice, RingHost, RingTable, Wish};
use kerf_planner::{GpuView, Usage, choose};
use kerf_types::inventory::{NvLink, NvLinkRemote};
use kerf_types::{Ask, Gpu, MigMode};

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
    for count in [8, MOST_DEVICES] {
        for joined in [false, true] {
            asks(count, joined);
        }
    }
}

/// Asks of a host whose GPUs are all behind switches; the ask for joined ones looks at their links besides.
fn asks(count: usize, joined: bool) {
    let mut random = Random(count.try_into().expect("small"));
    let gpus: Vec<Gpu> = (0..count).map(switched).collect();
    let device = |gpu: &Gpu| RingDevice {
        numa_node: gpu.numa_node,
        nic_score: 40,
        nic: None,
    };
    let devices = gpus.iter().map(|gpu| (gpu.pci, device(gpu)));
    let pair = |_, _| Pair {
        mbps: 360_000,
        score: 1_820,
        ..Pair::default()
    };
    let rings = GpuRings::renewed(None, devices.collect(), pair).expect("not too many");
    let views: Vec<GpuView<'_>> = gpus.iter().map(view).collect();
    let mut times = Vec::new();
    for _ in 0..HOSTS * CHOICES {
        let wish = wish(count, &mut random);
        let taken = gpus.iter().enumerate();
        let taken = taken.filter(|(at, _)| !wish.free.contains(*at));
        let usage = Usage {
            gpus: taken
                .map(|(_, gpu)| (gpu.pci, "job 1".to_owned()))
                .collect(),
            ..Usage::default()
        };
        let word = if joined { "nvlink" } else { "gpu" };
        let ask: Ask = format!("{word}:{}", wish.count).parse().expect("an ask");
        let begun = Instant::now();
        let choice = choose(&views, &usage, Some(&rings), &ask).expect("enough are free");
        times.push(begun.elapsed());
        assert_eq!(choice.picks.len(), wish.count);
    }
    let [p50, p99, max] = [50, 99, 100].map(|percent| at(&mut times, percent));
    let name = format!("{count} GPUs, {}ask", if joined { "joined " } else { "" });
    println!(
        "{name:28} {:>10} {:>10} {p50:10.1} {p99:10.1} {max:10.1}",
        "", ""
    );
}

fn switched(index: usize) -> Gpu {
    let index = u32::try_from(index).expect("small");
    let mut gpu = machine::gpu(index, &[]);
    let link = |link| NvLink {
        link,
        active: true,
        version: 4,
        remote: NvLinkRemote::Switch(Some(gpu.pci)),
    };
    gpu.nvlinks = (0..18).map(link).collect();
    gpu.mig_mode = MigMode::Disabled;
    gpu
}

fn view(gpu: &Gpu) -> GpuView<'_> {
    GpuView {
        gpu,
        grid: None,
        may_enable_mig: true,
        may_disable_mig: true,
        closed: None,
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
        nic: None,
    };
    let pair = |_, _| {
        let gbps = gbps();
        Pair {
            mbps: gbps * 1_000,
            score: gbps * 5,
            ..Pair::default()
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
        ..Wish::default()
    }
}

fn at(times: &mut [std::time::Duration], percent: usize) -> f64 {
    times.sort_unstable();
    let time = times.get((times.len() - 1) * percent / 100);
    time.expect("some").as_secs_f64() * 1_000_000.0
}
