//! vGPUs of simulated machines, observed, made and taken away through the seam.

mod faults;
mod reuse;
mod texts;
mod tool;
mod unread;
mod unsettled;

use kerf_types::vgpu::VgpuFramework;
use kerf_types::{GiId, PciAddress, Step, Vgpu, VgpuGpu, VgpuTypeId, VgpuUuid};
use nvidia_ml::kernel::state::State;
use nvidia_ml::kernel::vgpu::{self as sim, Framework, Mig};
use nvidia_ml::kernel::{Errno, Kernel};

use super::apply::apply;
use super::{VgpuError, observe};
use crate::in_words;
use crate::systree::transaction::Patience;
use crate::systree::{SimTree, SysTree};

/// Types of the H200 in the simulator: the whole GPU, a half, a quarter, and one in a small GPU instance.
const WHOLE: VgpuTypeId = VgpuTypeId(1_200);
const HALF: VgpuTypeId = VgpuTypeId(1_201);
const QUARTER: VgpuTypeId = VgpuTypeId(1_202);
const BACKED: VgpuTypeId = VgpuTypeId(1_205);

/// As many looks as a test can need, and no time.
struct Looks(u32);

impl Patience for Looks {
    fn wait(&mut self) -> bool {
        self.0 += 1;
        self.0 < 12
    }

    fn begin(&mut self) {
        self.0 = 0;
    }
}

struct World {
    tree: SimTree,
    gpu: PciAddress,
    functions: Vec<PciAddress>,
}

impl World {
    /// A GPU of that framework, its functions on.
    fn of(framework: Framework) -> Self {
        let mut world = Self::without_functions(framework);
        if framework != Framework::MdevOnGpu {
            world.sriov(true).expect("nobody uses it");
        }
        let seen = world.look();
        world.functions = seen.functions.iter().map(|one| one.pci).collect();
        world
    }

    /// The same with two functions, for tests that look thousands of times.
    fn small(framework: Framework) -> Self {
        let mut world = Self::without_functions(framework);
        let path = format!("/sys/bus/pci/devices/{}/sriov_numvfs", world.gpu);
        world.tree.write(&path, b"2").expect("nobody uses it");
        let seen = world.look();
        world.functions = seen.functions.iter().map(|one| one.pci).collect();
        world
    }

    fn without_functions(framework: Framework) -> Self {
        let name = match framework {
            Framework::Vfio => "h200x8",
            _ => "a100-40x8",
        };
        let spec = nvidia_ml::model::tables::machine(name).expect("a machine");
        let vgpu = sim::Vgpu::with(spec, framework).expect("vGPUs");
        let gpu = vgpu.gpus[0].bdf.parse().expect("an address");
        let tree = SimTree::new(Kernel::of_state(State {
            vgpu: Some(vgpu),
            ..State::default()
        }));
        Self {
            tree,
            gpu,
            functions: Vec::new(),
        }
    }

    fn vfio() -> Self {
        Self::of(Framework::Vfio)
    }

    fn look(&self) -> VgpuGpu {
        observe(&self.tree, self.gpu).expect("a GPU")
    }

    /// The vGPUs of the `nth` function.
    fn on(&self, nth: usize) -> Vec<Vgpu> {
        let seen = self.look();
        let function = seen.function(self.functions[nth]).expect("a function");
        function.vgpus.clone().expect("known")
    }

    fn types_on(&self, nth: usize) -> Vec<VgpuTypeId> {
        self.on(nth).iter().map(|vgpu| vgpu.type_id).collect()
    }

    fn sriov(&self, enabled: bool) -> Result<VgpuGpu, VgpuError> {
        let gpu = self.gpu;
        self.apply(&self.tree, &Step::SetSriov { gpu, enabled })
    }

    fn apply(&self, tree: &dyn SysTree, step: &Step) -> Result<VgpuGpu, VgpuError> {
        apply(tree, step, &mut Looks(0)).expect("a step of vGPUs")
    }

    fn creation(&self, nth: usize, type_id: VgpuTypeId) -> Step {
        Step::CreateVgpu {
            gpu: self.gpu,
            function: self.functions[nth],
            type_id,
            uuid: uuid(nth),
            placement: None,
        }
    }

    fn create(&self, nth: usize, type_id: VgpuTypeId) -> Result<VgpuGpu, VgpuError> {
        self.apply(&self.tree, &self.creation(nth, type_id))
    }

    fn destruction(&self, nth: usize, type_id: VgpuTypeId, uuid: Option<VgpuUuid>) -> Step {
        Step::DestroyVgpu {
            gpu: self.gpu,
            function: self.functions[nth],
            type_id,
            uuid,
        }
    }

    fn destroy(&self, nth: usize, type_id: VgpuTypeId) -> Result<VgpuGpu, VgpuError> {
        self.apply(&self.tree, &self.destruction(nth, type_id, None))
    }

    /// What `echo VALUE > FILE` of somebody else does.
    fn somebody_sets(&self, nth: usize, value: &str) {
        let path = format!(
            "/sys/bus/pci/devices/{}/nvidia/current_vgpu_type",
            self.functions[nth]
        );
        let done = self.tree.write(&path, value.as_bytes());
        done.expect("the driver takes it");
    }
}

fn uuid(nth: usize) -> VgpuUuid {
    let text = format!("0b1c2d3e-0000-4000-8000-0000000000{nth:02x}");
    text.parse().expect("a UUID")
}

fn words<T: std::fmt::Debug>(outcome: Result<T, VgpuError>) -> String {
    in_words(&outcome.expect_err("it is refused"))
}

#[test]
fn a_gpu_without_functions_says_what_is_missing() {
    let world = World::without_functions(Framework::Vfio);
    let seen = world.look();
    assert_eq!(seen.framework, None);
    let sriov = seen.sriov.expect("it can have some");
    assert_eq!((sriov.functions, sriov.most), (0, 16));
    let step = Step::CreateVgpu {
        gpu: world.gpu,
        function: world.gpu,
        type_id: WHOLE,
        uuid: uuid(0),
        placement: None,
    };
    let refused = words(world.apply(&world.tree, &step));
    assert!(
        refused.ends_with("its virtual functions are off"),
        "{refused}"
    );
}

#[test]
fn a_vgpu_is_made_seen_and_taken_away() {
    let world = World::vfio();
    let seen = world.look();
    assert_eq!(seen.framework, Some(VgpuFramework::Vfio));
    assert_eq!(seen.functions.len(), 16);
    assert_eq!(seen.types[0].name, "NVIDIA H200X-141C");
    assert_eq!(seen.types[0].available, 16);
    assert_eq!(seen.problems, [""; 0]);
    world.create(2, HALF).expect("there is room");
    let made = world.on(2);
    assert_eq!(made.len(), 1);
    assert_eq!((made[0].type_id, made[0].placement), (HALF, Some(0)));
    assert_eq!((made[0].gpu_instance, &made[0].user), (None, &None));
    let refused = words(world.create(3, QUARTER));
    assert!(refused.contains("cannot be made on"), "{refused}");
    assert!(refused.ends_with("now, only 1201"), "{refused}");
    world.create(3, HALF).expect("there is room");
    let full = words(world.create(4, HALF));
    assert!(full.ends_with("now, only none"), "{full}");
    let taken = words(world.create(2, HALF));
    assert!(taken.ends_with("carries a vGPU of type 1201"), "{taken}");
    world.destroy(2, HALF).expect("nobody uses it");
    assert_eq!(world.types_on(2), []);
    world.destroy(2, HALF).expect("it is gone already");
    assert_eq!(world.types_on(3), [HALF], "its sibling is untouched");
}

#[test]
fn a_vm_keeps_its_vgpu_and_is_named() {
    let world = World::vfio();
    world.create(0, WHOLE).expect("there is room");
    let name = world.functions[0].to_string();
    let kernel = world.tree.kernel();
    for errno in [Errno::EBUSY, Errno::EPERM, Errno::EIO] {
        kernel.attach_vm(&name, 4_000_001, "", errno).expect("free");
        assert_eq!(world.on(0)[0].user.as_deref(), Some("process 4000001"));
        let refused = words(world.destroy(0, WHOLE));
        assert!(refused.ends_with("in use by process 4000001"), "{refused}");
        assert_eq!(world.types_on(0), [WHOLE]);
        kernel.detach_vm(4_000_001).expect("there");
    }
    let refused = words(world.sriov(false));
    assert!(refused.contains("a vGPU of type 1200"), "{refused}");
    world.destroy(0, WHOLE).expect("the VM is gone");
    world.sriov(false).expect("nothing is there");
    assert_eq!(world.look().functions, []);
}

#[test]
fn a_gpu_instance_carries_a_vgpu_and_is_named() {
    let world = World::vfio();
    let mig = Mig {
        on: true,
        instances: vec![(9, 19)],
        busy: false,
    };
    world.tree.kernel().set_mig(0, mig).expect("a GPU");
    let seen = world.look();
    assert_eq!(seen.types.len(), 1);
    assert!(seen.types[0].is_mig_backed());
    world.create(1, BACKED).expect("a GPU instance is free");
    assert_eq!(world.on(1)[0].gpu_instance, Some(GiId(9)));
    let full = words(world.create(2, BACKED));
    assert!(full.ends_with("now, only none"), "{full}");
}

#[test]
fn a_place_is_asked_for_where_sizes_mix() {
    let world = World::vfio();
    let placed = |nth: usize, type_id, place| Step::CreateVgpu {
        gpu: world.gpu,
        function: world.functions[nth],
        type_id,
        uuid: uuid(nth),
        placement: Some(place),
    };
    let refused = words(world.apply(&world.tree, &placed(0, QUARTER, 4)));
    assert!(refused.contains("is as before"), "{refused}");
    assert_eq!(world.types_on(0), []);
    let kernel = world.tree.kernel();
    kernel.set_heterogeneous(0, true).expect("no vGPU");
    let step = placed(0, QUARTER, 4);
    world.apply(&world.tree, &step).expect("there is room");
    assert_eq!(world.on(0)[0].placement, Some(4));
    let step = placed(1, HALF, 8);
    world.apply(&world.tree, &step).expect("there is room");
    let taken = words(world.apply(&world.tree, &placed(2, QUARTER, 4)));
    assert!(taken.contains("cannot be made"), "{taken}");
    assert_eq!(world.types_on(2), []);
}

#[test]
fn mediated_devices_have_names_of_their_own() {
    for framework in [Framework::MdevOnFunction, Framework::MdevOnGpu] {
        let world = World::of(framework);
        assert_eq!(world.look().framework, Some(VgpuFramework::Mdev));
        world.create(0, HALF).expect("there is room");
        let made = world.on(0);
        assert_eq!((made[0].uuid, made[0].type_id), (Some(uuid(0)), HALF));
        let again = words(world.create(0, HALF));
        let expected = match framework {
            Framework::MdevOnGpu => "already",
            _ => "only none",
        };
        assert!(again.ends_with(expected), "{again}");
        let kernel = world.tree.kernel();
        let name = uuid(0).to_string();
        kernel
            .attach_vm(&name, 4_000_001, "guest", Errno::EBUSY)
            .expect("a vGPU");
        let step = world.destruction(0, HALF, Some(uuid(0)));
        let refused = words(world.apply(&world.tree, &step));
        assert!(refused.ends_with("in use by guest"), "{refused}");
        kernel.detach_vm(4_000_001).expect("there");
        let other = world.destruction(0, HALF, Some(uuid(7)));
        world.apply(&world.tree, &other).expect("there is none");
        let wrong = world.destruction(0, WHOLE, Some(uuid(0)));
        let refused = words(world.apply(&world.tree, &wrong));
        assert!(refused.ends_with("which is another one"), "{refused}");
        assert_eq!(world.types_on(0), [HALF]);
        world.apply(&world.tree, &step).expect("nobody uses it");
        assert_eq!(world.types_on(0), []);
    }
}
