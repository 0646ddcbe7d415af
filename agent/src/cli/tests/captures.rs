//! `nvidia-smi topo -m` of real hosts: our matrix of a machine like theirs has the same lines.

use std::fs;

use kerf_partitioner::discover::topology;
use kerf_tests::{Capability, skip, tree};
use kerf_types::inventory::{Gpu, Inventory, NumaNode};
use kerf_types::{Bytes, MigMode};

use super::PLAIN;
use crate::cli::topology::render;
use crate::host::fixture;

const CAPTURES: [(&str, MigMode); 2] = [
    ("h100-80gb-hbm3-590.48.01.txt", MigMode::Disabled),
    ("h100-mig-590.48.01.txt", MigMode::Enabled),
];

/// The matrix and its legend as lines of words, without nvidia-smi's tabs and its underlining.
fn printed(capture: &str) -> Vec<Vec<String>> {
    let begin = "# $ nvidia-smi topo -m\n";
    let from = capture.find(begin).expect("the command") + begin.len();
    let rest = capture.get(from..).expect("what it printed");
    let lines = rest.lines().skip(1);
    let lines = lines.take_while(|line| !line.starts_with("####"));
    let plain = lines.map(|line| line.replace("\u{1b}[4m", "").replace("\u{1b}[0m", ""));
    let words = |line: String| line.split_whitespace().map(str::to_owned).collect();
    let lines: Vec<Vec<String>> = plain.map(words).collect();
    lines.into_iter().filter(|line| !line.is_empty()).collect()
}

/// Both hosts are virtual machines with one H100 and the twenty CPUs of node 0 beside it, and no interface for RDMA.
fn like_theirs(mig_mode: MigMode) -> Inventory {
    let gpu = Gpu {
        pci: "0000:00:09.0".parse().expect("an address"),
        numa_node: Some(0),
        mig_mode,
        ..fixture::gpu(0)
    };
    Inventory {
        gpus: vec![gpu],
        numa_nodes: vec![NumaNode {
            cpus: Some("0-19".to_owned()),
            memory: Some(Bytes(1 << 38)),
            distances: vec![10],
            ..NumaNode::default()
        }],
        ..Inventory::default()
    }
}

#[test]
fn captures_are_reproduced_line_by_line() {
    for (file, mig_mode) in CAPTURES {
        let path = tree::data_dir().join("nvidia-smi").join(file);
        let Ok(capture) = fs::read_to_string(&path) else {
            return skip(Capability::Data, &format!("no file {}", path.display()));
        };
        let host = like_theirs(mig_mode);
        let ours = render(&topology(&host), &[], PLAIN);
        // The last column, the address, is ours alone; theirs has an empty one before the GPU NUMA ID.
        let words = |line: &str| -> Vec<String> {
            let words = line.split_whitespace();
            let words =
                words.filter(|word| !["PCI", "0000:00:09.0"].contains(word) || line.contains('='));
            words.map(str::to_owned).collect()
        };
        let ours: Vec<Vec<String>> = ours.lines().map(words).collect();
        let ours: Vec<Vec<String>> = ours.into_iter().filter(|line| !line.is_empty()).collect();
        assert_eq!(ours, printed(&capture), "{file}");
    }
}
