//! `lspci` as a witness: what it lists of a machine is what is in its tree.

use std::collections::BTreeMap;
use std::process::Command;

use crate::world::World;

/// Shows a machine.
pub fn check(world: &World, name: &str) {
    let listed = listed(world);
    let devices = "sys/bus/pci/devices";
    let functions = world.names(devices);
    assert_eq!(listed.len(), functions.len(), "{name}");
    for function in functions {
        let told = listed
            .get(&function)
            .unwrap_or_else(|| panic!("{function}"));
        let read = |file: &str| world.text(&format!("{devices}/{function}/{file}"));
        let own = [
            ("Class", read("class")[2..6].to_owned()),
            ("Vendor", read("vendor")[2..].to_owned()),
            ("Device", read("device")[2..].to_owned()),
            ("NUMANode", read("numa_node")),
        ];
        for (word, value) in own {
            assert_eq!(told.get(word), Some(&value), "{name} {function} {word}");
        }
        let driver = world.leads_to(&format!("{devices}/{function}/driver"));
        let driver = driver.rsplit('/').next().map(str::to_owned);
        assert_eq!(told.get("Driver").cloned(), driver, "{name} {function}");
    }
}

/// What `lspci` says of each function, by its words.
fn listed(world: &World) -> BTreeMap<String, BTreeMap<String, String>> {
    let path = world.root.join("sys/bus/pci");
    let output = Command::new("lspci")
        .arg("-O")
        .arg(format!("sysfs.path={}", path.display()))
        .args(["-A", "linux-sysfs", "-D", "-vmmnk"])
        .output()
        .expect("lspci");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let text = String::from_utf8(output.stdout).expect("text");
    let records = text
        .split("\n\n")
        .filter(|record| !record.trim().is_empty());
    let parsed = records.map(|record| {
        let words = record.lines().filter_map(|line| line.split_once(":\t"));
        let words: BTreeMap<String, String> = words
            .map(|(word, value)| (word.to_owned(), value.to_owned()))
            .collect();
        (words["Slot"].clone(), words)
    });
    parsed.collect()
}
