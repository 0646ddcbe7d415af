//! Fabric and NVLink-C2C against the simulated driver: machines with and without, each fault, each form of the question.

use kerf_types::fabric::{Fabric, FabricState};
use nvidia_ml::control::{self, FaultRequest};
use nvidia_ml::model::fabric::FabricFault;
use nvml_wrapper::{Device, Nvml};
use tempfile::TempDir;

use super::{c2c_links, fabric};
use crate::nvml::ffi::{fabric_v1, fabric_v2, fabric_v3};
use crate::nvml::tests::simulated;

fn first(nvml: &Nvml) -> Device<'_> {
    nvml.device_by_index(0).expect("a GPU")
}

fn seen(nvml: &Nvml) -> Option<Fabric> {
    fabric(&first(nvml)).expect("no failure")
}

fn fault(folder: &TempDir, request: FaultRequest) {
    control::fault(&folder.path().join("m"), request).expect("a GPU");
}

#[test]
fn a_machine_has_the_fabric_that_its_switches_make() {
    let (_folder, switched) = simulated("h100x8");
    let found = seen(&switched).expect("a fabric");
    assert_eq!(found.state, FabricState::Completed);
    assert_eq!((found.status, found.clique), (Some(0), Some(0)));
    assert_eq!(found.cluster, None, "within one host");
    assert_eq!(found.complaints(), [""; 0]);

    let (_folder, alone) = simulated("h100x1");
    let found = seen(&alone).expect("an answer");
    assert_eq!(found.state, FabricState::NotSupported);
    assert_eq!(
        (found.status, found.clique, found.health),
        (None, None, None)
    );

    // Ampere's driver says NOT_SUPPORTED.
    let (_folder, older) = simulated("a100x8");
    assert_eq!(seen(&older), None);
}

#[test]
fn trays_of_one_rack_are_of_one_cluster() {
    let (_one, one) = simulated("gb200x4");
    let (_other, other) = simulated("gb200x4");
    let found = seen(&one).expect("a fabric");
    assert!(found.cluster.is_some(), "{found:?}");
    assert_eq!(found.clique, Some(1));
    assert_eq!(seen(&other), Some(found));
    let health = found.health.expect("a mask");
    assert_eq!(health.degraded_bandwidth(), Some(false));
}

#[test]
fn every_form_says_what_it_can() {
    let (folder, nvml) = simulated("gb200x4");
    let how = FabricFault::Degraded;
    fault(&folder, FaultRequest::Fabric { gpu: 0, how });
    let device = first(&nvml);
    let newest = fabric_v3(&device).expect("an answer");
    assert_eq!((newest.mask, newest.summary), (Some(0x1a9), Some(3)));
    let without_summary = fabric_v2(&device).expect("an answer");
    assert_eq!(without_summary.summary, None);
    assert_eq!(without_summary.mask, newest.mask);
    let oldest = fabric_v1(&device).expect("an answer");
    assert_eq!((oldest.mask, oldest.summary), (None, None));
    assert_eq!(
        (oldest.cluster, oldest.clique, oldest.state, oldest.status),
        (newest.cluster, newest.clique, newest.state, newest.status)
    );
    // A driver that knows the first form alone is asked in it.
    let refuse = |function: &str, code| FaultRequest::Refuse {
        function: function.to_owned(),
        code,
    };
    fault(&folder, refuse("nvmlDeviceGetGpuFabricInfoV", 13));
    let found = seen(&nvml).expect("a fabric");
    assert_eq!((found.state, found.health), (FabricState::Completed, None));
    fault(&folder, refuse("nvmlDeviceGetGpuFabricInfo", 13));
    assert_eq!(seen(&nvml), None, "a driver without the function");
}

#[test]
fn what_is_wrong_is_seen_and_a_lost_gpu_is_no_gpu_without_a_fabric() {
    let (folder, nvml) = simulated("gb200x4");
    for (word, how) in FabricFault::WORDS {
        fault(&folder, FaultRequest::Fabric { gpu: 0, how });
        let found = seen(&nvml).expect("a fabric");
        assert_eq!(found.complaints().len(), 1, "{word}: {found:?}");
        let is_told = found.state == FabricState::Completed;
        assert_eq!(found.cluster.is_some(), is_told, "{word}");
        assert_eq!(found.clique.is_some(), is_told, "{word}");
        assert_eq!(found.status.is_some(), is_told, "{word}");
    }
    fault(&folder, FaultRequest::Clear { gpu: 0 });
    let found = seen(&nvml).expect("a fabric");
    assert_eq!(found.complaints(), [""; 0]);
    let device = first(&nvml);
    fault(&folder, FaultRequest::Lost { gpu: 0 });
    assert!(fabric(&device).is_err());
    assert!(c2c_links(&device).is_err());
}

#[test]
fn a_grace_is_joined_to_its_gpus_and_no_other_processor_is() {
    for (machine, count) in [
        ("gh200x1", 10),
        ("gb200x4", 5),
        ("h100x8", 0),
        ("a100x8", 0),
    ] {
        let (_folder, nvml) = simulated(machine);
        let found = c2c_links(&first(&nvml)).expect("no failure");
        assert_eq!(found.len(), count, "{machine}");
        for (number, link) in (0..).zip(&found) {
            let told = (link.link, link.active, link.mbps);
            assert_eq!(told, (number, Some(true), Some(44_712)));
        }
    }
}

#[test]
fn a_driver_that_cannot_tell_is_no_failure() {
    let (folder, nvml) = simulated("gh200x1");
    let refuse = |function: &str, code| FaultRequest::Refuse {
        function: function.to_owned(),
        code,
    };
    let fields = "nvmlDeviceGetFieldValues";
    fault(&folder, refuse(fields, 3));
    assert_eq!(c2c_links(&first(&nvml)).expect("no failure"), []);
    fault(&folder, FaultRequest::DriverClear);
    assert_eq!(c2c_links(&first(&nvml)).expect("no failure").len(), 10);
    fault(&folder, refuse("nvmlDeviceGetC2cModeInfoV", 3));
    assert_eq!(c2c_links(&first(&nvml)).expect("no failure"), []);
}
