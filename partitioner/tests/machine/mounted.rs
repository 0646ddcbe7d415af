//! AMD GPUs through a worker that knows of no simulator: it writes real files, and a kernel is behind them.

use std::path::PathBuf;
use std::time::Instant;

use kerf_api::partitioner::v1::ObserveHost;
use kerf_api::partitioner::v1::failure::Code;
use kerf_api::partitioner::v1::request::Call;
use kerf_api::partitioner::v1::response::Outcome;
use kerf_partitioner::client::{Client, WorkerCommand};
use kerf_partitioner::discover::{discover, table};
use kerf_partitioner::sysfs::Root;
use kerf_partitioner::systree::{RealTree, SimTree, SysTree, TreeError};
use kerf_partitioner::worker::Machine;
use kerf_sim_mount::{Mounted, mount};
use kerf_tests::capability::{Capability, require};
use kerf_tests::mounts;
use kerf_types::map::AcceleratorHealth;
use kerf_types::{ComputePartition, HostMap, MemoryPartition, Step};
use nvidia_ml::kernel::state::{Access, Fault, FaultKind};

use crate::amd::{World, gpus, refusal};
use crate::world::{PATIENCE, program};

/// A mounted machine, which is taken away before its folders are.
struct Place {
    _mounted: Mounted,
    world: World,
    root: PathBuf,
}

impl Place {
    /// What the worker is told: a root, and nothing of a machine.
    fn command(&self) -> WorkerCommand {
        let machine = Machine {
            library: None,
            sysroot: self.root.clone(),
            simulated: None,
        };
        WorkerCommand {
            executable: program(),
            machine,
        }
    }
}

fn with_mount(work: impl FnOnce(&Place) + Send) {
    if !require(Capability::Fuse) {
        return;
    }
    let mounted = || {
        let world = World::new();
        let at = tempfile::tempdir().expect("a folder");
        let mounted = mount(&world.info.dir, at.path()).expect("a mount");
        let place = Place {
            root: mounted.mountpoint().to_owned(),
            _mounted: mounted,
            world,
        };
        work(&place);
    };
    mounts::apart(mounted).expect("a namespace");
}

#[test]
fn a_worker_changes_modes_by_writing_files() {
    with_mount(|place| {
        let mut worker = Client::spawn(&place.command()).expect("a worker");
        let gpus = gpus(&mut worker);
        assert_eq!(gpus.len(), 8);
        let (gpu, mode) = (gpus[0], ComputePartition::Cpx);
        let step = Step::SetAmdCompute { gpu, mode };
        let after = worker.apply_amd(&step, PATIENCE).expect("nobody uses it");
        assert_eq!((after.compute, after.partitions.len()), (Some(mode), 8));
        // A worker that asks the simulated kernel itself sees the same.
        let mut second = Client::spawn(&place.world.command()).expect("a worker");
        assert_eq!(second.observe_amd(gpu, PATIENCE).expect("a GPU"), after);
        let mode = MemoryPartition::Nps4;
        let step = Step::SetAmdMemory { gpu, mode };
        let after = second.apply_amd(&step, PATIENCE).expect("taken");
        assert_eq!(after.pending_memory, Some(mode));
        let kernel = place.world.kernel();
        kernel.reload_driver().expect("nobody uses it");
        let after = worker.observe_amd(gpus[7], PATIENCE).expect("a GPU");
        assert_eq!((after.memory_mode, after.partitions.len()), (Some(mode), 4));
    });
}

#[test]
fn a_worker_hears_the_kernels_refusals_and_undoes_what_was_done() {
    with_mount(|place| {
        let kernel = place.world.kernel();
        let mut worker = Client::spawn(&place.command()).expect("a worker");
        let gpu = gpus(&mut worker)[1];
        let mut set = |mode| worker.apply_amd(&Step::SetAmdCompute { gpu, mode }, PATIENCE);
        assert_eq!(refusal(set(ComputePartition::Tpx)).0, Code::NotSupported);
        kernel.open_kfd(4_000_009, 1, 1).expect("a client");
        let (code, words) = refusal(set(ComputePartition::Cpx));
        assert_eq!(code, Code::InUse, "{words}");
        kernel.close_kfd(4_000_009).expect("closed");
        let befall = |kind, times| {
            let fault = Fault {
                path: format!("/sys/bus/pci/devices/{gpu}/current_compute_partition"),
                on: Access::Write,
                kind,
                times: Some(times),
            };
            kernel.set_fault(fault).expect("set");
        };
        for (number, expected) in [(5, Code::Io), (13, Code::NoPermission), (22, Code::Invalid)] {
            let errno = nvidia_ml::kernel::Errno::from_number(number);
            befall(FaultKind::Fail(errno), 1);
            let (code, words) = refusal(set(ComputePartition::Cpx));
            assert_eq!(code, expected, "{number}: {words}");
        }
        // Refused and carried out nevertheless: the engine reads it back and undoes it.
        let errno = nvidia_ml::kernel::Errno::from_number(5);
        befall(FaultKind::FailDone(errno), 1);
        refusal(set(ComputePartition::Cpx));
        let state = kernel.state().expect("a state").amd.expect("GPUs");
        assert_eq!(state.gpus[1].compute.name(), "SPX");
        // Listed late: awaited.
        befall(FaultKind::Delay(3), 1);
        let after = set(ComputePartition::Cpx).expect("taken");
        assert_eq!(after.partitions.len(), 8);
    });
}

#[test]
fn real_files_and_the_simulated_kernel_answer_alike() {
    with_mount(|place| {
        let root = Root::open(&place.root).expect("a root");
        let (real, sim) = (RealTree::new(&root), SimTree::new(place.world.kernel()));
        let folder = "/sys/class/drm/card0/device";
        let mode = format!("{folder}/current_compute_partition");
        let errno = |answer: Result<(), TreeError>| answer.map_err(|error| error.errno());
        let paths = ["/sys/none", folder, "/sys/class/drm/card0", &mode];
        for value in ["CPX", "FOO", "", "SPX"] {
            for tree in [&real as &dyn SysTree, &sim] {
                // An empty value is none to a real file: the kernel never hears of it.
                if !value.is_empty() {
                    let answer = errno(tree.write(&mode, value.as_bytes()));
                    assert_eq!(answer.is_ok(), value != "FOO", "{value}: {answer:?}");
                }
            }
            for path in paths {
                let read = |tree: &dyn SysTree| tree.read(path).map_err(|error| error.errno());
                assert_eq!(read(&real), read(&sim), "{path}");
                let list = |tree: &dyn SysTree| tree.list(path).map_err(|error| error.errno());
                assert_eq!(list(&real), list(&sim), "{path}");
                let link = |tree: &dyn SysTree| tree.link(path).map_err(|error| error.errno());
                assert_eq!(link(&real), link(&sim), "{path}");
            }
        }
        for path in ["/sys/none", folder, &format!("{folder}/unique_id")] {
            let write = |tree: &dyn SysTree| errno(tree.write(path, b"1"));
            assert_eq!(write(&real), write(&sim), "{path}");
        }
    });
}

#[test]
fn discovery_finds_the_gpus_in_real_files() {
    with_mount(|place| {
        let found = discover(&place.command(), PATIENCE).expect("an inventory");
        let problems = &found.problems;
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!(found.amd.len(), 8);
        assert!(table(&found).contains("AMD Instinct MI300X OAM"));
        let simulated = discover(&place.world.command(), PATIENCE).expect("an inventory");
        assert_eq!(found.amd, simulated.amd);
    });
}

/// What a look at the host tells.
fn look(worker: &mut Client) -> HostMap {
    let facts = worker.observe_host(PATIENCE).expect("facts");
    facts.map.expect("a map").try_into().expect("a right map")
}

/// What there is to be seen, by a look that no file can be late for: the simulated kernel is asked itself.
fn whole(place: &Place) -> HostMap {
    look(&mut Client::spawn(&place.world.command()).expect("a worker"))
}

/// Looks until that holds: on a machine under load a file that answers may be late as well, once.
fn look_until(worker: &mut Client, what: &str, holds: impl Fn(&HostMap) -> bool) {
    let begun = Instant::now();
    loop {
        let map = look(worker);
        if holds(&map) {
            return;
        }
        let odd = &map.oddities;
        assert!(begun.elapsed() < PATIENCE, "{what}: {odd:#?}");
    }
}

/// The threads of a process that read files of devices; one of which nobody wants anything any more ends.
fn in_devices(pid: u32) -> usize {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task"));
    let names = tasks.into_iter().flatten().flatten();
    let names = names.map(|task| std::fs::read_to_string(task.path().join("comm")));
    let found = names.filter(|name| name.as_ref().is_ok_and(|name| name.trim() == "device"));
    found.count()
}

fn until_in_devices(pid: u32, count: usize) {
    let begun = Instant::now();
    while in_devices(pid) != count {
        let (found, late) = (in_devices(pid), begun.elapsed());
        assert!(
            late < PATIENCE,
            "{found} threads are in devices, not {count}"
        );
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// A worker that is let go of while a thread of it is stuck cannot end: the next one is told, and enters that device not
/// at all.
#[test]
fn a_device_that_holds_a_thread_of_one_worker_is_not_entered_by_the_next() {
    with_mount(|place| {
        let kernel = place.world.kernel();
        let mut first = Client::spawn(&place.command()).expect("a worker");
        let well = whole(place);
        let sick = well.accelerators[5].pci.expect("an address");
        let fault = Fault {
            path: format!("/sys/bus/pci/devices/{sick}/unique_id"),
            on: Access::Read,
            kind: FaultKind::Hang,
            times: None,
        };
        kernel.set_fault(fault).expect("set");
        let of_it = |folder: &String| folder.contains(&sick.to_string());
        let begun = Instant::now();
        let held = loop {
            let held = first.observe_host(PATIENCE).expect("facts").held;
            if held.iter().any(of_it) {
                break held;
            }
            assert!(begun.elapsed() < PATIENCE, "{held:?}");
        };
        let pid = first.pid().expect("it runs");
        drop(first);
        // If it had ended, nothing would hold it.
        until_in_devices(pid, 1);
        let mut second = Client::spawn(&place.command()).expect("a worker");
        let call = Call::ObserveHost(ObserveHost {
            deadline_ms: 5_000,
            held,
        });
        let Outcome::Host(facts) = second.call(call, PATIENCE).expect("facts") else {
            panic!("no facts");
        };
        assert!(!facts.held.iter().any(of_it), "{:?}", facts.held);
        let map: HostMap = facts.map.expect("a map").try_into().expect("a right map");
        let mut accelerators = map.accelerators.iter();
        let found = accelerators.find(|one| one.pci == Some(sick));
        let health = found.map(|one| one.health.clone());
        let words = "its driver does not answer".to_owned();
        assert_eq!(health, Some(AcceleratorHealth::Failed(words)));
        until_in_devices(second.pid().expect("it runs"), 0);
        kernel.clear_faults().expect("cleared");
        until_in_devices(pid, 0);
        // Nobody holds it any more, so nobody says so.
        look_until(&mut second, "it is not well again", |map| *map == well);
    });
}

/// Kernels before Linux 6.9 take the device's lock for that file.
#[test]
fn a_count_of_virtual_functions_that_hangs_costs_itself_alone() {
    with_mount(|place| {
        let kernel = place.world.kernel();
        let mut worker = Client::spawn(&place.command()).expect("a worker");
        let well = whole(place);
        let sick = well.pci.iter().find(|one| one.sriov.is_some());
        let sick = sick.expect("one with virtual functions").address;
        let fault = Fault {
            path: format!("/sys/bus/pci/devices/{sick}/sriov_numvfs"),
            on: Access::Read,
            kind: FaultKind::Hang,
            times: None,
        };
        kernel.set_fault(fault).expect("set");
        look_until(&mut worker, "not that one alone is unknown", |map| {
            let mut pairs = map.pci.iter().zip(&well.pci);
            pairs.all(|(one, was)| match one.address == sick {
                true => one.sriov.is_none() && one.class == was.class,
                false => one == was,
            })
        });
        kernel.clear_faults().expect("cleared");
        look_until(&mut worker, "it is not well again", |map| *map == well);
    });
}

#[test]
fn a_gpu_whose_file_hangs_says_so_and_its_neighbours_are_whole() {
    with_mount(|place| {
        let kernel = place.world.kernel();
        let mut worker = Client::spawn(&place.command()).expect("a worker");
        let well = whole(place);
        assert_eq!(well.accelerators.len(), 8);
        let sick = well.accelerators[2].pci.expect("an address");
        let hang = |file: &str| {
            let fault = Fault {
                path: format!("/sys/bus/pci/devices/{sick}/{file}"),
                on: Access::Read,
                kind: FaultKind::Hang,
                times: None,
            };
            kernel.set_fault(fault).expect("set");
        };
        // The look at the host asks nothing for which amdgpu asks the firmware.
        for file in [
            "gpu_busy_percent",
            "mem_info_vram_used",
            "current_compute_partition",
        ] {
            hang(file);
        }
        look_until(&mut worker, "it asks the firmware", |map| *map == well);
        hang("unique_id");
        let word = AcceleratorHealth::Failed("its driver does not answer".to_owned());
        // The second look says the same.
        for _ in 0..2 {
            look_until(&mut worker, "not that one alone is sick", |map| {
                let pairs = map.accelerators.iter().zip(&well.accelerators);
                let mut pairs = pairs.map(|(one, was)| match one.pci == Some(sick) {
                    true => one.health == word,
                    false => one == was,
                });
                let mut paths = map.oddities.iter().map(|odd| &odd.path);
                pairs.all(|holds| holds)
                    && map.links == well.links
                    && map.pci == well.pci
                    && paths.any(|path| path.contains(&sick.to_string()))
            });
        }
        // It did not ask again: a second thread would be as stuck as the first.
        until_in_devices(worker.pid().expect("it runs"), 1);
        kernel.clear_faults().expect("cleared");
        look_until(&mut worker, "it is not well again", |map| *map == well);
    });
}
