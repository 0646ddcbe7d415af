//! A short rendering of each machine's tree, so that a change is seen: processors, nodes, the PCI tree with links and
//! drivers, the devices of every class, and the files of one accelerator in full.

use std::fmt::Write;

use crate::world::World;

/// Shows a machine.
pub fn check(world: &World, name: &str) {
    insta::assert_snapshot!(format!("tree_{name}"), rendered(world));
}

fn rendered(world: &World) -> String {
    let mut text = String::new();
    processors(world, &mut text).expect("a string");
    functions(world, &mut text).expect("a string");
    classes(world, &mut text).expect("a string");
    accelerator(world, &mut text).expect("a string");
    text
}

fn processors(world: &World, text: &mut String) -> std::fmt::Result {
    let info = world.text("proc/cpuinfo");
    for line in info.lines().take_while(|line| !line.is_empty()) {
        let told = [
            "model name",
            "flags",
            "Features",
            "CPU part",
            "cpu family",
            "model\t",
        ];
        if told.iter().any(|word| line.starts_with(word)) {
            writeln!(text, "{}", line.replace('\t', " "))?;
        }
    }
    writeln!(text, "cpus {}", world.text("sys/devices/system/cpu/online"))?;
    for index in 0..4 {
        let cache = format!("sys/devices/system/cpu/cpu0/cache/index{index}");
        let read = |file: &str| world.text(&format!("{cache}/{file}"));
        let (level, kind, size) = (read("level"), read("type"), read("size"));
        writeln!(text, "L{level} {kind} {size} {}", read("shared_cpu_list"))?;
    }
    let nodes = world.names("sys/devices/system/node");
    for node in nodes.iter().filter(|name| name.starts_with("node")) {
        let folder = format!("sys/devices/system/node/{node}");
        let memory = world.text(&format!("{folder}/meminfo"));
        let total = memory
            .lines()
            .next()
            .and_then(|line| line.split_ascii_whitespace().nth(3));
        let (cpus, distance) = (
            world.text(&format!("{folder}/cpulist")),
            world.text(&format!("{folder}/distance")),
        );
        writeln!(
            text,
            "{node} [{cpus}] {} kB, {distance}",
            total.unwrap_or("?")
        )?;
    }
    Ok(())
}

fn functions(world: &World, text: &mut String) -> std::fmt::Result {
    let mut paths: Vec<String> = world
        .names("sys/bus/pci/devices")
        .iter()
        .map(|function| world.leads_to(&format!("sys/bus/pci/devices/{function}")))
        .collect();
    paths.sort();
    for path in paths {
        let read = |file: &str| world.text(&format!("{path}/{file}"));
        let depth = path.matches('/').count() - 3;
        let own = path.rsplit('/').next().unwrap_or_default();
        let speed = |when: &str| {
            let speed = read(&format!("{when}_link_speed")).replace(" GT/s PCIe", "");
            format!("{speed}x{}", read(&format!("{when}_link_width")))
        };
        let group = world.leads_to(&format!("{path}/iommu_group"));
        let driver = world.leads_to(&format!("{path}/driver"));
        let last = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
        writeln!(
            text,
            "{:indent$}{own} {}:{} {} node {} {}/{} group {} {}",
            "",
            &read("vendor")[2..],
            &read("device")[2..],
            &read("class")[2..],
            read("numa_node"),
            speed("current"),
            speed("max"),
            last(&group),
            last(&driver),
            indent = depth * 2
        )?;
    }
    Ok(())
}

fn classes(world: &World, text: &mut String) -> std::fmt::Result {
    for class in world.names("sys/class") {
        let devices = world.names(&format!("sys/class/{class}"));
        writeln!(text, "{class}: {}", devices.join(" "))?;
    }
    let nodes = ["dev", "dev/accel", "dev/dri", "dev/vfio"];
    for folder in nodes {
        // Capabilities of MIG are tested beside the driver.
        let names = world.names(folder);
        let names: Vec<&str> = names.iter().map(String::as_str).take(40).collect();
        if !names.is_empty() {
            writeln!(text, "{folder}: {}", names.join(" "))?;
        }
    }
    Ok(())
}

/// Every file of the first accelerator that its driver has made: those of the PCI function that others have as well
/// are left out, and of folders that are alike the first is shown.
fn accelerator(world: &World, text: &mut String) -> std::fmt::Result {
    const FIRST: [&str; 9] = [
        "sys/class/neuron_device/neuron0",
        "sys/class/accel/accel0/device",
        "sys/class/habanalabs/hl0",
        "sys/class/fpga_manager/fpga0/device/..",
        "sys/class/fpga_region/region0",
        "sys/class/drm/renderD128/device",
        "sys/class/nvme/nvme0",
        "sys/class/kfd/kfd/topology/nodes/1",
        "proc/driver/nvidia/gpus",
    ];
    for first in FIRST {
        if world.root.join(first).exists() {
            files(world, &world.leads_to(first), text)?;
        }
    }
    Ok(())
}

fn files(world: &World, folder: &str, text: &mut String) -> std::fmt::Result {
    const COMMON: [&str; 24] = [
        "class",
        "config",
        "current_link_speed",
        "current_link_width",
        "device",
        "enable",
        "irq",
        "local_cpulist",
        "local_cpus",
        "max_link_speed",
        "max_link_width",
        "modalias",
        "numa_node",
        "power_state",
        "resource",
        "revision",
        "subsystem_device",
        "subsystem_vendor",
        "uevent",
        "vendor",
        "dev",
        "driver",
        "iommu_group",
        "subsystem",
    ];
    writeln!(text, "{folder}")?;
    let mut open = vec![folder.to_owned()];
    while let Some(inner) = open.pop() {
        let names = world.names(&inner);
        let mut below = Vec::new();
        for name in names.iter().filter(|name| !COMMON.contains(&name.as_str())) {
            let path = format!("{inner}/{name}");
            let facts = world.root.join(&path).symlink_metadata().expect("facts");
            let told = path.strip_prefix(folder).unwrap_or(&path);
            if facts.is_dir() {
                // Of cores, ports and the like one is as the next.
                let stem = |name: &str| {
                    name.trim_end_matches(|c: char| c.is_ascii_digit())
                        .to_owned()
                };
                let own = stem(name);
                let first = names.iter().find(|other| stem(other) == own);
                if first == Some(name) {
                    below.push(path);
                }
            } else if facts.is_file() {
                let content = world
                    .text(&path)
                    .replace('\u{fffd}', "")
                    .replace('\n', " | ")
                    .replace('\t', " ");
                let content: String = content.chars().take(300).collect();
                writeln!(text, "  {told} {content}")?;
            }
        }
        open.extend(below.into_iter().rev());
    }
    Ok(())
}
