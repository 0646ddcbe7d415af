//! Virtual functions and vGPUs by the files of both frameworks, and the machine's folder behind them.

use std::path::Path;
use std::process::Command;

use super::{Framework, Mig, Vgpu, types};
use crate::kernel::state::{Access, Fault, FaultKind, State};
use crate::kernel::{ControlError, Errno, Kernel};
use crate::machine::{self, CreateOptions};
use crate::model::mig::InstanceRef;
use crate::model::status::Status;
use crate::model::tables;
use crate::store::Store;

struct World {
    kernel: Kernel,
    gpu: String,
}

impl World {
    fn of(kernel: Kernel) -> Self {
        let state = kernel.state().expect("a state");
        let gpu = state.vgpu.expect("vGPUs").gpus[0].bdf.clone();
        Self { kernel, gpu }
    }

    fn vfio() -> Self {
        Self::of(Kernel::in_memory("h200x8", 1).expect("vGPUs"))
    }

    fn mdev(framework: Framework) -> Self {
        let spec = tables::machine("a100-40x8").expect("a machine");
        Self::of(Kernel::of_state(State {
            vgpu: Vgpu::with(spec, framework),
            ..State::default()
        }))
    }

    fn sriov(&self, count: &str) -> Result<(), Errno> {
        let path = format!("/sys/bus/pci/devices/{}/sriov_numvfs", self.gpu);
        self.kernel.write(&path, count.as_bytes())
    }

    fn function(&self, nth: usize, name: &str) -> String {
        format!("/sys/bus/pci/devices/{}/virtfn{nth}/{name}", self.gpu)
    }

    fn read(&self, path: &str) -> String {
        let bytes = self.kernel.read(path);
        let bytes = bytes.unwrap_or_else(|errno| panic!("{path}: {errno}"));
        String::from_utf8(bytes).expect("text").trim().to_owned()
    }

    fn creatable(&self, nth: usize) -> Vec<String> {
        let table = self.read(&self.function(nth, "nvidia/creatable_vgpu_types"));
        let mut lines = table.lines().map(str::to_owned);
        assert_eq!(lines.next().as_deref(), Some("ID    : vGPU Name"));
        lines.collect()
    }

    fn set(&self, nth: usize, name: &str, value: &str) -> Result<(), Errno> {
        let path = self.function(nth, &format!("nvidia/{name}"));
        self.kernel.write(&path, value.as_bytes())
    }
}

#[test]
fn functions_come_and_go_with_sriov() {
    let world = World::vfio();
    let first = world.function(0, "nvidia/current_vgpu_type");
    assert_eq!(world.kernel.read(&first), Err(Errno::ENOENT));
    assert_eq!(world.sriov("17"), Err(Errno::ERANGE));
    assert_eq!(world.sriov("many"), Err(Errno::EINVAL));
    assert_eq!(world.sriov("16"), Ok(()));
    assert_eq!(world.read(&first), "0");
    assert_eq!(world.sriov("16"), Ok(()), "the same again");
    assert_eq!(world.sriov("8"), Err(Errno::EBUSY), "only by way of 0");
    let link = world.kernel.link(&world.function(3, "physfn"));
    assert!(link.expect("a link").ends_with(&world.gpu));
    assert_eq!(world.set(0, "current_vgpu_type", "1200"), Ok(()));
    assert_eq!(world.sriov("0"), Err(Errno::EBUSY), "a vGPU is there");
    assert_eq!(world.set(0, "current_vgpu_type", "0"), Ok(()));
    assert_eq!(world.sriov("0"), Ok(()));
    assert_eq!(world.kernel.read(&first), Err(Errno::ENOENT));
}

#[test]
fn one_vgpu_changes_what_its_siblings_can_have() {
    let world = World::vfio();
    world.sriov("16").expect("nobody uses it");
    let all = [
        "1200  : NVIDIA H200X-141C",
        "1201  : NVIDIA H200X-70C",
        "1202  : NVIDIA H200X-35C",
        "1203  : NVIDIA H200X-17C",
        "1204  : NVIDIA H200X-8C",
    ];
    assert_eq!(world.creatable(0), all);
    assert_eq!(world.set(0, "current_vgpu_type", "1201"), Ok(()));
    assert_eq!(world.creatable(0), [""; 0], "one on each function");
    assert_eq!(world.creatable(1), ["1201  : NVIDIA H200X-70C"]);
    assert_eq!(
        world.set(1, "current_vgpu_type", "1202"),
        Err(Errno::EINVAL)
    );
    assert_eq!(world.set(1, "current_vgpu_type", "9"), Err(Errno::EINVAL));
    assert_eq!(world.set(0, "current_vgpu_type", "1201"), Err(Errno::EBUSY));
    assert_eq!(world.set(1, "current_vgpu_type", "1201"), Ok(()));
    assert_eq!(world.creatable(2), [""; 0], "full");
    assert_eq!(world.read(&world.function(1, "nvidia/placement_id")), "8");
    let none = u32::MAX.to_string();
    assert_eq!(
        world.read(&world.function(1, "nvidia/gpu_instance_id")),
        none
    );
}

#[test]
fn sizes_mix_only_where_that_was_asked_for() {
    let world = World::vfio();
    world.sriov("16").expect("nobody uses it");
    assert_eq!(world.set(0, "placement_id", "8"), Err(Errno::EINVAL));
    world.kernel.set_heterogeneous(0, true).expect("no vGPU");
    assert_eq!(world.set(0, "placement_id", "8"), Ok(()));
    assert_eq!(world.set(0, "current_vgpu_type", "1202"), Ok(()));
    assert_eq!(world.read(&world.function(0, "nvidia/placement_id")), "8");
    assert_eq!(world.set(0, "placement_id", "0"), Err(Errno::EBUSY));
    assert_eq!(
        world.set(1, "current_vgpu_type", "1201"),
        Ok(()),
        "0..8 is free"
    );
    assert_eq!(
        world.creatable(2).len(),
        3,
        "a half is taken, and a quarter"
    );
    let refused = world.kernel.set_heterogeneous(0, false);
    assert_eq!(refused, Err(ControlError::Busy));
}

#[test]
fn a_gpu_instance_carries_one_vgpu() {
    let world = World::vfio();
    world.sriov("16").expect("nobody uses it");
    let mig = |instances| Mig {
        on: true,
        instances,
        busy: false,
    };
    world.kernel.set_mig(0, mig(Vec::new())).expect("a GPU");
    assert_eq!(world.creatable(0), [""; 0], "no GPU instance yet");
    world.kernel.set_mig(0, mig(vec![(9, 19)])).expect("a GPU");
    assert_eq!(world.creatable(0), ["1205  : NVIDIA H200X-1-18C"]);
    assert_eq!(world.set(4, "current_vgpu_type", "1205"), Ok(()));
    assert_eq!(
        world.read(&world.function(4, "nvidia/gpu_instance_id")),
        "9"
    );
    assert_eq!(world.read(&world.function(4, "nvidia/placement_id")), "0");
    assert_eq!(world.creatable(0), [""; 0]);
}

#[test]
fn a_vm_keeps_its_vgpu_with_each_of_the_errors_that_were_seen() {
    for errno in [Errno::EBUSY, Errno::EPERM, Errno::EIO] {
        let world = World::vfio();
        world.sriov("16").expect("nobody uses it");
        let bdf = format!("{}.4", world.gpu.trim_end_matches(".0"));
        let early = world.kernel.attach_vm(&bdf, 4_000_001, "a", errno);
        assert_eq!(early, Err(ControlError::NoSuchVgpu));
        world.set(0, "current_vgpu_type", "1200").expect("free");
        let attached = world.kernel.attach_vm(&bdf, 4_000_001, "a", errno);
        assert_eq!(attached, Ok(()));
        let handle = world.kernel.link("/proc/4000001/fd/20");
        assert!(handle.expect("a handle").ends_with("dev/vfio/1000"));
        assert_eq!(world.set(0, "current_vgpu_type", "0"), Err(errno));
        assert_eq!(world.kernel.detach_vm(4_000_001), Ok(true));
        assert_eq!(world.set(0, "current_vgpu_type", "0"), Ok(()));
    }
}

#[test]
fn mediated_devices_are_made_and_removed() {
    let world = World::mdev(Framework::MdevOnFunction);
    assert_eq!(world.kernel.list("/sys/class/mdev_bus"), Err(Errno::ENOENT));
    world.sriov("16").expect("nobody uses it");
    let kind =
        |nth: usize, id: u32| world.function(nth, &format!("mdev_supported_types/nvidia-{id}"));
    let uuid = "0b1c2d3e-0000-4000-8000-0000000000aa";
    let create = format!("{}/create", kind(0, 1_201));
    assert_eq!(world.kernel.write(&create, b"no uuid"), Err(Errno::EINVAL));
    assert_eq!(world.kernel.write(&create, uuid.as_bytes()), Ok(()));
    let device = format!("/sys/bus/mdev/devices/{uuid}");
    let link = world.kernel.link(&format!("{device}/mdev_type"));
    assert!(link.expect("a link").ends_with("nvidia-1201"));
    let available = |nth, id| world.read(&format!("{}/available_instances", kind(nth, id)));
    assert_eq!(available(0, 1_201), "0", "one on each function");
    assert_eq!(available(1, 1_201), "1");
    assert_eq!(available(1, 1_202), "0", "all of one size");
    let other = format!("{}/create", kind(1, 1_201));
    assert_eq!(
        world.kernel.write(&other, uuid.as_bytes()),
        Err(Errno::EEXIST)
    );
    let again = "0b1c2d3e-0000-4000-8000-0000000000ab";
    assert_eq!(
        world.kernel.write(&create, again.as_bytes()),
        Err(Errno::ENOSPC)
    );
    world
        .kernel
        .attach_vm(uuid, 4_000_001, "guest", Errno::EBUSY)
        .expect("a vGPU");
    assert_eq!(world.read(&format!("{device}/nvidia/vm_name")), "guest");
    let remove = format!("{device}/remove");
    assert_eq!(world.kernel.write(&remove, b"1"), Err(Errno::EBUSY));
    assert_eq!(world.kernel.read(&remove), Err(Errno::EACCES));
    world.kernel.detach_vm(4_000_001).expect("a VM");
    assert_eq!(world.kernel.write(&remove, b"1"), Ok(()));
    assert_eq!(world.kernel.link(&device), Err(Errno::ENOENT));
}

#[test]
fn an_older_driver_makes_several_on_the_gpu_itself() {
    let world = World::mdev(Framework::MdevOnGpu);
    let kind = format!(
        "/sys/class/mdev_bus/{}/mdev_supported_types/nvidia-1201",
        world.gpu
    );
    assert_eq!(world.read(&format!("{kind}/available_instances")), "2");
    for last in 1..=2 {
        let uuid = format!("0b1c2d3e-0000-4000-8000-00000000000{last}");
        let made = world
            .kernel
            .write(&format!("{kind}/create"), uuid.as_bytes());
        assert_eq!(made, Ok(()));
    }
    let uuid = b"0b1c2d3e-0000-4000-8000-000000000003";
    let full = world.kernel.write(&format!("{kind}/create"), uuid);
    assert_eq!(full, Err(Errno::ENOSPC));
    let devices = world.kernel.list(&format!("{kind}/devices"));
    assert_eq!(devices.expect("a folder").len(), 2);
}

#[test]
fn a_delayed_write_shows_after_so_many_looks_and_a_wrong_one_is_refused_at_once() {
    let world = World::vfio();
    world.sriov("16").expect("nobody uses it");
    let path = world.function(0, "nvidia/current_vgpu_type");
    let fault = |path: &str| Fault {
        path: path.to_owned(),
        on: Access::Write,
        kind: FaultKind::Delay(2),
        times: Some(1),
    };
    world.kernel.set_fault(fault(&path)).expect("set");
    assert_eq!(world.kernel.write(&path, b"7"), Err(Errno::EINVAL));
    world.kernel.set_fault(fault(&path)).expect("set");
    assert_eq!(world.kernel.write(&path, b"1200"), Ok(()));
    assert_eq!(world.read(&path), "0");
    assert_eq!(world.read(&path), "1200");
}

#[test]
fn the_machines_types_are_the_tables() {
    let spec = tables::machine("h200x8").expect("a machine");
    let names: Vec<String> = types(spec).into_iter().map(|kind| kind.name).collect();
    assert!(
        names.contains(&"NVIDIA H200X-1-18C".to_owned()),
        "{names:?}"
    );
    let other = tables::machine("h100x8").expect("a machine");
    assert_eq!(Vgpu::new(other), None);
}

/// A machine in a folder shares MIG with NVML: what is cut there can carry vGPUs here, and SR-IOV off wipes it.
#[test]
fn mig_is_shared_with_nvml_in_both_directions() {
    let folder = tempfile::tempdir().expect("a folder");
    let library = folder.path().join("library");
    std::fs::write(&library, "").expect("written");
    let dir = folder.path().join("machine");
    let options = CreateOptions { seed: Some(3) };
    machine::create("h200x8", &dir, &library, &options).expect("a machine");
    let world = World::of(Kernel::open(&dir).expect("a kernel"));
    world.sriov("16").expect("nobody uses it");
    let nvml = Store::new(&dir);
    let cut = nvml.change(|machine, now| {
        machine.set_mig_mode(0, true, now)?;
        machine.create_gi(0, 19, Some(2), now)
    });
    cut.expect("written").expect("a GPU instance");
    assert_eq!(world.creatable(0), ["1205  : NVIDIA H200X-1-18C"]);
    let plain = dir.join("root").join(
        world
            .function(0, "nvidia/creatable_vgpu_types")
            .trim_start_matches('/'),
    );
    let table = std::fs::read_to_string(&plain).expect("the plain tree");
    assert!(table.contains("H200X-1-18C"), "{table}");
    refuses_under_a_vgpu(&world, &nvml);
    world.sriov("0").expect("no vGPU");
    let machine = nvml.read().expect("a state");
    assert!(machine.gpus[0].instances.is_empty() && machine.gpus[0].mig);
    assert!(
        !plain.exists()
            && !dir
                .join("root/sys/bus/pci/devices")
                .join(format!("{}.4", world.gpu.trim_end_matches(".0")))
                .exists()
    );
    tool_asks_the_kernel(&dir, &world.gpu);
}

/// NVML takes neither the instance of a vGPU nor the mode of its GPU away, whoever made it.
fn refuses_under_a_vgpu(world: &World, nvml: &Store) {
    let destroy = || {
        let done = nvml.change(|machine, now| {
            let serial = machine.gpus[0].instances[0].serial;
            machine.destroy_gi(InstanceRef { gpu: 0, serial }, now)
        });
        done.expect("the state")
    };
    let mode = || {
        let done = nvml.change(|machine, now| machine.set_mig_mode(0, false, now));
        done.expect("the state").map(drop)
    };
    world.set(1, "current_vgpu_type", "1205").expect("room");
    assert_eq!(
        (destroy(), mode()),
        (Err(Status::InUse), Err(Status::InUse))
    );
    world
        .set(1, "current_vgpu_type", "0")
        .expect("no machine has it");
    assert_eq!(destroy(), Ok(()));
    assert_eq!(
        world.creatable(0),
        [""; 0],
        "the kernel sees that it is gone"
    );
}

/// The vendor's tool gives its values to `kerf sim kernel write`, and fails as that does.
fn tool_asks_the_kernel(dir: &Path, gpu: &str) {
    let fake = dir.join("kerf");
    let asked = dir.join("asked");
    let text = format!("#!/bin/sh\necho \"$@\" >> {}\n", asked.display());
    std::fs::write(&fake, text).expect("written");
    let mode = Command::new("chmod").arg("755").arg(&fake).status();
    assert!(mode.expect("chmod").success());
    let tool = dir.join("root/usr/lib/nvidia/sriov-manage");
    let run = |kerf: &Path, arguments: &[&str]| {
        let mut tool = Command::new(&tool);
        let done = tool.args(arguments).env("KERF", kerf).output();
        done.expect("started").status.success()
    };
    assert!(run(&fake, &["-e", gpu]));
    assert!(run(&fake, &["-d", "ALL"]));
    assert!(!run(&fake, &["-x", gpu]));
    assert!(!run(Path::new("/bin/false"), &["-e", gpu]));
    let asked = std::fs::read_to_string(asked).expect("asked");
    assert_eq!(asked.lines().count(), 9, "one GPU, then all: {asked}");
    assert!(asked.contains(&format!("devices/{gpu}/sriov_numvfs 16")));
    assert!(asked.contains(&format!("devices/{gpu}/sriov_numvfs 0")));
}
