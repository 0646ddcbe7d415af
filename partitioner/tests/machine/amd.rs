//! AMD GPUs through a worker process, on a machine without any library.

use std::fs;
use std::path::Path;

use kerf_api::partitioner::v1::failure::Code;
use kerf_partitioner::client::{Client, ClientError, WorkerCommand};
use kerf_partitioner::discover::{discover, table};
use kerf_partitioner::worker::Machine;
use kerf_types::{ComputePartition, MemoryPartition, PciAddress, Step};
use nvidia_ml::kernel::Kernel;
use nvidia_ml::kernel::state::{Access, Fault, FaultKind};
use nvidia_ml::machine::{self, CreateOptions, MachineInfo};
use tempfile::TempDir;

use crate::world::{PATIENCE, program};

/// A machine with AMD GPUs.
pub struct World {
    _folder: TempDir,
    pub info: MachineInfo,
}

impl World {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let options = CreateOptions { seed: Some(11) };
        let info = machine::create("mi300x8", folder.path(), Path::new(""), &options);
        Self {
            _folder: folder,
            info: info.expect("a machine"),
        }
    }

    pub fn command(&self) -> WorkerCommand {
        let machine = Machine {
            library: None,
            sysroot: self.info.sysroot.clone(),
            simulated: Some(self.info.dir.clone()),
        };
        WorkerCommand {
            executable: program(),
            machine,
        }
    }

    pub fn kernel(&self) -> Kernel {
        Kernel::open(&self.info.dir).expect("a kernel")
    }
}

/// Addresses of the GPUs.
pub fn gpus(worker: &mut Client) -> Vec<PciAddress> {
    let facts = worker.observe_host(PATIENCE).expect("facts");
    let parse = |address: &String| address.parse().expect("an address");
    facts.amd_gpus.iter().map(parse).collect()
}

/// Code and message of an answer that must be a refusal.
pub fn refusal(answer: Result<kerf_types::AmdGpu, ClientError>) -> (Code, String) {
    match answer {
        Err(ClientError::Refused(failure)) => (failure.code(), failure.message),
        other => panic!("a refusal was expected: {other:?}"),
    }
}

#[test]
fn a_worker_partitions_without_a_driver_library() {
    let world = World::new();
    let mut worker = Client::spawn(&world.command()).expect("a worker");
    let gpus = gpus(&mut worker);
    assert_eq!(gpus.len(), 8);
    let (gpu, mode) = (gpus[0], ComputePartition::Cpx);
    let step = Step::SetAmdCompute { gpu, mode };
    let after = worker.apply_amd(&step, PATIENCE).expect("nobody uses it");
    assert_eq!((after.compute, after.partitions.len()), (Some(mode), 8));
    // Another process sees the same machine.
    let mut second = Client::spawn(&world.command()).expect("a worker");
    assert_eq!(second.observe_amd(gpu, PATIENCE).expect("a GPU"), after);
    let mode = MemoryPartition::Nps4;
    let step = Step::SetAmdMemory { gpu, mode };
    let after = worker.apply_amd(&step, PATIENCE).expect("taken");
    assert_eq!(after.pending_memory, Some(mode));
    world.kernel().reload_driver().expect("nobody uses it");
    let after = second.observe_amd(gpus[7], PATIENCE).expect("a GPU");
    assert_eq!((after.memory_mode, after.partitions.len()), (Some(mode), 4));
}

/// Its own file may name a node that does not exist, or none: what is beside it says then.
#[test]
fn a_gpu_is_next_to_a_node_that_is_there() {
    let world = World::new();
    let mut worker = Client::spawn(&world.command()).expect("a worker");
    let gpus = gpus(&mut worker);
    let mut node = |gpu| worker.observe_amd(gpu, PATIENCE).expect("a GPU").numa_node;
    assert_eq!((node(gpus[0]), node(gpus[7])), (Some(0), Some(1)));
    for lie in ["77", "-1", ""] {
        for gpu in [gpus[0], gpus[7]] {
            let file = format!("sys/bus/pci/devices/{gpu}/numa_node");
            fs::write(world.info.sysroot.join(file), lie).expect("ours");
        }
        assert_eq!((node(gpus[0]), node(gpus[7])), (Some(0), Some(1)), "{lie}");
    }
}

#[test]
fn refusals_have_codes_to_act_on() {
    let world = World::new();
    let kernel = world.kernel();
    let mut worker = Client::spawn(&world.command()).expect("a worker");
    let gpu = gpus(&mut worker)[1];
    let mut set = |mode| worker.apply_amd(&Step::SetAmdCompute { gpu, mode }, PATIENCE);
    assert_eq!(refusal(set(ComputePartition::Tpx)).0, Code::NotSupported);
    kernel.open_kfd(4_000_009, 1, 1).expect("a client");
    let (code, words) = refusal(set(ComputePartition::Cpx));
    assert_eq!(code, Code::InUse);
    assert!(words.contains("process 4000009"), "{words}");
    kernel.close_kfd(4_000_009).expect("closed");
    let errnos = [
        (5, Code::Io),
        (16, Code::InUse),
        (13, Code::NoPermission),
        (22, Code::Invalid),
        (19, Code::Lost),
        (110, Code::Driver),
    ];
    for (number, expected) in errnos {
        let path = format!("/sys/bus/pci/devices/{gpu}/current_compute_partition");
        let errno = nvidia_ml::kernel::Errno::from_number(number);
        let fault = Fault {
            path,
            on: Access::Write,
            kind: FaultKind::Fail(errno),
            times: Some(1),
        };
        kernel.set_fault(fault).expect("set");
        let (code, words) = refusal(set(ComputePartition::Cpx));
        assert_eq!(code, expected, "{number}: {words}");
    }
    kernel.set_reset(1, true).expect("GPU 1");
    assert_eq!(refusal(set(ComputePartition::Cpx)).0, Code::ResetRequired);
}

#[test]
fn a_worker_that_is_not_told_so_never_reaches_the_simulated_kernel() {
    let world = World::new();
    let mut command = world.command();
    command.machine.simulated = None;
    let mut worker = Client::spawn(&command).expect("a worker");
    let (gpu, mode) = (gpus(&mut worker)[0], MemoryPartition::Nps4);
    // It writes the plain file, and nothing follows from that.
    let step = Step::SetAmdMemory { gpu, mode };
    let after = worker.apply_amd(&step, PATIENCE).expect("a plain file");
    assert_eq!(after.memory_mode, Some(mode));
    let state = world.kernel().state().expect("a state");
    assert_eq!(state.amd.expect("AMD GPUs").requested, None);
}

#[test]
fn a_machine_whose_root_is_another_is_refused() {
    let world = World::new();
    for root in ["/", "/tmp"] {
        let mut command = world.command();
        command.machine.sysroot = root.into();
        let mut worker = Client::spawn(&command).expect("a process");
        let answer = worker.observe_host(PATIENCE);
        assert!(
            matches!(answer, Err(ClientError::Gone | ClientError::Socket { .. })),
            "{root}: {answer:?}"
        );
    }
}

#[test]
fn discovery_lists_them_without_a_daemon() {
    let world = World::new();
    let found = discover(&world.command(), PATIENCE).expect("an inventory");
    assert_eq!(found.amd.len(), 8);
    assert!(found.problems.is_empty(), "{:?}", found.problems);
    let text = table(&found);
    assert!(text.contains("AMD Instinct MI300X OAM"), "{text}");
}
