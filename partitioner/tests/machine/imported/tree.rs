//! What lies in the tree of an imported machine, and how far its devices are from each other.

use std::fs;
use std::path::Path;
use std::process::Command;

use kerf_partitioner::nccl::NcclSystem;
use kerf_partitioner::topology::Site;
use kerf_tests::Capability;

use super::{Imported, OWN, public};

/// Words that stand in every file of NCCL's, and in no file of a kernel's.
const WORDS: [&str; 6] = [
    "<system",
    "busid",
    "numaid",
    "tclass",
    "maxconn",
    "host_hash",
];

/// Files in a folder whose content has one of these words.
fn holding(folder: &Path, words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let facts = path.symlink_metadata().expect("it is there");
        if facts.is_dir() {
            found.extend(holding(&path, words));
        } else if facts.is_file() && !path.ends_with("libnvidia-ml.so.1") {
            let bytes = fs::read(&path).expect("a file");
            let text = String::from_utf8_lossy(&bytes);
            if words.iter().any(|word| text.contains(word)) {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

#[test]
fn nothing_of_the_text_is_kept() {
    let text = OWN[2]
        .1
        .replace("guid=\"0x9\"", "guid=\"0x5ca1ab1e0ddba11\"");
    let machine = Imported::new("nvlink", &text);
    // The library and the tools are programs, which are the same in every machine.
    let tools = machine.info.dir.join("kerf-sim-tools");
    fs::remove_file(tools).ok();
    let root = machine.info.sysroot.join("usr");
    fs::remove_dir_all(root).ok();
    let words = [&WORDS[..], &["5ca1ab1e0ddba11"]].concat();
    assert_eq!(holding(&machine.info.dir, &words), Vec::<String>::new());
}

/// That accelerators and interfaces are as far from each other as the text has it: what a choice follows from.
fn check_nearness(name: &str, text: &str) {
    let system: NcclSystem = text.parse().expect(name);
    let site = Site::new(&Imported::new(name, text).found());
    let addresses: Vec<_> = system.accelerators().collect();
    let devices: Vec<_> = addresses
        .iter()
        .map(|address| {
            let mut all = site.accelerators().iter();
            all.find(|device| device.pci == Some(*address)).expect(name)
        })
        .collect();
    assert_eq!(site.accelerators().len(), devices.len(), "{name}");
    for (a, one) in devices.iter().enumerate() {
        assert_eq!(one.numa_node, system.numa_node(a), "{name}: {a}");
        for (b, other) in devices.iter().enumerate().filter(|(b, _)| *b != a) {
            let near = (system.near(a, b), Some(site.near(one, other)));
            assert_eq!(near.0, near.1, "{name}: {} {}", addresses[a], addresses[b]);
        }
        for net in system.nets() {
            // Those without RDMA are no device of a site's.
            let Some(nic) = site.nics().iter().find(|nic| nic.id == net.name) else {
                continue;
            };
            let near = (system.near_net(a, net), Some(site.level(one, nic)));
            assert_eq!(near.0, near.1, "{name}: {} {}", addresses[a], net.name);
        }
    }
}

#[test]
fn devices_are_as_far_from_each_other_as_the_text_has_it() {
    for (name, text) in OWN.iter().filter(|(name, _)| *name != "cloud") {
        check_nearness(name, text);
    }
    for (name, text) in public() {
        check_nearness(&name, &text);
    }
}

/// Functions that the bus lists.
fn functions(machine: &Imported) -> usize {
    let devices = machine.info.sysroot.join("sys/bus/pci/devices");
    fs::read_dir(devices).expect("a bus").count()
}

#[test]
fn other_tools_read_it() {
    let named = |name: &str| OWN.iter().find(|(own, _)| *own == name).expect("ours").1;
    // lspci cannot do without ids.
    for name in ["switches", "nvlink"] {
        let machine = Imported::new(name, named(name));
        let path = machine.info.sysroot.join("sys/bus/pci");
        if kerf_tests::require(Capability::Lspci) {
            let mut command = Command::new("lspci");
            command
                .arg("-O")
                .arg(format!("sysfs.path={}", path.display()));
            command.args(["-A", "linux-sysfs", "-D", "-n"]);
            let listed = kerf_tests::process::run(&mut command).expect("lspci");
            assert_eq!(
                listed.lines().count(),
                functions(&machine),
                "{name}:\n{listed}"
            );
        }
    }
    for (name, text) in OWN {
        let machine = Imported::new(name, text);
        if kerf_tests::require(Capability::Lstopo) {
            let mut command = Command::new("lstopo-no-graphics");
            command.args(["--whole-io", "--no-caches", "--of", "console"]);
            command.env("HWLOC_FSROOT", &machine.info.sysroot);
            command.env("HWLOC_THISSYSTEM", "0");
            command.env("HWLOC_COMPONENTS", "linux,stop");
            let seen = kerf_tests::process::run(&mut command).expect("lstopo");
            let nodes = seen.matches("NUMANode").count();
            let expected = if name == "hive" {
                4
            } else {
                usize::from(name == "switches") + 1
            };
            assert_eq!(nodes, expected, "{name}:\n{seen}");
            if name == "nvlink" {
                assert_eq!(seen.matches("OpenFabrics").count(), 2, "{seen}");
            }
        }
    }
}
