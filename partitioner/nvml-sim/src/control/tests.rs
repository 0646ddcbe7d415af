//! The requests of `kerf sim`, each against the changed state.

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::machine::{CreateOptions, create};
use crate::model::machine::{AmpereMode, MigUuid};
use crate::model::mig::InstanceRef;

/// A machine folder that goes with the test.
fn machine(name: &str) -> (tempfile::TempDir, PathBuf) {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let library = temp.path().join("library");
    fs::write(&library, "library").expect("a writable folder");
    let dir = temp.path().join("m");
    create(name, &dir, &library, &CreateOptions { seed: Some(1) }).expect("a machine");
    (temp, dir)
}

fn cut(dir: &Path, profile: u32) {
    let done = Store::new(dir).change(|machine, now| {
        machine.set_mig_mode(0, true, now)?;
        let gi = InstanceRef {
            gpu: 0,
            serial: machine.create_gi(0, profile, None, now)?,
        };
        machine.create_ci(gi, 0, None, now)
    });
    done.expect("a writable state").expect("room");
}

fn events(dir: &Path) -> Vec<(u32, u64, u64)> {
    let machine = Store::new(dir).read().expect("a state");
    machine
        .events
        .iter()
        .map(|event| (event.gpu, event.kind, event.data))
        .collect()
}

#[test]
fn faults_are_set_shown_and_cleared() {
    let (_temp, dir) = machine("h100x8");
    fault(&dir, FaultRequest::Lost { gpu: 2 }).expect("a GPU");
    fault(&dir, FaultRequest::Hang { gpu: 3 }).expect("a GPU");
    fault(
        &dir,
        FaultRequest::Xid {
            gpu: 4,
            number: 31,
            gi: None,
        },
    )
    .expect("a GPU");
    fault(&dir, FaultRequest::DriverHang).expect("a driver");
    let shown = show(&dir).expect("a machine");
    assert!(shown.driver_hung);
    assert_eq!(shown.gpus[2].fault, Fault::Lost);
    assert_eq!(shown.gpus[3].fault, Fault::Hung);
    assert_eq!(shown.gpus[4].fault, Fault::None, "an XID is a report");
    assert_eq!(events(&dir), [(2, events::XID, 79), (4, events::XID, 31)]);
    fault(&dir, FaultRequest::Clear { gpu: 2 }).expect("a GPU");
    fault(&dir, FaultRequest::Clear { gpu: 3 }).expect("a GPU");
    fault(&dir, FaultRequest::DriverClear).expect("a driver");
    let shown = show(&dir).expect("a machine");
    assert!(!shown.driver_hung && shown.gpus.iter().all(|gpu| gpu.fault == Fault::None));
}

#[test]
fn memory_errors_are_counted_and_reported() {
    let (_temp, dir) = machine("h100x1");
    fault(&dir, FaultRequest::EccCorrected { gpu: 0, count: 3 }).expect("a GPU");
    fault(&dir, FaultRequest::EccUncorrected { gpu: 0, count: 1 }).expect("a GPU");
    let ecc = Store::new(&dir).read().expect("a state").gpus[0].ecc;
    assert_eq!((ecc.volatile_corrected, ecc.aggregate_uncorrected), (3, 1));
    let expected = [
        (0, events::ECC_CORRECTED, 0),
        (0, events::ECC_UNCORRECTED, 0),
        (0, events::XID, 48),
    ];
    assert_eq!(events(&dir), expected);
    reset(&dir, 0).expect("idle");
    let ecc = Store::new(&dir).read().expect("a state").gpus[0].ecc;
    assert_eq!(
        (ecc.volatile_uncorrected, ecc.aggregate_uncorrected),
        (0, 1)
    );
}

#[test]
fn a_gpu_that_is_not_there_cannot_be_broken() {
    let (_temp, dir) = machine("h100x1");
    let refused = fault(&dir, FaultRequest::Hang { gpu: 1 });
    assert!(
        matches!(refused, Err(ControlError::NoGpu { gpu: 1, count: 1 })),
        "{refused:?}"
    );
    let absent = fault(&dir.join("root"), FaultRequest::DriverHang);
    assert!(
        matches!(absent, Err(ControlError::Store(StoreError::Absent(_)))),
        "{absent:?}"
    );
}

#[test]
fn loads_are_put_replaced_and_cleared() {
    let (_temp, dir) = machine("h100x1");
    cut(&dir, 14);
    cut(&dir, 14);
    let request = LoadRequest {
        gpu: 0,
        gi: Some(5),
        ci: None,
        sm_percent: 80,
        memory_bytes: 4 << 30,
        pid: u32::MAX,
    };
    load(&dir, request).expect("it fits");
    load(
        &dir,
        LoadRequest {
            sm_percent: 40,
            ..request
        },
    )
    .expect("it replaces itself");
    load(
        &dir,
        LoadRequest {
            gi: Some(3),
            ..request
        },
    )
    .expect("it fits");
    let processes = show(&dir).expect("a machine").gpus[0].processes.clone();
    assert_eq!(
        processes
            .iter()
            .map(|process| (process.gi, process.sm_percent))
            .collect::<Vec<_>>(),
        [(Some(5), 40), (Some(3), 80)]
    );
    let greedy = load(
        &dir,
        LoadRequest {
            memory_bytes: 40 << 30,
            ..request
        },
    );
    assert!(
        matches!(greedy, Err(ControlError::Load(LoadError::Memory { .. }))),
        "{greedy:?}"
    );
    let busy = load(
        &dir,
        LoadRequest {
            sm_percent: 101,
            ..request
        },
    );
    assert!(
        matches!(busy, Err(ControlError::Percent { percent: 101 })),
        "{busy:?}"
    );
    let one = LoadSelector {
        gi: Some(3),
        ..LoadSelector::default()
    };
    assert!(clear_load(&dir, one).expect("a machine"));
    assert!(!clear_load(&dir, one).expect("a machine"), "it is gone");
    assert!(clear_load(&dir, LoadSelector::default()).expect("a machine"));
    assert!(show(&dir).expect("a machine").gpus[0].processes.is_empty());
}

#[test]
fn the_layout_is_shown_by_name_and_place() {
    let (_temp, dir) = machine("a100x1");
    cut(&dir, 9);
    let gpu = &show(&dir).expect("a machine").gpus[0];
    assert_eq!(gpu.pci, "0000:01:00.0");
    assert_eq!(gpu.mig, (true, true));
    let gi = &gpu.instances[0];
    assert_eq!(
        (gi.id, gi.profile.as_str(), gi.placement),
        (2, "3g.40gb", (4, 4))
    );
    assert_eq!(gi.compute[0].profile, "1c.3g.40gb");
    assert!(gi.compute[0].uuid.starts_with("MIG-"));
}

#[test]
fn a_policy_holds_for_what_comes_after() {
    let (_temp, dir) = machine("a100x1");
    let policy = Policy {
        mig_uuid: MigUuid::Stable,
        ampere_mode: AmpereMode::ResetRequired,
    };
    set_policy(&dir, policy).expect("a machine");
    assert_eq!(show(&dir).expect("a machine").policy, policy);
    let store = Store::new(&dir);
    let pending = store.change(|machine, now| machine.set_mig_mode(0, true, now));
    pending.expect("a writable state").expect("accepted");
    assert_eq!(show(&dir).expect("a machine").gpus[0].mig, (false, true));
    reset(&dir, 0).expect("idle");
    assert_eq!(show(&dir).expect("a machine").gpus[0].mig, (true, true));
}
