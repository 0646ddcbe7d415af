//! Who may have a context on a GPU, set and read through a worker.

use kerf_api::partitioner::v1::ComputeMode;
use nvidia_ml::control::{self, FaultRequest};
use nvidia_ml::model::mischief::Mischief;

use crate::world::{Asks, Code, PATIENCE, World, failure, mig};

#[test]
fn a_mode_is_set_and_outlives_the_worker() {
    let world = World::new("h100x1");
    let mut worker = world.worker();
    let gpu = worker.gpu(0).pci;
    let read = worker.compute_mode(gpu, PATIENCE).expect("a mode");
    assert_eq!(read, ComputeMode::Default);
    let modes = [
        ComputeMode::ExclusiveProcess,
        ComputeMode::ExclusiveProcess,
        ComputeMode::Prohibited,
        ComputeMode::ExclusiveProcess,
    ];
    for mode in modes {
        let set = worker.set_compute_mode(gpu, mode, PATIENCE);
        assert_eq!(set.expect("a healthy GPU"), mode);
    }
    drop(worker);
    let read = world.worker().compute_mode(gpu, PATIENCE).expect("a mode");
    assert_eq!(read, ComputeMode::ExclusiveProcess);
}

#[test]
fn what_cannot_be_set_is_said() {
    let world = World::new("h100x1");
    let mut worker = world.worker();
    let gpu = worker.gpu(0).pci;
    let unknown = worker.set_compute_mode(gpu, ComputeMode::Unspecified, PATIENCE);
    let expected = format!("no compute mode is named for {gpu}");
    assert_eq!(failure(unknown), (Code::Invalid, expected));
    worker.step(&mig(gpu, true));
    let with_mig = worker.set_compute_mode(gpu, ComputeMode::ExclusiveProcess, PATIENCE);
    assert_eq!(failure(with_mig).0, Code::NotSupported);
}

#[test]
fn a_driver_that_forgets_is_found_out() {
    let world = World::new("h100x1");
    let mut worker = world.worker();
    let gpu = worker.gpu(0).pci;
    let request = FaultRequest::Misbehave {
        function: "nvmlDeviceSetComputeMode".to_owned(),
        how: Mischief::Forget,
        times: Some(1),
    };
    control::fault(&world.info.dir, request).expect("a machine");
    let (code, message) =
        failure(worker.set_compute_mode(gpu, ComputeMode::ExclusiveProcess, PATIENCE));
    assert_eq!(code, Code::Driver);
    let expected = format!("compute mode of {gpu} reads back as default, not exclusive process");
    assert_eq!(message, expected);
    let set = worker.set_compute_mode(gpu, ComputeMode::ExclusiveProcess, PATIENCE);
    assert_eq!(set.expect("once only"), ComputeMode::ExclusiveProcess);
}
