//! What is picked on public machines, and what is said where nothing can be.

use clap::Parser;
use kerf_planner::rings::{DeviceSet, GpuRings, PairWeights, RingHost, RingTable, Wish};
use kerf_planner::{GpuView, Usage, choose};
use kerf_types::{Ask, Gpu, MigMode, PciAddress};
use serde_json::{Value, json};

use super::{Args, Machine, PickError, Picked, pick};
use crate::host::fixture;

/// Two sockets with a switch each, two GPUs and a network interface below each; the GPUs of a switch are linked.
const SMALL: &str = r#"<system version="1">
<cpu numaid="0">
 <pci busid="0000:10:00.0" class="0x060400">
  <pci busid="0000:11:00.0" class="0x030200"><gpu><nvlink target="0000:12:00.0" count="2" tclass="0x030200"/></gpu></pci>
  <pci busid="0000:12:00.0" class="0x030200"><gpu><nvlink target="0000:11:00.0" count="2" tclass="0x030200"/></gpu></pci>
  <pci busid="0000:13:00.0" class="0x020700"><nic><net name="mlx5_0"/></nic></pci>
 </pci>
</cpu>
<cpu numaid="1">
 <pci busid="0000:20:00.0" class="0x060400">
  <pci busid="0000:21:00.0" class="0x030200"><gpu/></pci>
 </pci>
 <pci busid="0000:22:00.0" class="0x030200"><gpu/></pci>
</cpu>
</system>"#;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

fn picked(text: &str, words: &[&str]) -> Result<Picked, PickError> {
    let file = ["pick", "--nccl-xml", "-"];
    let line = Line::try_parse_from([&file, words].concat()).expect("a right line");
    pick(
        &line.args,
        &Machine::of_nccl(&text.parse().expect("a machine"))?,
    )
}

/// The document without the time.
fn document(text: &str, words: &[&str]) -> Value {
    let picked = picked(text, words).expect("a set");
    let mut document = serde_json::to_value(&picked).expect("a document");
    let micros = document
        .as_object_mut()
        .and_then(|all| all.remove("micros"));
    assert!(micros.is_some_and(|micros| micros.is_f64()));
    document
}

fn gpus(words: &[&str]) -> Vec<usize> {
    picked(SMALL, words).expect("a set").gpus
}

#[test]
fn the_linked_pair_is_told_with_what_is_near_it() {
    let expected = json!({
        "gpus": [0, 1], "addresses": ["0000:11:00.0", "0000:12:00.0"], "ring_gbps": 40.0, "pair_score": 250, "numa_nodes": [0], "nics": ["mlx5_0"],
    });
    assert_eq!(document(SMALL, &["-n", "2"]), expected);
    let one = document(SMALL, &["-n", "1", "--avoid", "0,1"]);
    assert_eq!(one["ring_gbps"], Value::Null);
    let all = document(SMALL, &["-n", "4"]);
    assert_eq!(
        (&all["ring_gbps"], &all["numa_nodes"]),
        (&json!(8.0), &json!([0, 1]))
    );
}

#[test]
fn constraints_bind() {
    assert_eq!(gpus(&["-n", "2", "--free", "1,2,3"]), [2, 3]);
    assert_eq!(gpus(&["-n", "2", "--include", "3"]), [2, 3]);
    assert_eq!(gpus(&["-n", "2", "--include", "0000:22:00.0"]), [2, 3]);
    assert_eq!(gpus(&["-n", "2", "--avoid", "0", "--same", "numa"]), [2, 3]);
    assert_eq!(
        gpus(&["-n", "1", "--include", "2", "--same", "switch"]),
        [2]
    );
    // A pair apart is wider than one at a link where links count for nothing.
    assert_eq!(gpus(&["-n", "2", "--gbps", "link=1,phb=14"]), [2, 3]);
    let scored = document(SMALL, &["-n", "2", "--score", "pix=7,link=2"]);
    assert_eq!(scored["pair_score"], 11);
}

#[test]
fn functions_of_one_card_are_nearer_and_unknown_nodes_are_none() {
    let card = SMALL
        .replace("0000:22:00.0", "0000:21:00.1")
        .replace("numaid=\"1\"", "numaid=\"-1\"");
    let two = document(&card, &["-n", "2", "--avoid", "0,1"]);
    assert_eq!(
        (&two["ring_gbps"], &two["pair_score"]),
        (&json!(13.0), &json!(60))
    );
    let same = picked(&card, &["-n", "2", "--avoid", "0,1", "--same", "numa"]);
    let same = same
        .expect_err("of no node is known that it is the same")
        .to_string();
    assert!(same.contains("in one group, and 0 can be had"), "{same}");
}

#[test]
fn too_many_are_refused_before_they_are_compared() {
    let one = |at: u32| format!("<pci busid=\"{at:x}:01:00.0\" class=\"0x030200\"><gpu/></pci>");
    let many: String = (0..20_000).map(one).collect();
    let text = format!("<system version=\"1\"><cpu numaid=\"0\">{many}</cpu></system>");
    let refused = picked(&text, &["-n", "1"])
        .expect_err("too many")
        .to_string();
    assert!(refused.starts_with("20000 accelerators"), "{refused}");
}

#[test]
fn what_cannot_be_had_is_said() {
    let refused = |words: &[&str]| picked(SMALL, words).expect_err("none").to_string();
    let few = refused(&["-n", "3", "--free", "0,1"]);
    assert_eq!(few, "asked for 3, and 2 can be had; not free: 2, 3");
    assert!(refused(&["-n", "3", "--same", "numa"]).contains("in one group"));
    let far = refused(&["-n", "3", "--nic", "pix", "--avoid", "0"]);
    let expected = "asked for 3, and 1 can be had; to be avoided: 0; without a network interface so near: 2, 3";
    assert_eq!(far, expected);
    assert!(
        refused(&["-n", "1", "--include", "1", "--avoid", "1"])
            .contains("left out; to be avoided: 1")
    );
    let far = refused(&["-n", "1", "--include", "2", "--nic", "pix"]);
    assert!(
        far.contains("left out; without a network interface so near: 2, 3"),
        "{far}"
    );
    assert!(
        refused(&["-n", "1", "--avoid", "0000:99:00.0"]).contains("no accelerator 0000:99:00.0")
    );
    let nobody = refused(&["-n", "1", "--free", "0,4"]);
    assert_eq!(
        nobody,
        "there is no accelerator 4: they are numbered from 0 and there are 4"
    );
    for wrong in [
        "link",
        "bus=3",
        "link=x",
        "link=-1",
        "link=inf",
        "link=10001",
    ] {
        let line = ["pick", "--nccl-xml", "-", "-n", "1", "--gbps", wrong];
        assert!(Line::try_parse_from(line).is_err(), "{wrong}");
    }
    assert!(
        Line::try_parse_from(["pick", "-n", "1"]).is_err(),
        "no machine"
    );
}

/// The GPUs of a machine as a host gives them to leases and jobs.
struct Asks {
    gpus: Vec<Gpu>,
    rings: GpuRings,
}

impl Asks {
    fn of(machine: &Machine, host: &RingHost) -> Self {
        let addresses: Vec<PciAddress> = machine.addresses().iter().copied().flatten().collect();
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
        let ask: Ask = format!("gpu:{count}").parse().expect("an ask");
        let choice = choose(&views, &usage, Some(&self.rings), &ask).expect("enough are free");
        let picked = |pci| self.gpus.iter().position(|gpu| gpu.pci == pci);
        choice
            .picks
            .iter()
            .filter_map(|pick| picked(pick.gpu()))
            .collect()
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

/// The same machine with its sockets and devices the other way round.
const TURNED: &str = r#"<system version="1">
<cpu numaid="1">
 <pci busid="0000:22:00.0" class="0x030200"><gpu/></pci>
 <pci busid="0000:20:00.0" class="0x060400">
  <pci busid="0000:21:00.0" class="0x030200"><gpu/></pci>
 </pci>
</cpu>
<cpu numaid="0">
 <pci busid="0000:10:00.0" class="0x060400">
  <pci busid="0000:13:00.0" class="0x020700"><nic><net name="mlx5_0" gdr="1"/></nic></pci>
  <pci busid="0000:14:00.0" class="0x020000"><nic><net name="eth0" gdr="0"/></nic></pci>
  <pci busid="0000:12:00.0" class="0x030200"><gpu><nvlink target="0000:11:00.0" count="2" tclass="0x030200"/></gpu></pci>
  <pci busid="0000:11:00.0" class="0x030200"><gpu><nvlink target="0000:12:00.0" count="2" tclass="0x030200"/></gpu></pci>
 </pci>
</cpu>
</system>"#;

#[test]
fn the_order_of_a_file_gives_numbers_and_decides_nothing() {
    for count in 1..=4 {
        for avoid in ["0000:11:00.0", "0000:22:00.0", "0000:99:00.0"] {
            let count = count.to_string();
            let mut words = vec!["-n", count.as_str()];
            if !avoid.contains("99") {
                words.extend(["--avoid", avoid]);
            }
            let chosen = |text| {
                let picked = picked(text, &words).ok()?;
                let addresses: std::collections::BTreeSet<String> =
                    picked.addresses.into_iter().collect();
                Some((addresses, picked.ring_gbps, picked.pair_score, picked.nics))
            };
            assert_eq!(chosen(SMALL), chosen(TURNED), "{words:?}");
        }
    }
    let two = picked(TURNED, &["-n", "2"]).expect("a pair");
    assert_eq!(
        (two.gpus, two.addresses),
        (
            vec![2, 3],
            vec!["0000:12:00.0".to_owned(), "0000:11:00.0".to_owned()]
        )
    );
    let named = picked(TURNED, &["-n", "1", "--include", "0"]).expect("one");
    assert_eq!(named.addresses, ["0000:22:00.0"]);
    let refused = picked(TURNED, &["-n", "4", "--avoid", "0000:22:00.0"]).expect_err("three");
    assert!(
        refused.to_string().ends_with("to be avoided: 0"),
        "{refused}"
    );
}
