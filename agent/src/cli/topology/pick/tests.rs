//! What is picked on public machines, and what is said where nothing can be.

use std::sync::Arc;

use clap::Parser;
use kerf_partitioner::topology::Site;
use kerf_planner::rings::DeviceSet;
use kerf_types::map::{Accelerator, Vendor};
use kerf_types::{HostMap, Inventory};
use serde_json::{Value, json};

use super::{Args, Machine, PickError, Picked, pick};

mod public;

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

/// As the matrix does: `neuron2` comes before `neuron10`.
#[test]
fn devices_without_an_address_are_numbered_as_in_the_matrix() {
    let at = "0000:01:00.0".parse().expect("an address");
    let one = |number: u32| Accelerator {
        id: format!("neuron{number}"),
        pci: None,
        ..Accelerator::at(at, Vendor::Aws)
    };
    let found = Inventory {
        map: Arc::new(HostMap {
            accelerators: (0..12).map(one).collect(),
            ..HostMap::default()
        }),
        ..Inventory::default()
    };
    let machine = Machine::of_inventory(&found).expect("few");
    let ids = machine.ids(DeviceSet::first(12));
    let expected: Vec<String> = (0..12).map(|number| format!("neuron{number}")).collect();
    assert_eq!(ids, expected);
    let site = Site::new(&found);
    let matrix: Vec<&str> = site
        .accelerators()
        .iter()
        .map(|one| one.id.as_str())
        .collect();
    assert_eq!(matrix, expected);
}

#[test]
fn the_linked_pair_is_told_with_what_is_near_it() {
    let expected = json!({
        "gpus": [0, 1], "addresses": ["0000:11:00.0", "0000:12:00.0"], "ids": ["0000:11:00.0", "0000:12:00.0"],
        "ring_gbps": 40.0, "pair_score": 250, "numa_nodes": [0], "nics": ["mlx5_0"],
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
    let refused = picked(&text, &["-n", "1"]).expect_err("too many");
    let hint = refused.hint().expect("a hint");
    assert!(hint.contains("--only ADDRESS"), "{hint}");
    let refused = refused.to_string();
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
        (&two.gpus, &two.addresses),
        (
            &vec![2, 3],
            &vec!["0000:12:00.0".to_owned(), "0000:11:00.0".to_owned()]
        )
    );
    let named = picked(TURNED, &["-n", "1", "--include", "0"]).expect("one");
    assert_eq!(named.addresses, ["0000:22:00.0"]);
    assert_eq!(named.ids, ["0000:22:00.0"]);
    assert_eq!(two.ids, ["0000:12:00.0", "0000:11:00.0"]);
    // The file's number, not the place among the addresses.
    let included = |more: &[&str]| {
        let words = [&["-n", "1", "--include", "0"], more].concat();
        picked(TURNED, &words).expect_err("none").to_string()
    };
    let taken = included(&["--free", "1,2"]);
    assert!(
        taken.starts_with("accelerator 0 must be among them and is not free; not free: 0, 3"),
        "{taken}"
    );
    let avoided = included(&["--avoid", "0"]);
    assert!(
        avoided.starts_with("accelerator 0 must be among them and is left out"),
        "{avoided}"
    );
    let refused = picked(TURNED, &["-n", "4", "--avoid", "0000:22:00.0"]).expect_err("three");
    assert!(
        refused.to_string().ends_with("to be avoided: 0"),
        "{refused}"
    );
}

#[test]
fn what_to_do_is_said_with_what_cannot_be_had() {
    let hint = |words: &[&str]| {
        let refused = picked(SMALL, words).expect_err("none");
        refused.hint().expect("a hint")
    };
    let few = hint(&["-n", "3", "--free", "0,1"]);
    assert_eq!(
        few,
        "ask for 2 with -n 2, or let more be had with --free, --avoid or --nic"
    );
    let none = hint(&["-n", "1", "--free", "0", "--avoid", "0"]);
    assert_eq!(none, "let more be had with --free, --avoid or --nic");
    let apart = hint(&["-n", "3", "--same", "numa"]);
    assert_eq!(apart, "ask for 2 with -n 2, or leave out --same");
    let two = hint(&["-n", "1", "--include", "0,1"]);
    assert_eq!(two, "ask for 2 with -n 2, or name fewer with --include");
    assert!(hint(&["-n", "1", "--include", "2", "--free", "0"]).starts_with("take 2 out of"));
    assert!(hint(&["-n", "1", "--include", "2", "--avoid", "2"]).starts_with("take 2 out of"));
}

#[test]
fn a_word_that_is_none_is_told_how_it_is_written() {
    let refused = |words: &[&str]| {
        let line = [&["pick", "--nccl-xml", "-"], words].concat();
        let error = Line::try_parse_from(line).err().expect("a wrong line");
        error.to_string()
    };
    let usual = "write numbers with commas between them (0,1,2), PCI addresses";
    for option in ["--free", "--include", "--avoid"] {
        for wrong in ["foo", "0-3", "0,1,,2"] {
            let error = refused(&["-n", "1", option, wrong]);
            assert!(error.contains(usual), "{error}");
        }
    }
    let negative = refused(&["-n", "-1"]);
    assert!(negative.contains("\"-1\" is not in range"), "{negative}");
}
