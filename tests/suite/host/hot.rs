//! Hardware that comes and goes under a running kerfd: told to those who watch, and in the inventory, within one look.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use kerf_tests::{poll, process};
use nvidia_ml::control::{FaultRequest, exchange, reload, reset, set_policy};
use nvidia_ml::model::machine::Policy;
use serde_json::Value;

use super::faults::{inject, until_degraded, until_well};
use super::said::kerf;
use super::world::{LIMIT, World};

/// `NVML_ERROR_DRIVER_NOT_LOADED`, as nvml.h numbers it.
const NOT_LOADED: u32 = 9;

/// A look at the hardware twice a second.
const LOOKS: &str = "[driver]\nlook_interval_ms = 500\n";

fn told(world: &World, words: &str) {
    let seen = || {
        let events = kerf(world, &["events", "--after", "0"]).ends(0);
        events.contains(words).then_some(())
    };
    poll::until(words, LIMIT, seen).expect("kerfd looks by itself");
}

#[test]
fn a_card_that_is_taken_out_and_put_back_is_told() {
    let Some(world) = World::bare("h100x8", LOOKS) else {
        return;
    };
    let has = |name: &str| {
        let inventory = world.client.inventory();
        inventory.nics.iter().any(|nic| nic.name == name)
    };
    assert!(has("mlx5_7"));
    let class = world.kerfd.sysroot().join("sys/class/infiniband/mlx5_7");
    let device = fs::read_link(&class).expect("a link of the class");
    fs::remove_file(&class).expect("ours");
    told(&world, "mlx5_7: is gone");
    assert!(!has("mlx5_7") && has("mlx5_6"));
    symlink(&device, &class).expect("ours");
    told(&world, "mlx5_7: has come");
    assert!(has("mlx5_7"));
}

/// What another client of the driver does, such as `nvidia-smi`: it sets the MIG mode of a GPU.
fn another_sets_mig(world: &World, index: u32, on: bool) {
    let script = "import ctypes, sys\n\
                  nvml = ctypes.CDLL(sys.argv[1])\n\
                  gpu, status = ctypes.c_void_p(), ctypes.c_uint()\n\
                  steps = [lambda: nvml.nvmlInit_v2(),\n\
                  lambda: nvml.nvmlDeviceGetHandleByIndex_v2(int(sys.argv[2]), ctypes.byref(gpu)),\n\
                  lambda: nvml.nvmlDeviceSetMigMode(gpu, int(sys.argv[3]), ctypes.byref(status))]\n\
                  sys.exit(next((code for code in (step() for step in steps) if code), 0))\n";
    let library = world.kerfd.machine().join("libnvidia-ml.so.1");
    let mut python = Command::new("python3");
    python.args(["-c", script]).arg(library);
    python.args([index.to_string(), u32::from(on).to_string()]);
    process::run(&mut python).expect("the driver does it");
}

fn mode(world: &World, at: usize) -> String {
    let inventory = kerf(world, &["inventory", "-o", "json"]).ends(0);
    let inventory: Value = serde_json::from_str(&inventory).expect("JSON");
    inventory["gpus"][at]["mig_mode"]
        .as_str()
        .unwrap_or("")
        .to_owned()
}

#[test]
fn a_mode_that_another_client_changes_is_told() {
    let Some(world) = World::bare("h100x8", LOOKS) else {
        return;
    };
    let before = mode(&world, 2);
    another_sets_mig(&world, 2, true);
    told(&world, "MIG mode is on");
    // Whoever is told finds it so.
    assert_ne!(mode(&world, 2), before);
    another_sets_mig(&world, 2, false);
    told(&world, "MIG mode is off");
    assert_eq!(mode(&world, 2), before);
    assert_eq!(
        mode(&world, 3),
        before,
        "of its neighbour nobody said anything"
    );
}

#[test]
fn a_gpu_that_is_reset_is_told_with_the_mode_that_waited_for_it() {
    let Some(world) = World::bare("a100x8", LOOKS) else {
        return;
    };
    let machine = world.kerfd.machine();
    let held = |persistence_daemon| Policy {
        persistence_daemon,
        ..Policy::default()
    };
    // What holds the GPUs keeps the mode from changing at once.
    set_policy(&machine, held(true)).expect("the machine takes it");
    another_sets_mig(&world, 1, true);
    told(&world, "MIG mode is on after a reset");
    inject(&world, FaultRequest::ResetRequired { gpu: 1 });
    until_degraded(&world, &["gpu 1 ", "reset"]);
    set_policy(&machine, held(false)).expect("the machine takes it");
    reset(&machine, 1).expect("nobody uses it");
    until_well(&world);
    world.until("the mode", || mode(&world, 1) == "enabled");
    let events = kerf(&world, &["events", "--after", "0"]).ends(0);
    let now = |line: &str| line.contains("MIG mode is on") && !line.contains("after a reset");
    assert!(events.lines().any(now), "{events}");
}

/// After a reload the kernel may number the bus anew: a board is at another address, and at its own there is nothing.
#[test]
fn a_board_that_is_at_another_address_is_there_alone() {
    let Some(world) = World::bare("h100x8", LOOKS) else {
        return;
    };
    let before = world.client.looked().gpus;
    inject(&world, FaultRequest::Gone { gpu: 7 });
    until_degraded(&world, &["gpu 7 ", "lost"]);
    exchange(&world.kerfd.machine(), 3, 7).expect("two boards");
    let (moved, left) = (&before[7], &before[3]);
    told(
        &world,
        &format!("{} is at its place, was {}", moved.uuid, left.uuid),
    );
    told(&world, &format!("it is at {} now", left.pci));
    until_well(&world);
    let now = world.client.inventory().gpus;
    assert_eq!(now.len(), 7, "{now:?}");
    let at: Vec<_> = now.iter().filter(|gpu| gpu.uuid == moved.uuid).collect();
    assert_eq!(at.len(), 1);
    assert_eq!(at[0].pci, left.pci);
    // It can be asked for by its name, which means one GPU again.
    let ask = format!("gpu,include={}", moved.uuid);
    let lease = world.client.lease(&ask, "", "").expect("it is free");
    world.client.release(&lease.id).expect("nobody has it");
    // The other comes back where this one was.
    inject(&world, FaultRequest::Clear { gpu: 7 });
    told(&world, &format!("({}) found", left.uuid));
    let all = || world.client.inventory().gpus.len() == 8;
    world.until("all in the inventory", all);
}

/// The same of a board that is leased: whoever has it may have it still, so nobody else gets it, by whatever name.
#[test]
fn a_leased_board_that_is_at_another_address_is_given_to_nobody_else() {
    let Some(world) = World::bare("h100x8", LOOKS) else {
        return;
    };
    let before = world.client.looked().gpus;
    let (moved, left) = (&before[7], &before[3]);
    let ask = format!("gpu,include={}", moved.uuid);
    let lease = world.client.lease(&ask, "", "").expect("a free one");
    inject(&world, FaultRequest::Gone { gpu: 7 });
    until_degraded(&world, &["gpu 7 ", "lost"]);
    exchange(&world.kerfd.machine(), 3, 7).expect("two boards");
    let now = format!("{} is at its place, was {}", moved.uuid, left.uuid);
    told(&world, &now);
    let doubt = format!("board of lease {}", lease.id);
    let words = format!("is at {} now", left.pci);
    until_degraded(&world, &[&doubt, &words]);
    for ask in [&ask, &format!("gpu,include={}", left.pci), "gpu:7"] {
        let refused = world.client.lease(ask, "", "").expect_err("it is leased");
        assert!(refused.message().contains("no room"), "{refused}");
    }
    let others = world.client.lease("gpu:6", "", "").expect("all the others");
    world.client.release(&others.id).expect("nobody has them");
    world.client.release(&lease.id).expect("nobody has it");
    let in_doubt = || {
        let degraded = world.client.degraded();
        degraded.iter().any(|line| line.contains(&doubt))
    };
    world.until("an end of the doubt", || !in_doubt());
    let is_alone = || world.client.inventory().gpus.len() == 7;
    world.until("the end of its entry at the old address", is_alone);
    world.client.lease(&ask, "", "").expect("it is free");
}

fn refuse(world: &World, function: &str) {
    let (function, code) = (function.to_owned(), NOT_LOADED);
    inject(world, FaultRequest::Refuse { function, code });
}

fn well(world: &World) -> (u32, u32) {
    let status = world.client.status().expect("a status");
    (status.gpus, status.gpus_ok)
}

#[test]
fn a_driver_that_is_loaded_anew_is_told() {
    let Some(world) = World::bare("h100x8", LOOKS) else {
        return;
    };
    let lease = world.client.lease("gpu", "", "").expect("a free one");
    another_sets_mig(&world, 0, true);
    told(&world, "MIG mode is on");
    // The kernel names no GPU, and NVML answers neither to those who have it open nor to those who begin.
    let listing = world.kerfd.sysroot().join("proc/driver/nvidia/gpus");
    let aside = world.scratch.join("aside");
    fs::rename(&listing, &aside).expect("ours");
    for function in ["nvmlInit_v2", "nvmlInitWithFlags", "nvmlDeviceGetUUID"] {
        refuse(&world, function);
    }
    until_degraded(&world, &["driver", "not loaded"]);
    assert_eq!(well(&world), (8, 0), "known, and out of reach");
    assert_eq!(world.client.leases().len(), 1, "who has one keeps it");
    let events = kerf(&world, &["events", "--after", "0"]).ends(0);
    let is_told = |line: &str| line.contains("health") && line.contains("not loaded");
    assert!(events.lines().any(is_told), "{events}");
    fs::rename(&aside, &listing).expect("ours");
    reload(&world.kerfd.machine()).expect("nothing uses it");
    inject(&world, FaultRequest::DriverClear);
    until_well(&world);
    assert_eq!(well(&world), (8, 8));
    // On Hopper a mode does not outlive the driver.
    told(&world, "MIG mode is off");
    assert_eq!(world.client.leases(), [lease], "nothing of it has changed");
}

/// Its library starts, and no GPU can be asked: that is no host without GPUs, and no well one.
#[test]
fn a_driver_that_answers_for_no_gpu_is_told_once() {
    let Some(world) = World::bare("h100x8", LOOKS) else {
        return;
    };
    refuse(&world, "nvmlDeviceGetUUID");
    until_degraded(&world, &["driver", "not loaded"]);
    assert_eq!(well(&world), (8, 0));
    // Looks that find the same tell nothing more.
    world.client.looked();
    world.client.looked();
    inject(&world, FaultRequest::DriverClear);
    until_well(&world);
    let events = kerf(&world, &["events", "--after", "0"]).ends(0);
    let again = events.lines().filter(|line| line.contains("well again"));
    assert_eq!(again.count(), 1, "{events}");
}

#[test]
fn virtual_functions_that_come_and_go_are_told() {
    let Some(world) = World::bare("h100x8", LOOKS) else {
        return;
    };
    let pci = world.kerfd.sysroot().join("sys/bus/pci/devices");
    let class = world
        .kerfd
        .sysroot()
        .join("sys/class/infiniband/mlx5_0/device");
    let physical = fs::canonicalize(&class).expect("the card");
    let address = physical.file_name().expect("a name");
    let address = address.to_str().expect("a name").to_owned();
    let (stem, _) = address.rsplit_once('.').expect("an address");
    let known = |address: &str| {
        let inventory = kerf(&world, &["inventory", "-o", "json"]).ends(0);
        let inventory: Value = serde_json::from_str(&inventory).expect("JSON");
        let all = inventory["pci"].as_array().expect("functions").clone();
        all.into_iter().find(|one| one["bdf"] == address)
    };
    assert!(known(&address).is_some());
    let bus_entry = fs::read_link(pci.join(&address)).expect("a link of the bus");
    assert!(bus_entry.is_relative(), "{bus_entry:?}");
    // As the kernel shows them: functions beside their own, each with a link back.
    let virtuals = [format!("{stem}.2"), format!("{stem}.3")];
    for (at, name) in virtuals.iter().enumerate() {
        let folder = physical.with_file_name(name);
        fs::create_dir(&folder).expect("ours");
        for (file, text) in [
            ("vendor", "0x15b3\n"),
            ("device", "0x101e\n"),
            ("class", "0x020000\n"),
        ] {
            fs::write(folder.join(file), text).expect("ours");
        }
        let beside = |name: &str| Path::new("..").join(name);
        symlink(beside(&address), folder.join("physfn")).expect("ours");
        symlink(beside(name), physical.join(format!("virtfn{at}"))).expect("ours");
        let on_bus = bus_entry.with_file_name(name);
        symlink(on_bus, pci.join(name)).expect("ours");
    }
    fs::write(physical.join("sriov_totalvfs"), "8\n").expect("ours");
    fs::write(physical.join("sriov_numvfs"), "2\n").expect("ours");
    told(
        &world,
        &format!("{address}: number of virtual functions is 2, was 0"),
    );
    world.until("the functions in the inventory", || {
        known(&virtuals[0]).is_some()
    });
    let first = known(&virtuals[0]).expect("it has come");
    assert_eq!(first["physical_function"], address.as_str(), "{first}");
    fs::write(physical.join("sriov_numvfs"), "0\n").expect("ours");
    for (at, name) in virtuals.iter().enumerate() {
        fs::remove_file(pci.join(name)).expect("ours");
        fs::remove_file(physical.join(format!("virtfn{at}"))).expect("ours");
        fs::remove_dir_all(physical.with_file_name(name)).expect("ours");
    }
    told(
        &world,
        &format!("{address}: number of virtual functions is 0, was 2"),
    );
    world.until("their end in the inventory", || {
        known(&virtuals[0]).is_none()
    });
}
