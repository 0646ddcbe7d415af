//! hwloc's `lstopo` as a witness: it reads each machine without a complaint and sees the packages, cores, NUMA nodes
//! and devices that were meant.

use std::process::Command;

use crate::world::World;

/// What `lstopo` prints of a machine in short: how many of each kind of object, and the names of OS devices by kind.
fn seen(world: &World) -> String {
    let output = Command::new("lstopo-no-graphics")
        .args([
            "--whole-io",
            "--no-caches",
            "--no-collapse",
            "--of",
            "console",
        ])
        .env("HWLOC_FSROOT", &world.root)
        .env("HWLOC_THISSYSTEM", "0")
        .env("HWLOC_COMPONENTS", "linux,stop")
        // It leaves out the nodes that it knows for GPUs' memory unless it is told not to.
        .env("HWLOC_KEEP_NVIDIA_GPU_NUMA_NODES", "1")
        .env("HWLOC_HIDE_ERRORS", "0")
        .output()
        .expect("lstopo");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert_eq!(errors, "", "no complaint");
    let text = String::from_utf8(output.stdout).expect("text");
    // Objects that span the same CPUs stand in one line, such as a core and its only thread.
    let kinds = [
        "Package L#",
        "NUMANode L#",
        "NUMANode(GPUMemory) L#",
        "Core L#",
        "PU L#",
        "HostBridge",
        "PCI ",
    ];
    let counted = kinds.map(|word| {
        format!(
            "{} {}",
            word.trim_end_matches([' ', 'L', '#']),
            text.matches(word).count()
        )
    });
    let mut lines = counted.to_vec();
    for kind in ["Block", "Net", "OpenFabrics", "GPU", "CoProc"] {
        let mark = format!("{kind}(");
        let found = text.lines().filter(|line| {
            line.trim_start().starts_with(&mark)
                || line.trim_start().starts_with(&format!("{kind} "))
        });
        let names: Vec<&str> = found.filter_map(|line| line.split('"').nth(1)).collect();
        if !names.is_empty() {
            lines.push(format!("{kind} {}", names.join(" ")));
        }
    }
    lines.join("\n")
}

/// Shows a machine.
pub fn check(world: &World, name: &str) {
    insta::assert_snapshot!(format!("lstopo_{name}"), seen(world));
}
