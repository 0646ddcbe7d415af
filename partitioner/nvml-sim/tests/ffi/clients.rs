//! Other people's NVML clients, unmodified, on a machine of each family.

use std::process::Command;

use kerf_tests::{Capability, bins, process, require};
use serde_json::Value;

use crate::common::World;

/// Machine, its GPUs, slices to cut on GPU 0 as (profile, start, size), what nvitop shows of each.
type Family = (
    &'static str,
    usize,
    &'static [(u32, u32, u32)],
    &'static [&'static str],
);

/// What a client prints that finds its NVML where the machine has it.
fn client(world: &World, tool: &str, argument: &str) -> String {
    let mut command = Command::new(bins::python_tool(tool).expect("it is there"));
    command
        .arg(argument)
        .env("LD_LIBRARY_PATH", world.dir())
        .env("COLUMNS", "200");
    process::run(&mut command).expect("it answers")
}

#[test]
fn clients_see_the_gpus_and_slices_of_every_family() {
    if !require(Capability::Python) {
        return;
    }
    let families: [Family; 4] = [
        ("a30x4", 4, &[(21, 1, 1)], &["1g.6gb+me @ GI/CI: 4/0"]),
        (
            "h200x8",
            8,
            &[(19, 0, 1), (9, 4, 4)],
            &["1g.18gb @ GI/CI: 7/0", "3g.71gb @ GI/CI: 2/0"],
        ),
        ("b200x8", 8, &[(14, 2, 2)], &["2g.45gb @ GI/CI: 4/0"]),
        (
            "rtxpro6000x4",
            4,
            &[(47, 0, 3), (67, 3, 3)],
            &["1g.24gb+gfx @ GI/CI: 3/0", "1g.24gb-me @ GI/CI: 4/0"],
        ),
    ];
    for (name, count, cuts, shown) in families {
        let world = World::new(name);
        let nvml = world.nvml();
        let gpu = nvml.gpu(0).expect("a GPU");
        assert_eq!(nvml.set_mig(gpu, true), Ok(0));
        for &(profile, start, size) in cuts {
            nvml.cut(gpu, profile, start, size);
        }
        let document: Value =
            serde_json::from_str(&client(&world, "gpustat", "--json")).expect("JSON");
        let told = document["gpus"].as_array().expect("a list").iter();
        let told: Vec<&str> = told.filter_map(|gpu| gpu["uuid"].as_str()).collect();
        assert_eq!(told.len(), count, "{name}");
        assert_eq!(told[0], nvml.uuid(gpu).expect("a UUID"), "{name}");
        let screen = client(&world, "nvitop", "--once");
        for slice in shown {
            assert_eq!(screen.matches(slice).count(), 1, "{slice} in\n{screen}");
        }
        assert_eq!(screen.matches("@ GI/CI:").count(), cuts.len(), "{screen}");
    }
}
