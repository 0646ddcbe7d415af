//! AMD GPUs of a simulated machine, observed and partitioned through the seam.

use kerf_types::inventory::Health;
use kerf_types::{AmdGpu, Bytes, ComputePartition, MemoryPartition, PciAddress, Step, Timestamp};
use nvidia_ml::kernel::Kernel;
use nvidia_ml::kernel::state::{Access, Fault, FaultKind};

use super::apply::apply;
use super::{AmdError, addresses, observe};
use crate::in_words;
use crate::systree::transaction::Patience;
use crate::systree::{SimTree, SysTree, TreeError};

const NOW: Timestamp = Timestamp(7);

/// As many looks as a test can need, and no time.
struct Looks(u32);

impl Patience for Looks {
    fn wait(&mut self) -> bool {
        self.0 += 1;
        self.0 < 20
    }

    fn begin(&mut self) {
        self.0 = 0;
    }
}

struct World {
    tree: SimTree,
    gpus: Vec<PciAddress>,
}

impl World {
    fn new() -> Self {
        let tree = SimTree::new(Kernel::in_memory("mi300x8", 1).expect("AMD GPUs"));
        let gpus = addresses(&tree).expect("a list");
        Self { tree, gpus }
    }

    fn kernel(&self) -> &Kernel {
        self.tree.kernel()
    }

    fn gpu(&self, place: usize) -> AmdGpu {
        observe(&self.tree, self.gpus[place], NOW).expect("a GPU")
    }

    fn compute(&self, place: usize, mode: &str) -> Result<AmdGpu, AmdError> {
        let (gpu, mode) = (self.gpus[place], mode.parse().expect("a mode"));
        let step = Step::SetAmdCompute { gpu, mode };
        apply(&self.tree, &step, NOW, &mut Looks(0)).expect("an AMD step")
    }

    fn memory(&self, place: usize, mode: &str) -> Result<AmdGpu, AmdError> {
        let (gpu, mode) = (self.gpus[place], mode.parse().expect("a mode"));
        let step = Step::SetAmdMemory { gpu, mode };
        apply(&self.tree, &step, NOW, &mut Looks(0)).expect("an AMD step")
    }

    fn fault(&self, place: usize, on: Access, kind: FaultKind) {
        let path = format!(
            "/sys/bus/pci/devices/{}/current_compute_partition",
            self.gpus[place]
        );
        let times = Some(1);
        let fault = Fault {
            path,
            on,
            kind,
            times,
        };
        self.kernel().set_fault(fault).expect("set");
    }
}

#[test]
fn a_gpu_is_described_whole() {
    let world = World::new();
    assert_eq!(world.gpus.len(), 8);
    let gpu = world.gpu(1);
    assert_eq!((gpu.index, gpu.pci), (1, world.gpus[1]));
    assert_eq!(gpu.name, "AMD Instinct MI300X OAM");
    assert_eq!(gpu.pci_device_id, 0x74a1_1002);
    assert_eq!(gpu.memory, Bytes(206_141_652_992));
    assert_eq!(gpu.xccs, Some(8));
    assert_eq!(gpu.utilisation_percent, Some(0));
    assert_eq!(gpu.unique_id.as_ref().map(String::len), Some(16));
    assert_eq!(gpu.hive, world.gpu(0).hive);
    assert_eq!(gpu.compute, Some(ComputePartition::Spx));
    use ComputePartition::{Cpx, Dpx, Qpx, Spx};
    assert_eq!(gpu.compute_modes, [Spx, Dpx, Qpx, Cpx]);
    assert_eq!(gpu.memory_mode, Some(MemoryPartition::Nps1));
    assert_eq!(gpu.pending_memory, None);
    let [only] = gpu.partitions.as_slice() else {
        panic!("{:?}", gpu.partitions)
    };
    assert_eq!((only.kfd_node, only.render_minor, only.xccs), (3, 136, 8));
    assert_eq!(only.memory, Some(gpu.memory));
    assert_eq!((gpu.processes.len(), &gpu.health), (0, &Health::Ok));
}

#[test]
fn a_compute_mode_is_done_when_kfd_lists_its_partitions() {
    let world = World::new();
    world.fault(0, Access::Write, FaultKind::Delay(12));
    let gpu = world.compute(0, "cpx").expect("nobody uses it");
    assert_eq!(gpu.compute, Some(ComputePartition::Cpx));
    let minors: Vec<u32> = gpu.partitions.iter().map(|one| one.render_minor).collect();
    assert_eq!(minors, (128..136).collect::<Vec<u32>>());
    assert!(gpu.partitions.iter().all(|one| one.xccs == 1));
    assert_eq!(gpu.xccs, Some(8));
    // The others have other numbers by now, and are known by their addresses.
    assert_eq!(world.gpu(1).partitions[0].kfd_node, 2);
    // Again: it has it, so nothing is written, which would fail.
    let errno = nvidia_ml::kernel::Errno::EIO;
    world.fault(0, Access::Write, FaultKind::Fail(errno));
    assert_eq!(world.compute(0, "cpx").expect("it has it"), gpu);
}

#[test]
fn partitions_that_do_not_come_are_undone() {
    let world = World::new();
    world.fault(0, Access::Write, FaultKind::Delay(10_000));
    let error = world.compute(0, "CPX").expect_err("it takes for ever");
    let words = in_words(&error);
    assert!(words.contains("no 8 KFD nodes of GPU"), "{words}");
    assert!(matches!(error, AmdError::Undone { .. }), "{words}");
    assert_eq!(world.gpu(0).compute, Some(ComputePartition::Spx));
}

#[test]
fn what_cannot_be_is_refused_before_it_is_written() {
    let world = World::new();
    // Any write would be seen: it would change the mode, whatever the value.
    let refusal = |answer: Result<AmdGpu, AmdError>| in_words(&answer.expect_err("impossible"));
    let pci = world.gpus[0];
    assert_eq!(
        refusal(world.compute(0, "TPX")),
        format!("GPU {pci} does not offer TPX, it offers SPX, DPX, QPX, CPX")
    );
    assert_eq!(
        refusal(world.memory(0, "NPS8")),
        format!("GPU {pci} does not offer NPS8, it offers NPS1, NPS2, NPS4")
    );
    world.memory(0, "NPS4").expect("a request");
    world.kernel().reload_driver().expect("nobody uses it");
    assert_eq!(
        refusal(world.compute(0, "SPX")),
        format!("GPU {pci}: SPX does not go with memory mode NPS4")
    );
    let nowhere: PciAddress = "0000:ff:1f.0".parse().expect("an address");
    let step = Step::SetAmdCompute {
        gpu: nowhere,
        mode: ComputePartition::Cpx,
    };
    let answer = apply(&world.tree, &step, NOW, &mut Looks(0)).expect("an AMD step");
    assert!(matches!(answer, Err(AmdError::NotFound { .. })));
}

/// A tree whose driver still names a function that has left the bus.
struct Left<'a>(&'a SimTree, PciAddress);

impl Left<'_> {
    fn path<'p>(&self, path: &'p str) -> &'p str {
        let folder = format!("/sys/bus/pci/devices/{}", self.1);
        if path.starts_with(&folder) {
            return "/sys/bus/pci/devices/nowhere";
        }
        path
    }
}

impl SysTree for Left<'_> {
    fn read(&self, path: &str) -> Result<Vec<u8>, TreeError> {
        self.0.read(self.path(path))
    }

    fn list(&self, path: &str) -> Result<Vec<String>, TreeError> {
        self.0.list(self.path(path))
    }

    fn write(&self, path: &str, bytes: &[u8]) -> Result<(), TreeError> {
        self.0.write(self.path(path), bytes)
    }

    fn link(&self, path: &str) -> Result<String, TreeError> {
        self.0.link(self.path(path))
    }
}

#[test]
fn a_gpu_that_has_left_the_bus_is_none_that_is_well() {
    let world = World::new();
    let tree = Left(&world.tree, world.gpus[1]);
    let gone = observe(&tree, world.gpus[1], NOW);
    assert!(matches!(gone, Err(AmdError::NotFound { pci }) if pci == world.gpus[1]));
    let other = observe(&tree, world.gpus[2], NOW).expect("a GPU");
    assert_eq!(other.health, Health::Ok);
}

#[test]
fn processes_are_named_and_never_disturbed() {
    let world = World::new();
    world
        .kernel()
        .open_kfd(4_000_007, 2, 1 << 30)
        .expect("a client");
    assert_eq!(world.gpu(2).processes, [4_000_007]);
    assert!(world.gpu(1).processes.is_empty());
    let own = in_words(&world.compute(2, "CPX").expect_err("in use"));
    let pci = world.gpus[2];
    assert_eq!(own, format!("GPU {pci} is in use by process 4000007"));
    // This kernel refuses for the sake of any process that has opened KFD.
    let other = world.compute(1, "CPX").expect_err("in use");
    assert!(matches!(other, AmdError::InUse { .. }), "{other:?}");
    assert_eq!(world.gpu(1).compute, Some(ComputePartition::Spx));
    world.compute(2, "SPX").expect("it has it already");
}

#[test]
fn a_memory_mode_is_pending_until_the_driver_is_loaded_anew() {
    let world = World::new();
    let gpu = world.memory(3, "NPS4").expect("a request");
    assert_eq!(gpu.memory_mode, Some(MemoryPartition::Nps1));
    assert_eq!(gpu.pending_memory, Some(MemoryPartition::Nps4));
    assert_eq!(
        world.gpu(3).pending_memory,
        None,
        "the kernel does not tell"
    );
    world.kernel().reload_driver().expect("nobody uses it");
    for place in 0..8 {
        let gpu = world.gpu(place);
        assert_eq!(gpu.memory_mode, Some(MemoryPartition::Nps4));
        assert_eq!(gpu.compute, Some(ComputePartition::Qpx));
        assert_eq!(gpu.partitions.len(), 4);
    }
    let again = world.memory(3, "NPS4").expect("it has it");
    assert_eq!(again.pending_memory, None);
}

#[test]
fn a_gpu_in_reset_is_unwell_and_its_neighbours_are_not() {
    let world = World::new();
    world.kernel().set_reset(0, true).expect("GPU 0");
    let gpu = world.gpu(0);
    assert_eq!((gpu.compute, gpu.memory_mode), (None, None));
    let operation = "amdgpu resets it".to_owned();
    let since = NOW;
    assert_eq!(gpu.health, Health::Unresponsive { since, operation });
    let error = world.compute(0, "CPX").expect_err("in reset");
    assert_eq!(error.errno(), Some(nix::errno::Errno::EPERM));
    assert_eq!(world.gpu(1).health, Health::Ok);
    world.compute(1, "CPX").expect("its neighbour");
}

#[test]
fn a_host_without_amdgpu_has_no_amd_gpus() {
    let tree = SimTree::new(Kernel::of_state(Default::default()));
    assert_eq!(addresses(&tree), Ok(Vec::new()));
    assert!(tree.list("/sys").is_err());
}
