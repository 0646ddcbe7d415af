//! The public machines: what is picked on them is the best by trying every set, and what a host would give.

use clap::Parser;
use kerf_planner::rings::{DeviceSet, GpuRings, PairWeights, RingHost, RingTable, Wish};
use kerf_planner::{GpuView, Usage, choose};
use kerf_types::{Ask, Gpu, MigMode, PciAddress};

use super::super::{Machine, pick};
use super::Line;
use crate::host::fixture;

/// The GPUs of a machine as a host gives them to leases and jobs.
struct Asks {
    gpus: Vec<Gpu>,
    rings: GpuRings,
}

impl Asks {
    fn of(machine: &Machine, host: &RingHost) -> Self {
        let addresses = machine.named(DeviceSet::first(machine.count()));
        let mut addresses: Vec<PciAddress> = addresses.into_values().flatten().collect();
        addresses.sort_unstable();
        let at = |pci| addresses.iter().position(|one| *one == pci).expect("known");
        let devices = addresses
            .iter()
            .copied()
            .zip(host.devices().iter().copied());
        let rings = GpuRings::renewed(None, devices.collect(), |a, b| host.pair(at(a), at(b)));
        let gpus = (0..).zip(&addresses).map(|(index, pci)| Gpu {
            pci: *pci,
            mig_mode: MigMode::Disabled,
            numa_node: host.devices()[at(*pci)].numa_node,
            ..fixture::gpu(index)
        });
        Self {
            gpus: gpus.collect(),
            rings: rings.expect("few"),
        }
    }

    /// What an ask gets, by the machine's numbers. Among equal sets it may be another than the file's order has first.
    fn ask(&self, count: usize, free: DeviceSet) -> DeviceSet {
        let chosen = self.asked(&format!("gpu:{count}"), free);
        chosen.expect("enough are free")
    }

    fn asked(&self, ask: &str, free: DeviceSet) -> Option<DeviceSet> {
        let view = |gpu| GpuView {
            gpu,
            grid: None,
            may_enable_mig: true,
            may_disable_mig: true,
            closed: None,
        };
        let views: Vec<GpuView<'_>> = self.gpus.iter().map(view).collect();
        let all = self.gpus.iter().enumerate();
        let taken = all.filter(|(at, _)| !free.contains(*at));
        let usage = Usage {
            gpus: taken
                .map(|(_, gpu)| (gpu.pci, "a job".to_owned()))
                .collect(),
            ..Usage::default()
        };
        let ask: Ask = ask.parse().expect("an ask");
        let choice = choose(&views, &usage, Some(&self.rings), &ask).ok()?;
        let picked = |pci| self.gpus.iter().position(|gpu| gpu.pci == pci);
        let picks = choice.picks.iter();
        Some(picks.filter_map(|pick| picked(pick.gpu())).collect())
    }
}

/// The public machines.
fn machines() -> Vec<(String, Machine)> {
    let folder = kerf_tests::tree::data_dir().join("nccl-topo");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        let why = format!("{} is not there", folder.display());
        kerf_tests::skip(kerf_tests::Capability::Data, &why);
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let xml = paths.filter(|path| path.extension().is_some_and(|end| end == "xml"));
    let machine = |path: std::path::PathBuf| {
        let text = std::fs::read_to_string(&path).expect("a file");
        let machine = Machine::of_nccl(&text.parse().expect("a machine")).expect("few");
        (path.display().to_string(), machine)
    };
    xml.map(machine).collect()
}

/// The widest ring of a set, by trying every order; 0 for one device.
fn widest(host: &RingHost, begun: &[usize], rest: DeviceSet) -> u32 {
    let pair = |a: Option<&usize>, b: usize| a.map_or(u32::MAX, |a| host.pair(*a, b).mbps);
    let ways = rest.iter().map(|next| {
        let to_next = pair(begun.last(), next);
        let further = widest(
            host,
            &[begun, &[next]].concat(),
            rest.without(DeviceSet::one(next)),
        );
        to_next.min(further)
    });
    let (first, last) = (begun.first(), begun.last());
    let closed = || {
        first
            .filter(|first| Some(*first) != last)
            .map_or(0, |first| pair(last, *first))
    };
    ways.max().unwrap_or_else(closed)
}

#[test]
fn on_no_public_machine_is_there_a_wider_ring() {
    let weights = PairWeights::default();
    let mut cases = 0;
    for (name, machine) in machines() {
        if machine.count() > 8 {
            continue;
        }
        let table = RingTable::new(machine.rings(&weights).expect("few"));
        let asks = Asks::of(&machine, table.host());
        let sets: Vec<DeviceSet> = (0..1_u32 << machine.count())
            .map(|bits| {
                (0..machine.count())
                    .filter(|at| bits >> at & 1 == 1)
                    .collect()
            })
            .collect();
        // A ring has no beginning, so every order begins at the first device.
        let ring = |set: &DeviceSet| {
            let first: Vec<usize> = set.iter().take(1).collect();
            widest(
                table.host(),
                &first,
                set.without(first.iter().copied().collect()),
            )
        };
        let rings: Vec<u32> = sets.iter().map(ring).collect();
        for free in &sets {
            for count in 2..=free.len() {
                let of = |set: &DeviceSet| set.len() == count && free.has_all(*set);
                let best = sets.iter().zip(&rings).filter(|(set, _)| of(set));
                let best = best.map(|(_, ring)| *ring).max();
                let wish = Wish {
                    count,
                    free: *free,
                    ..Wish::default()
                };
                let chosen = table.pick(&wish).expect("enough are free");
                assert_eq!(
                    (chosen.ring_mbps, of(&chosen.set)),
                    (best, true),
                    "{name}: {wish:?}"
                );
                let asked = asks.ask(count, *free);
                assert_eq!(
                    (Some(table.ring(asked)), of(&asked)),
                    (best, true),
                    "{name}: {wish:?}"
                );
                cases += 1;
            }
        }
    }
    kerf_tests::note(&format!("{cases} choices on public machines"));
}

/// The words of a line and those of an ask mean the same.
#[test]
fn constraints_bind_a_lease_as_they_bind_a_pick() {
    let mut cases = 0;
    for (name, machine) in machines() {
        if machine.count() > 8 {
            continue;
        }
        let table = RingTable::new(machine.rings(&PairWeights::default()).expect("few"));
        let asks = Asks::of(&machine, table.host());
        let (first, last) = (asks.gpus[0].pci, asks.gpus[machine.count() - 1].pci);
        let all = DeviceSet::first(machine.count());
        for words in [
            format!("include={last}"),
            format!("avoid={first}"),
            "same=numa".to_owned(),
            "same=switch".to_owned(),
            "nic=pix".to_owned(),
            "nic=pxb".to_owned(),
            "nic=phb".to_owned(),
            "nic=node".to_owned(),
            format!("include={first},avoid={last},same=numa,nic=node"),
        ] {
            for count in 1..=machine.count() {
                let options = words.split(',').map(|word| format!("--{word}"));
                let line = ["pick", "--nccl-xml", "-", "-n"].map(str::to_owned);
                let line = line.into_iter().chain([count.to_string()]).chain(options);
                let line = Line::try_parse_from(line).expect("a right line");
                let picked = pick(&line.args, &machine).ok();
                let asked = asks.asked(&format!("gpu:{count},{words}"), all);
                let named = asked.map(|set| machine.named(set).into_keys().collect::<Vec<_>>());
                assert_eq!(
                    named,
                    picked.map(|picked| picked.gpus),
                    "{name}: {count} {words}"
                );
                cases += 1;
            }
        }
    }
    kerf_tests::note(&format!("{cases} bound choices on public machines"));
}

#[test]
fn a_public_machine_has_its_pairs() {
    let machines = machines();
    let Some((_, machine)) = machines
        .iter()
        .find(|(name, _)| name.ends_with("topo_8p1h_1.xml"))
    else {
        return;
    };
    let line = Line::try_parse_from(["pick", "--nccl-xml", "-", "-n", "2", "--free", "0,2,3,5,6"]);
    let two = pick(&line.expect("a right line").args, machine).expect("a pair");
    assert_eq!((two.gpus, two.ring_gbps), (vec![2, 3], Some(80.0)));
}
