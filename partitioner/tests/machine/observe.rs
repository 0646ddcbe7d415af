//! What is observed is what the machine has.

use kerf_partitioner::topology::matrix;
use kerf_types::inventory::{Architecture, NvLinkRemote};
use kerf_types::topology::LinkClass;
use kerf_types::{Health, MigMode, ProfileId};

use crate::world::{Asks, PATIENCE, World, create, fill, mig};

#[test]
fn an_eight_gpu_server_is_found_whole() {
    let world = World::new("h100x8");
    let found = world.discover(PATIENCE);
    let inventory = &found;
    assert_eq!(inventory.problems, Vec::<String>::new());
    let driver = inventory.driver.as_ref().expect("a driver");
    assert_eq!(driver.version, nvidia_ml::DRIVER_VERSION);
    assert_eq!(driver.cuda_version.as_deref(), Some("13.1"));
    assert_eq!(inventory.gpus.len(), 8);
    for (index, gpu) in (0..).zip(&inventory.gpus) {
        assert_eq!((gpu.index, gpu.health.clone()), (index, Health::Ok));
        assert_eq!(gpu.name, "NVIDIA H100 80GB HBM3");
        assert_eq!(gpu.architecture, Architecture::Hopper);
        assert_eq!(gpu.compute_capability, (9, 0));
        assert_eq!(gpu.pci_device_id, 0x2330_10de);
        assert_eq!(gpu.mig_mode, MigMode::Disabled);
        assert_eq!(gpu.numa_node, Some(index / 4));
        assert_eq!((gpu.pcie.max_generation, gpu.pcie.max_width), (5, 16));
        assert_eq!(gpu.nvlinks.len(), 18);
        let to_switch = |remote: &NvLinkRemote| matches!(remote, NvLinkRemote::Switch(_));
        assert!(
            gpu.nvlinks
                .iter()
                .all(|link| link.active && to_switch(&link.remote))
        );
        assert_eq!(gpu.profiles.len(), 7, "told while MIG is off, too");
    }
    let nodes: Vec<_> = inventory.numa_nodes.iter().map(|node| node.id).collect();
    assert_eq!(nodes, [0, 1]);
    assert_eq!(inventory.nics.len(), 8);
    let text = kerf_partitioner::discover::table(&found);
    assert!(text.contains("NVIDIA H100 80GB HBM3"), "{text}");
}

/// The driver's own word on PCIe levels, by the call that nvidia-smi makes, against ours from sysfs.
#[test]
fn levels_from_sysfs_equal_the_drivers() {
    for machine in ["h100x8", "a100x8"] {
        let world = World::new(machine);
        let mut found = world.discover(PATIENCE);
        // Without NVLinks, so that the PCIe level shows.
        for gpu in &mut found.gpus {
            gpu.nvlinks.clear();
        }
        let rows = matrix(&found);
        let nvml = nvml_wrapper::Nvml::builder()
            .lib_path(world.info.library.as_os_str())
            .init()
            .expect("the driver");
        for (at, row) in rows.iter().enumerate().take(8) {
            for (to, level) in row.links.iter().enumerate().take(8) {
                let device = |index| nvml.device_by_index(index).expect("a GPU");
                let (a, b) = (
                    device(u32::try_from(at).expect("small")),
                    device(u32::try_from(to).expect("small")),
                );
                let told = a.topology_common_ancestor(b).expect("an answer");
                let expected = match format!("{told:?}").as_str() {
                    "Internal" => LinkClass::Same,
                    "Single" => LinkClass::Pix,
                    "Multiple" => LinkClass::Pxb,
                    "HostBridge" => LinkClass::Phb,
                    "Node" => LinkClass::Node,
                    _ => LinkClass::Sys,
                };
                assert_eq!(*level, expected, "GPU{at} to GPU{to} of {machine}");
            }
        }
    }
}

#[test]
fn the_json_document_names_itself() {
    let world = World::new("a100x1");
    let output = world.run_discover(&["-o", "json"]);
    let document: serde_json::Value = serde_json::from_str(&output).expect("JSON");
    assert_eq!(document["schema"], "kerf.v1.Inventory");
    assert_eq!(document["gpus"][0]["name"], "NVIDIA A100-SXM4-80GB");
    assert_eq!(document["problems"].as_array().map(Vec::len), Some(0));
}

#[test]
fn a_machine_without_a_driver_is_found_too() {
    let world = World::new("h100x1");
    let mut command = world.command();
    command.machine.library = None;
    let found = kerf_partitioner::discover::discover(&command, PATIENCE).expect("an inventory");
    assert_eq!((found.driver, found.gpus), (None, Vec::new()));
    assert!(!found.numa_nodes.is_empty());
    command.machine.library = Some(world.info.sysroot.join("absent.so"));
    let found = kerf_partitioner::discover::discover(&command, PATIENCE).expect("an inventory");
    let [problem] = found.problems.as_slice() else {
        panic!("{found:?}")
    };
    assert!(
        problem.starts_with("driver: find the driver library"),
        "{problem}"
    );
}

#[test]
fn slices_carry_ids_uuids_and_capability_minors() {
    let world = World::new("h100x8");
    let mut worker = world.worker();
    let gpu = worker.gpu(3).pci;
    worker.step(&mig(gpu, true));
    worker.step(&create(gpu, 19, 2, 1));
    worker.step(&create(gpu, 9, 4, 4));
    let gpu = worker.step(&fill(gpu, 4, 4, 2));
    assert_eq!(gpu.mig_mode, MigMode::Enabled);
    let [large, small] = gpu.instances.as_slice() else {
        panic!("{:?}", gpu.instances)
    };
    assert_eq!(
        (large.profile, small.profile),
        (ProfileId(9), ProfileId(19))
    );
    assert!(small.compute.is_empty());
    let [compute] = large.compute.as_slice() else {
        panic!("{:?}", large.compute)
    };
    let table = std::fs::read_to_string(
        world
            .info
            .sysroot
            .join("proc/driver/nvidia-caps/mig-minors"),
    )
    .expect("the table");
    let minor_of = |name: String| {
        let line = table
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{name} ")));
        line.and_then(|minor| minor.parse().ok())
            .map(kerf_types::DeviceMinor)
    };
    let gi = format!("gpu{}/gi{}", gpu.minor, large.id);
    assert_eq!(large.capability_minor, minor_of(format!("{gi}/access")));
    assert_eq!(
        compute.capability_minor,
        minor_of(format!("{gi}/ci{}/access", compute.id))
    );
    assert!(compute.capability_minor.is_some());
    assert_eq!(gpu, worker.gpu(3), "what a step returns is what is there");
    let others: Vec<_> = [0, 1, 2, 4, 5, 6, 7].map(|index| worker.gpu(index)).into();
    assert!(
        others
            .iter()
            .all(|gpu| gpu.mig_mode == MigMode::Disabled && gpu.instances.is_empty())
    );
}
