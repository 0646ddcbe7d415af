//! Lost and hanging GPUs, and a driver that hangs whole: the others stand, and nobody waits for ever.

use std::time::Duration;

use kerf_partitioner::client::{Client, ClientError};
use kerf_types::{Gpu, Health, MigMode, Step};
use nvidia_ml::control::{FaultRequest, fault, reset};

use crate::world::{Asks, Code, IMPATIENCE, PATIENCE, World, create, failure, fill, mig};

fn raise(world: &World, request: FaultRequest) {
    fault(&world.info.dir, request).expect("a machine");
}

/// A deadline that a healthy simulated GPU meets on a busy test machine.
const DEADLINE: Duration = Duration::from_secs(5);

#[test]
fn a_lost_gpu_is_named_and_the_others_stand() {
    let world = World::new("h100x8");
    let mut worker = world.worker();
    let before = worker.gpu(2);
    raise(&world, FaultRequest::Lost { gpu: 2 });
    assert_eq!(failure(worker.observe_gpu(2, PATIENCE)).0, Code::Lost);
    assert_eq!(failure(worker.sample(2, PATIENCE)).0, Code::Lost);
    assert_eq!(worker.refused(&mig(before.pci, true)).0, Code::Lost);
    assert_eq!(worker.gpu(3).health, Health::Ok);
    let found = world.discover(PATIENCE);
    assert_eq!(found.gpus.len(), 8);
    let lost = &found.gpus[2];
    assert!(
        matches!(lost.health, Health::Lost { .. }),
        "{:?}",
        lost.health
    );
    assert_eq!(
        (&lost.uuid, lost.pci, lost.minor),
        (&before.uuid, before.pci, before.minor)
    );
    assert_eq!(
        found.gpus.iter().filter(|gpu| gpu.health.is_ok()).count(),
        7
    );
    let [problem] = found.problems.as_slice() else {
        panic!("{:?}", found.problems)
    };
    assert!(problem.starts_with("GPU 2: "), "{problem}");
    raise(&world, FaultRequest::Clear { gpu: 2 });
    assert_eq!(worker.gpu(2), before, "the same worker sees it come back");
}

#[test]
fn a_hanging_gpu_costs_one_deadline_and_one_worker() {
    let world = World::new("h100x8");
    let mut stuck = world.worker();
    let pci = stuck.gpu(1).pci;
    raise(&world, FaultRequest::Hang { gpu: 1 });
    // One deadline for the whole call: its own error says that it passed.
    let answer = stuck.observe_gpu(1, IMPATIENCE);
    assert!(
        matches!(answer, Err(ClientError::Deadline { .. })),
        "{answer:?}"
    );
    let mut fresh = world.worker();
    let changed = fresh.gpu(0).pci;
    assert_eq!(
        fresh.step(&mig(changed, true)).mig_mode,
        MigMode::Enabled,
        "the neighbour is cut"
    );
    let found = world.discover(DEADLINE);
    assert_eq!(found.gpus.len(), 8);
    assert!(matches!(found.gpus[1].health, Health::Unresponsive { .. }));
    assert_eq!(found.gpus[1].pci, pci);
    assert_eq!(
        found.gpus.iter().filter(|gpu| gpu.health.is_ok()).count(),
        7
    );
    raise(&world, FaultRequest::Clear { gpu: 1 });
    // The driver lets it go: the worker that was stuck serves again, its late answer is passed over.
    assert_eq!(stuck.gpu(1).health, Health::Ok);
}

#[test]
fn more_hanging_gpus_than_workers_to_spend() {
    let world = World::new("h100x8");
    for gpu in [0, 4, 6] {
        raise(&world, FaultRequest::Hang { gpu });
    }
    let found = world.discover(DEADLINE);
    assert_eq!(found.gpus.len(), 8);
    let sick: Vec<u32> = found
        .gpus
        .iter()
        .filter(|gpu| !gpu.health.is_ok())
        .map(|gpu| gpu.index)
        .collect();
    // After two workers nobody else is risked; 5 to 7 are listed without having been asked.
    assert_eq!(sick, [0, 4, 5, 6, 7]);
    assert_eq!(found.problems.len(), 5, "{:?}", found.problems);
    for gpu in [0, 4, 6] {
        raise(&world, FaultRequest::Clear { gpu });
    }
}

#[test]
fn a_driver_that_hangs_whole_leaves_the_host_known() {
    let world = World::new("h100x8");
    raise(&world, FaultRequest::DriverHang);
    let found = world.discover(DEADLINE);
    assert_eq!(found.driver, None);
    assert_eq!(found.numa_nodes.len(), 2);
    assert_eq!(found.nics.len(), 8);
    assert_eq!(found.gpus.len(), 8);
    assert!(
        found
            .gpus
            .iter()
            .all(|gpu| matches!(gpu.health, Health::Unresponsive { .. }))
    );
    let mut worker = world.spawn();
    assert!(matches!(
        worker.open(IMPATIENCE),
        Err(ClientError::Deadline { .. })
    ));
    raise(&world, FaultRequest::DriverClear);
    assert_eq!(
        worker.open(PATIENCE).expect("it answers again").gpu_count,
        8
    );
}

#[test]
fn a_gpu_that_needs_a_reset_is_called_so_until_it_was_reset() {
    let world = World::new("h100x8");
    let mut worker = world.worker();
    let before = worker.gpu(2);
    raise(&world, FaultRequest::ResetRequired { gpu: 2 });
    assert_eq!(
        failure(worker.observe_gpu(2, PATIENCE)).0,
        Code::ResetRequired
    );
    assert_eq!(
        failure(worker.sample(2, PATIENCE)).0,
        Code::ResetRequired,
        "a reading without its sensors would be a lie"
    );
    let found = world.discover(PATIENCE);
    let sick: Vec<_> = found
        .gpus
        .iter()
        .filter(|gpu| !gpu.health.is_ok())
        .collect();
    let [sick] = sick.as_slice() else {
        panic!("{sick:?}")
    };
    assert!(
        matches!(sick.health, Health::ResetRequired { .. }),
        "{:?}",
        sick.health
    );
    assert_eq!((&sick.uuid, sick.pci), (&before.uuid, before.pci));
    reset(&world.info.dir, 2).expect("idle");
    assert_eq!(worker.gpu(2), before);
}

#[test]
fn a_gpu_that_is_gone_moves_the_indices_of_the_others() {
    let world = World::new("h100x8");
    let mut worker = world.worker();
    let (gone, next) = (worker.gpu(1), worker.gpu(2));
    raise(&world, FaultRequest::Gone { gpu: 1 });
    let count = |world: &World| {
        let opened = world.spawn().open(PATIENCE).expect("a driver");
        opened.gpu_count
    };
    assert_eq!(count(&world), 7);
    let moved = worker.gpu(1);
    assert_eq!((moved.index, moved.minor), (1, next.minor));
    assert_eq!((moved.pci, &moved.uuid), (next.pci, &next.uuid));
    assert_eq!(
        failure(worker.observe_gpu(7, PATIENCE)).0,
        Code::Invalid,
        "there is no eighth GPU"
    );
    assert_eq!(
        worker.refused(&mig(gone.pci, true)).0,
        Code::NotFound,
        "no other GPU stands in for it"
    );
    raise(&world, FaultRequest::Clear { gpu: 1 });
    assert_eq!(count(&world), 8);
    assert_eq!(worker.gpu(1), gone);
}

/// The GPU with one slice on it.
fn with_one_slice(worker: &mut Client) -> Gpu {
    let pci = worker.gpu(0).pci;
    for step in [mig(pci, true), create(pci, 9, 4, 4), fill(pci, 4, 4, 2)] {
        worker.step(&step);
    }
    worker.gpu(0)
}

/// `Refuse` makes the driver answer one function with a code, whatever is asked of it.
#[test]
fn a_gpu_that_does_not_tell_its_instances_is_not_taken_for_empty() {
    let world = World::new("h100x1");
    let mut worker = world.worker();
    let whole = with_one_slice(&mut worker);
    for function in [
        "nvmlDeviceGetGpuInstanceProfileInfoV",
        "nvmlDeviceGetGpuInstancePossiblePlacements_v2",
        "nvmlDeviceGetGpuInstances",
        "nvmlGpuInstanceGetInfo",
        "nvmlGpuInstanceGetComputeInstanceProfileInfo",
        "nvmlGpuInstanceGetComputeInstances",
        "nvmlComputeInstanceGetInfo_v2",
    ] {
        // Invalid argument, not supported, not found, unknown. The first one makes the profiles be asked
        // for in an older form, which answers.
        for code in [2, 3, 6, 999] {
            if code == 2 && function == "nvmlDeviceGetGpuInstanceProfileInfoV" {
                continue;
            }
            raise(&world, refuse(function, code));
            let answer = worker.observe_gpu(0, PATIENCE);
            assert!(answer.is_err(), "{function} answers {code}: {answer:?}");
            raise(&world, FaultRequest::DriverClear);
            assert_eq!(worker.gpu(0), whole, "after {function}");
        }
    }
}

/// By its id it is not found, and in the list it is: that is the driver's fault, and nothing was asked of it.
#[test]
fn an_instance_that_its_id_does_not_find_is_not_taken_for_destroyed() {
    let world = World::new("h100x1");
    let mut worker = world.worker();
    let whole = with_one_slice(&mut worker);
    let (gi, ci) = (&whole.instances[0], &whole.instances[0].compute[0]);
    let step = Step::DestroyComputeInstance {
        gpu: whole.pci,
        gi: gi.id,
        ci: ci.id,
        uuid: ci.uuid.clone(),
    };
    let function = "nvmlGpuInstanceGetComputeInstanceById";
    raise(&world, refuse(function, 6));
    let (_, said) = worker.refused(&step);
    let expected = format!("{step}: {function} finds none of this id, but it is still there");
    assert_eq!(said, expected);
    raise(&world, FaultRequest::DriverClear);
    assert_eq!(worker.gpu(0), whole);
    worker.step(&step);
}

fn refuse(function: &str, code: u32) -> FaultRequest {
    let function = function.to_owned();
    FaultRequest::Refuse { function, code }
}

#[test]
fn with_mig_off_only_a_driver_that_cannot_tell_leaves_profiles_unknown() {
    let world = World::new("h100x1");
    let mut worker = world.worker();
    let whole = worker.gpu(0);
    let function = "nvmlDeviceGetGpuInstanceProfileInfoV";
    raise(&world, refuse(function, 3));
    assert_eq!(worker.gpu(0).profiles, []);
    raise(&world, refuse(function, 999));
    assert_eq!(failure(worker.observe_gpu(0, PATIENCE)).0, Code::Driver);
    raise(&world, FaultRequest::DriverClear);
    assert_eq!(worker.gpu(0), whole);
}
