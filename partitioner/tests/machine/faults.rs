//! Lost and hanging GPUs, and a driver that hangs whole: the others stand, and nobody waits for ever.

use std::time::{Duration, Instant};

use kerf_partitioner::client::ClientError;
use kerf_types::{Health, MigMode};
use nvidia_ml::control::{FaultRequest, fault};

use crate::world::{Asks, Code, IMPATIENCE, PATIENCE, World, failure, mig};

fn raise(world: &World, request: FaultRequest) {
    fault(&world.info.dir, request).expect("a machine");
}

/// A deadline that a healthy simulated GPU meets on a busy test machine.
const DEADLINE: Duration = Duration::from_secs(3);

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
    let found = world.discover(PATIENCE).inventory;
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
    let start = Instant::now();
    let answer = stuck.observe_gpu(1, IMPATIENCE);
    assert!(
        matches!(answer, Err(ClientError::Deadline { .. })),
        "{answer:?}"
    );
    assert!(start.elapsed() < IMPATIENCE * 4, "a deadline is one");
    let mut fresh = world.worker();
    let changed = fresh.gpu(0).pci;
    assert_eq!(
        fresh.step(&mig(changed, true)).mig_mode,
        MigMode::Enabled,
        "the neighbour is cut"
    );
    let found = world.discover(DEADLINE).inventory;
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
    let found = world.discover(DEADLINE).inventory;
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
    let found = world.discover(Duration::from_secs(2)).inventory;
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
