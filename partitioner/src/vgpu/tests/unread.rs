//! Files that do not read at a moment: what they tell is unknown, and never nothing.

use nix::errno::Errno;
use nvidia_ml::kernel;
use nvidia_ml::kernel::state::{Access, Fault, FaultKind};

use super::{HALF, VgpuError, World, uuid, words};
use crate::systree::{Operation, SysTree, TreeError};
use crate::vgpu::observe;

/// A tree in which one link does not lead to where it should.
struct Astray<'a> {
    world: &'a World,
    name: &'a str,
    leads: Result<&'a str, Errno>,
}

impl SysTree for Astray<'_> {
    fn read(&self, path: &str) -> Result<Vec<u8>, TreeError> {
        self.world.tree.read(path)
    }

    fn list(&self, path: &str) -> Result<Vec<String>, TreeError> {
        self.world.tree.list(path)
    }

    fn write(&self, path: &str, bytes: &[u8]) -> Result<(), TreeError> {
        self.world.tree.write(path, bytes)
    }

    fn link(&self, path: &str) -> Result<String, TreeError> {
        if !path.ends_with(self.name) {
            return self.world.tree.link(path);
        }
        self.leads
            .map(str::to_owned)
            .map_err(|errno| TreeError::Refused {
                operation: Operation::Link,
                path: path.to_owned(),
                errno,
            })
    }
}

fn read_fault(world: &World, file: &str) {
    let function = world.functions[0];
    fail_reads(
        world,
        format!("/sys/bus/pci/devices/{function}/nvidia/{file}"),
    );
}

fn fail_reads(world: &World, path: String) {
    let fault = Fault {
        path,
        on: Access::Read,
        kind: FaultKind::Fail(kernel::Errno::EIO),
        times: None,
    };
    world.tree.kernel().set_fault(fault).expect("set");
}

#[test]
fn a_function_that_cannot_be_named_fails_the_look() {
    let world = World::small(nvidia_ml::kernel::vgpu::Framework::Vfio);
    world.create(1, HALF).expect("there is room");
    for leads in [Err(Errno::EIO), Err(Errno::ENOENT), Ok("../somewhere")] {
        let tree = Astray {
            world: &world,
            name: "/virtfn1",
            leads,
        };
        let error = observe(&tree, world.gpu).expect_err("one of two is missing");
        let expected = match leads {
            Ok(_) => matches!(error, VgpuError::Unnamed { .. }),
            Err(_) => matches!(error, VgpuError::Unreadable { .. }),
        };
        assert!(expected, "{error:?}");
        // Nothing is begun on such a GPU, and nothing of it is taken for gone.
        for step in [
            world.creation(0, HALF),
            world.destruction(1, HALF, None),
            kerf_types::Step::SetSriov {
                gpu: world.gpu,
                enabled: false,
            },
        ] {
            let refused = words(world.apply(&tree, &step));
            assert!(refused.contains("virtfn1"), "{refused}");
        }
        assert_eq!(world.types_on(1), [HALF]);
        assert_eq!(world.types_on(0), []);
    }
}

#[test]
fn a_place_that_does_not_read_is_unknown_and_the_vgpu_is_there() {
    let world = World::vfio();
    world.create(0, HALF).expect("there is room");
    for file in ["placement_id", "gpu_instance_id"] {
        read_fault(&world, file);
    }
    let seen = world.on(0);
    assert_eq!(seen.len(), 1);
    assert_eq!((seen[0].type_id, seen[0].placement), (HALF, None));
    read_fault(&world, "current_vgpu_type");
    let function = world.look();
    let function = function.function(world.functions[0]).expect("a function");
    assert_eq!(function.vgpus, None);
}

/// Taken for none, those that are there would be turned on a second time, or never off.
#[test]
fn a_count_of_functions_that_does_not_read_is_not_none() {
    for file in ["sriov_numvfs", "sriov_totalvfs"] {
        let world = World::vfio();
        world.create(0, HALF).expect("there is room");
        let gpu = world.gpu;
        fail_reads(&world, format!("/sys/bus/pci/devices/{gpu}/{file}"));
        let unread = format!("look at the vGPUs of {gpu}: read /sys/bus/pci/devices/{gpu}/{file}");
        for refused in [
            words(observe(&world.tree, gpu)),
            words(world.sriov(true)),
            words(world.sriov(false)),
        ] {
            assert!(refused.starts_with(&unread), "{refused}");
        }
        world.tree.kernel().clear_faults().expect("lifted");
        assert_eq!(world.types_on(0), [HALF]);
    }
}

#[test]
fn a_name_that_cannot_be_looked_up_is_not_another_vgpu() {
    let world = World::of(nvidia_ml::kernel::vgpu::Framework::MdevOnFunction);
    let name = uuid(0).to_string();
    let tree = Astray {
        world: &world,
        name: &name,
        leads: Err(Errno::EIO),
    };
    let outcome = world.apply(&tree, &world.creation(0, HALF));
    assert!(
        matches!(outcome, Err(VgpuError::Unreadable { .. })),
        "{outcome:?}"
    );
    assert_eq!(world.types_on(0), []);
}
