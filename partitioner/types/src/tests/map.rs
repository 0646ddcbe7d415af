//! Orders of what a map lists.

use crate::map::{Accelerator, End, Vendor};

#[test]
fn accelerators_come_by_address_and_then_by_number() {
    let named = |id: &str| Accelerator {
        id: id.to_owned(),
        pci: id.parse().ok(),
        ..Accelerator::at("0000:00:00.0".parse().expect("an address"), Vendor::Aws)
    };
    let sorted = [
        "0000:0e:00.0",
        "0000:0f:00.0",
        "0001:00:00.0",
        "fpga0",
        "neuron2",
        "neuron9",
        "neuron10",
    ];
    let mut all: Vec<Accelerator> = sorted.into_iter().rev().map(named).collect();
    Accelerator::sort(&mut all);
    let ids: Vec<&str> = all.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(ids, sorted);
}

#[test]
fn ends_of_links_come_by_number() {
    let end = |id: &str| End::Accelerator(id.to_owned());
    let switch = End::Switch("0000:05:00.0".parse().ok());
    let sorted = [
        end("neuron2"),
        end("neuron10"),
        switch,
        End::Cpu(1),
        End::Cpu(2),
    ];
    let mut all = sorted.to_vec();
    all.reverse();
    all.sort();
    assert_eq!(all, sorted);
}
