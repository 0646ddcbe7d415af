//! The requests of `kerf sim`, each against the changed state.

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::machine::{CreateOptions, create};
use crate::model::events;
use crate::model::gpu::Fault;
use crate::model::machine::{AmpereMode, MigUuid};
use crate::model::mig::InstanceRef;
use crate::model::mischief::{Delay, Mischief};
use crate::model::product::MemoryFigures;

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
        ..Policy::default()
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

#[test]
fn what_goes_wrong_is_shown_and_cleared() {
    let (_temp, dir) = machine("h100x1");
    let misbehave = |function: &str, how, times| FaultRequest::Misbehave {
        function: function.to_owned(),
        how,
        times,
    };
    let delay = |us, under_load| Delay { us, under_load };
    let requests = [
        misbehave("nvmlGpuInstanceDestroy", Mischief::Answer(19), Some(1)),
        misbehave("nvmlDeviceSetMigMode", Mischief::Late(999), Some(2)),
        misbehave("nvmlDeviceCreateGpuInstance", Mischief::Forget, None),
        FaultRequest::Delay {
            function: None,
            delay: delay(500, false),
        },
        FaultRequest::Delay {
            function: Some("nvmlDeviceGetUUID".to_owned()),
            delay: delay(7, false),
        },
        FaultRequest::SlowWalk,
    ];
    for request in requests {
        fault(&dir, request).expect("a driver");
    }
    let undone = FaultRequest::Delay {
        function: Some("nvmlDeviceGetUUID".to_owned()),
        delay: delay(0, false),
    };
    fault(&dir, undone).expect("a driver");
    assert_eq!(
        show(&dir).expect("a machine").misbehaviours,
        [
            "nvmlGpuInstanceDestroy answers 19, once more",
            "nvmlDeviceSetMigMode works and answers 999, 2 times more",
            "nvmlDeviceCreateGpuInstance answers success and changes nothing",
            "every call takes 500 us",
            "nvmlDeviceGetMigDeviceHandleByIndex takes 1430000 us under load",
        ]
    );
    let state = Store::new(&dir).read().expect("a state");
    assert_eq!(state.delay_us("nvmlDeviceGetMigDeviceHandleByIndex"), 500);
    load(
        &dir,
        LoadRequest {
            gpu: 0,
            gi: None,
            ci: None,
            sm_percent: 1,
            memory_bytes: 0,
            pid: u32::MAX,
        },
    )
    .expect("it fits");
    let state = Store::new(&dir).read().expect("a state");
    assert_eq!(
        state.delay_us("nvmlDeviceGetMigDeviceHandleByIndex"),
        1_430_500
    );
    fault(&dir, FaultRequest::OldDriver).expect("a driver");
    let shown = show(&dir).expect("a machine");
    assert_eq!(shown.refusals.get("nvmlGpmMigSampleGet"), Some(&13));
    fault(&dir, FaultRequest::DriverClear).expect("a driver");
    let shown = show(&dir).expect("a machine");
    assert!(shown.misbehaviours.is_empty() && shown.refusals.is_empty());
}

#[test]
fn what_holds_the_gpus_is_seen_and_keeps_them_from_a_reset() {
    let (_temp, dir) = machine("a100x1");
    let modules = || fs::read_to_string(dir.join("root/proc/modules")).expect("modules");
    let daemon = dir.join("root/run/nvidia-persistenced/nvidia-persistenced.pid");
    let drm = dir.join("root/sys/module/nvidia_drm/initstate");
    let before = modules();
    for (persistence_daemon, drm_module) in [(true, false), (false, true)] {
        let policy = Policy {
            persistence_daemon,
            drm_module,
            ..Policy::default()
        };
        set_policy(&dir, policy).expect("a machine");
        assert_eq!(
            (daemon.exists(), drm.exists()),
            (persistence_daemon, drm_module)
        );
        assert_eq!(modules().contains("nvidia_drm 131072 0"), drm_module);
        let refused = reset(&dir, 0);
        assert!(matches!(refused, Err(ControlError::Driver(Status::InUse))));
        let refused = reload(&dir);
        assert!(matches!(refused, Err(ControlError::Driver(Status::InUse))));
    }
    set_policy(&dir, Policy::default()).expect("a machine");
    assert_eq!(
        (daemon.exists(), drm.exists(), modules()),
        (false, false, before)
    );
    reset(&dir, 0).expect("nothing holds it");
}

#[test]
fn a_loaded_driver_remembers_mig_mode_on_ampere_only() {
    for (name, remembers) in [("a100x1", true), ("h100x1", false), ("b200x8", false)] {
        let (_temp, dir) = machine(name);
        cut(&dir, 9);
        reload(&dir).expect("idle");
        let gpu = &show(&dir).expect("a machine").gpus[0];
        assert_eq!(gpu.mig, (remembers, remembers), "{name}");
        assert!(gpu.instances.is_empty(), "{name}");
    }
}

#[test]
fn an_xid_of_an_instance_names_its_compute_instance() {
    let (_temp, dir) = machine("h100x1");
    cut(&dir, 9);
    let xid = FaultRequest::Xid {
        gpu: 0,
        number: 31,
        gi: Some(2),
    };
    fault(&dir, xid).expect("a GPU");
    let state = Store::new(&dir).read().expect("a state");
    let last = state.events.back().expect("an event");
    assert_eq!((last.data, last.gi, last.ci), (31, Some(2), Some(0)));
}

#[test]
fn sizes_of_memory_are_the_drivers() {
    let (_temp, dir) = machine("a100-40x8");
    cut(&dir, 9);
    cut(&dir, 9);
    let sizes = |memory| {
        let policy = Policy {
            memory,
            ..Policy::default()
        };
        set_policy(&dir, policy).expect("a machine");
        let state = Store::new(&dir).read().expect("a state");
        let product = state.product().expect("a product");
        let gpu = &state.gpus[0];
        let each = gpu.instances.iter().map(|gi| {
            let memory = gpu.gi_memory(product, gi, state.policy.memory);
            (gi.start, memory.total >> 20)
        });
        each.collect::<Vec<_>>()
    };
    assert_eq!(sizes(MemoryFigures::Listed), [(4, 19_968), (0, 19_968)]);
    assert_eq!(sizes(MemoryFigures::Other), [(4, 20_096), (0, 20_096)]);
    assert_eq!(sizes(MemoryFigures::Uneven), [(4, 20_096), (0, 20_224)]);
}

#[test]
fn a_refusal_replaces_the_one_before_and_comes_first() {
    let (_temp, dir) = machine("h100x1");
    let function = || "nvmlDeviceGetUUID".to_owned();
    let refuse = |code| FaultRequest::Refuse {
        function: function(),
        code,
    };
    let once = FaultRequest::Misbehave {
        function: function(),
        how: Mischief::Answer(19),
        times: Some(1),
    };
    for request in [once, refuse(3), refuse(4)] {
        fault(&dir, request).expect("a driver");
    }
    let shown = show(&dir).expect("a machine");
    assert_eq!(shown.refusals, [(function(), 4)].into());
    assert_eq!(shown.misbehaviours.len(), 1);
    let mut state = Machine::clone(&Store::new(&dir).read().expect("a state"));
    let twice = [(); 2].map(|()| state.take_mischief(&function()));
    assert_eq!(twice, [Some(Mischief::Answer(4)); 2], "without end");
}
