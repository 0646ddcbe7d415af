//! Links end where a kernel's do, and every file has what a kernel fills it with.

use std::fs;
use std::path::Path;

use crate::world::World;

/// Files that a kernel leaves empty: they tell by being there (`mgmt-sysfs.c` and `xocl_sysfs.c` of XRT), a card with
/// nothing loaded has no id of it, a manager without errors no status, and what only takes values has none.
const EMPTY: [&str; 6] = [
    "mgmt_pf",
    "user_pf",
    "xclbinuuid",
    "hard_reset",
    "fpga0/status",
    "fpga1/status",
];

/// Shows a machine.
pub fn check(world: &World, name: &str) {
    let functions = world.names("sys/bus/pci/devices");
    assert!(!functions.is_empty(), "{name}");
    for function in functions {
        check_function(world, &function);
    }
    for class in world.names("sys/class") {
        for device in world.names(&format!("sys/class/{class}")) {
            let target = world.leads_to(&format!("sys/class/{class}/{device}"));
            assert!(target.starts_with("sys/devices/"), "{name}: {target}");
            assert!(target.ends_with(&format!("/{device}")), "{name}: {target}");
            check_parent(world, &target);
        }
    }
    check_files(name, &world.root);
}

fn check_function(world: &World, function: &str) {
    let link = format!("sys/bus/pci/devices/{function}");
    let target = world.leads_to(&link);
    assert!(target.starts_with("sys/devices/pci"), "{target}");
    assert!(target.ends_with(function), "{target}");
    let driver = world.leads_to(&format!("{link}/driver"));
    assert!(driver.starts_with("sys/bus/pci/drivers/"), "{driver}");
    assert_eq!(world.leads_to(&format!("{driver}/{function}")), target);
    let group = world.leads_to(&format!("{link}/iommu_group"));
    assert_eq!(
        world.leads_to(&format!("{group}/devices/{function}")),
        target
    );
    let uevent = world.text(&format!("{link}/uevent"));
    assert!(
        uevent.contains(&format!("PCI_SLOT_NAME={function}\n")),
        "{uevent}"
    );
    check_irq(world, function);
    let node = world.text(&format!("{link}/numa_node"));
    let cpus = world.text(&format!("sys/devices/system/node/node{node}/cpulist"));
    assert_eq!(world.text(&format!("{link}/local_cpulist")), cpus);
}

/// NVIDIA's driver prints the interrupt that the bus does.
fn check_irq(world: &World, function: &str) {
    let information = format!("proc/driver/nvidia/gpus/{function}/information");
    if !world.root.join(&information).exists() {
        return;
    }
    let text = world.text(&information);
    let printed = text.lines().find_map(|line| line.strip_prefix("IRQ:"));
    let irq = world.text(&format!("sys/bus/pci/devices/{function}/irq"));
    assert_eq!(printed.map(str::trim), Some(&*irq), "{function}");
}

/// Every file below `sys` and `proc` says something.
fn check_files(name: &str, root: &Path) {
    let mut open = vec![root.join("sys"), root.join("proc")];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let entry = entry.expect("an entry");
            let (kind, path) = (entry.file_type().expect("a kind"), entry.path());
            if kind.is_dir() {
                open.push(path);
            } else if kind.is_file() {
                let size = entry.metadata().expect("facts").len();
                let told = EMPTY.iter().any(|empty| path.ends_with(empty));
                assert!((size > 0) != told, "{name}: {}", path.display());
            } else {
                assert!(path.exists(), "{name}: {} leads nowhere", path.display());
            }
        }
    }
}

/// A device of a class that belongs to another lies below it.
fn check_parent(world: &World, device: &str) {
    let link = format!("{device}/device");
    if world.root.join(&link).is_dir() {
        let parent = world.leads_to(&link);
        assert!(
            device.starts_with(&format!("{parent}/")),
            "{device}: {parent}"
        );
    }
}
