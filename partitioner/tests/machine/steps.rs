//! Steps are carried out once however often they come, and refused where the state is another.

use kerf_types::{GiId, Gpu, GpuInstance, Step};
use nvidia_ml::control::{FaultRequest, LoadRequest, fault, load};

use crate::world::{Asks, Code, World, create, fill, mig, place};

fn instance_at(gpu: &Gpu, start: u32, size: u32) -> &GpuInstance {
    let wanted = place(start, size);
    gpu.instances
        .iter()
        .find(|gi| gi.placement == wanted)
        .expect("an instance")
}

fn destroy_compute(gpu: &Gpu, gi: &GpuInstance) -> Step {
    let ci = &gi.compute[0];
    Step::DestroyComputeInstance {
        gpu: gpu.pci,
        gi: gi.id,
        ci: ci.id,
        uuid: ci.uuid.clone(),
    }
}

fn destroy(gpu: &Gpu, gi: &GpuInstance) -> Step {
    Step::DestroyGpuInstance {
        gpu: gpu.pci,
        gi: gi.id,
        profile: gi.profile,
        placement: gi.placement,
    }
}

#[test]
fn every_step_twice_is_the_same_as_once() {
    let world = World::new("h100x1");
    let mut worker = world.worker();
    let pci = worker.gpu(0).pci;
    let mut before = worker.gpu(0);
    for step in [
        mig(pci, true),
        create(pci, 9, 0, 4),
        fill(pci, 0, 4, 2),
        create(pci, 15, 6, 2),
    ] {
        let once = worker.step(&step);
        assert_ne!(once, before, "{step}");
        let twice = worker.step(&step);
        assert_eq!(once, twice, "{step}");
        before = once;
    }
    let gpu = worker.gpu(0);
    let large = instance_at(&gpu, 0, 4);
    let small = instance_at(&gpu, 6, 2);
    let steps = [
        destroy_compute(&gpu, large),
        destroy(&gpu, large),
        destroy(&gpu, small),
        mig(pci, false),
    ];
    for step in &steps {
        let once = worker.step(step);
        assert_ne!(once, before, "{step}");
        let twice = worker.step(step);
        assert_eq!(once, twice, "{step}");
        before = once;
    }
    // After MIG is off, what is to be destroyed is gone as well.
    for step in &steps {
        assert_eq!(worker.step(step), before, "{step}");
    }
}

#[test]
fn every_profile_goes_to_every_place_that_the_driver_names() {
    let world = World::new("a100x1");
    let mut worker = world.worker();
    let gpu = worker.gpu(0);
    let on = Step::SetMigMode {
        gpu: gpu.pci,
        enabled: true,
        allow_reset: true,
    };
    let gpu = worker.step(&on);
    for profile in &gpu.profiles {
        for &placement in &profile.placements {
            let (start, size) = (placement.start.into(), placement.size.into());
            let full = profile.full_compute_profile.expect("a filling profile");
            worker.step(&create(gpu.pci, profile.id.0, start, size));
            let now = worker.step(&fill(gpu.pci, start, size, full.0));
            let made = instance_at(&now, start, size);
            assert_eq!((made.profile, made.compute.len()), (profile.id, 1));
            worker.step(&destroy_compute(&now, made));
            let now = worker.step(&destroy(&now, made));
            assert_eq!(now.instances, [], "{} at {placement}", profile.name);
        }
    }
}

#[test]
fn what_cannot_lie_there_is_refused() {
    let world = World::new("h100x1");
    let mut worker = world.worker();
    let pci = worker.gpu(0).pci;
    assert_eq!(
        worker.refused(&create(pci, 19, 0, 1)).0,
        Code::Conflict,
        "MIG is off"
    );
    worker.step(&mig(pci, true));
    assert_eq!(
        worker.refused(&create(pci, 77, 0, 1)).0,
        Code::Invalid,
        "no such profile"
    );
    assert_eq!(
        worker.refused(&create(pci, 14, 1, 2)).0,
        Code::Invalid,
        "no such place"
    );
    assert_eq!(
        worker.refused(&create(pci, 19, 0, 2)).0,
        Code::Invalid,
        "no such size"
    );
    assert_eq!(
        worker.refused(&fill(pci, 0, 1, 0)).0,
        Code::Conflict,
        "nothing lies there"
    );
    let before = worker.step(&create(pci, 14, 2, 2));
    let (code, words) = worker.refused(&create(pci, 9, 0, 4));
    assert_eq!(code, Code::NoRoom);
    assert!(words.contains("(profile 14 at 2:2) lies there"), "{words}");
    let (code, words) = worker.refused(&create(pci, 15, 2, 2));
    assert_eq!(code, Code::NoRoom, "same place, other profile: {words}");
    assert_eq!(
        worker.refused(&fill(pci, 2, 2, 0)).0,
        Code::Invalid,
        "does not fill it"
    );
    worker.step(&create(pci, 20, 0, 1));
    assert_eq!(
        worker.refused(&create(pci, 20, 1, 1)).0,
        Code::NoRoom,
        "only one with media engines"
    );
    let elsewhere = create("0000:77:00.0".parse().expect("an address"), 19, 0, 1);
    assert_eq!(worker.refused(&elsewhere).0, Code::NotFound);
    assert_eq!(before.instances.len() + 1, worker.gpu(0).instances.len());
}

#[test]
fn a_compute_profile_that_the_plan_could_not_know_still_fills() {
    let world = World::new("h100x1");
    let mut worker = world.worker();
    let pci = worker.gpu(0).pci;
    worker.step(&mig(pci, true));
    worker.step(&create(pci, 20, 0, 1));
    // A driver may number the compute instance with media engines 7; this one has it under 0.
    let gpu = worker.step(&fill(pci, 0, 1, 7));
    assert_eq!(instance_at(&gpu, 0, 1).compute.len(), 1);
}

#[test]
fn only_the_named_life_is_destroyed() {
    let world = World::new("h100x1");
    let mut worker = world.worker();
    let pci = worker.gpu(0).pci;
    for step in [mig(pci, true), create(pci, 19, 3, 1), fill(pci, 3, 1, 0)] {
        worker.step(&step);
    }
    let old = worker.gpu(0);
    let old_gi = instance_at(&old, 3, 1);
    let (end_compute, end) = (destroy_compute(&old, old_gi), destroy(&old, old_gi));
    assert_eq!(
        worker.refused(&end).0,
        Code::InUse,
        "a compute instance is in it"
    );
    worker.step(&end_compute);
    worker.step(&end);
    // Somebody makes it anew: the ids are the same, the life is another.
    worker.step(&create(pci, 19, 3, 1));
    let new = worker.step(&fill(pci, 3, 1, 0));
    let new_gi = instance_at(&new, 3, 1);
    assert_eq!(new_gi.id, old_gi.id);
    assert_ne!(new_gi.compute[0].uuid, old_gi.compute[0].uuid);
    let (code, words) = worker.refused(&end_compute);
    assert_eq!(code, Code::Conflict);
    assert!(words.contains(new_gi.compute[0].uuid.as_str()), "{words}");
    let wrong = |gi, profile, placement| Step::DestroyGpuInstance {
        gpu: pci,
        gi,
        profile,
        placement,
    };
    let other_profile = wrong(new_gi.id, kerf_types::ProfileId(20), new_gi.placement);
    assert_eq!(worker.refused(&other_profile).0, Code::Conflict);
    let other_place = wrong(new_gi.id, new_gi.profile, place(4, 1));
    assert_eq!(worker.refused(&other_place).0, Code::Conflict);
    let other_id = wrong(GiId(12), new_gi.profile, new_gi.placement);
    assert_eq!(
        worker.refused(&other_id).0,
        Code::Conflict,
        "another instance lies at the place"
    );
    assert_eq!(worker.gpu(0), new);
}

#[test]
fn processes_keep_their_slice_and_are_named() {
    let world = World::new("h100x1");
    let mut worker = world.worker();
    let pci = worker.gpu(0).pci;
    for step in [
        mig(pci, true),
        create(pci, 9, 0, 4),
        fill(pci, 0, 4, 2),
        create(pci, 9, 4, 4),
        fill(pci, 4, 4, 2),
    ] {
        worker.step(&step);
    }
    let gpu = worker.gpu(0);
    let (busy, idle) = (instance_at(&gpu, 0, 4), instance_at(&gpu, 4, 4));
    let pid = std::process::id();
    let request = LoadRequest {
        gpu: 0,
        gi: Some(busy.id.0),
        ci: None,
        sm_percent: 50,
        memory_bytes: 1 << 30,
        pid,
    };
    load(&world.info.dir, request).expect("a process");
    let seen = worker.gpu(0).processes;
    let [process] = seen.as_slice() else {
        panic!("{seen:?}")
    };
    assert_eq!(
        (process.pid, process.gi, process.ci),
        (pid, Some(busy.id), Some(busy.compute[0].id))
    );
    let (code, words) = worker.refused(&destroy_compute(&gpu, busy));
    assert_eq!(code, Code::InUse);
    assert!(words.contains(&format!("process {pid}")), "{words}");
    let (code, words) = worker.refused(&mig(pci, false));
    assert_eq!(code, Code::InUse, "{words}");
    worker.step(&destroy_compute(&gpu, idle));
    let left = worker.step(&destroy(&gpu, idle));
    assert_eq!(instance_at(&left, 0, 4), busy, "the neighbour is as it was");
}

#[test]
fn a_destroy_that_the_driver_refuses_is_read_back() {
    let world = World::new("h100x1");
    let mut worker = world.worker();
    let pci = worker.gpu(0).pci;
    for step in [mig(pci, true), create(pci, 19, 3, 1), fill(pci, 3, 1, 0)] {
        worker.step(&step);
    }
    let whole = worker.gpu(0);
    let gi = instance_at(&whole, 3, 1);
    let (end_compute, end) = (destroy_compute(&whole, gi), destroy(&whole, gi));
    let refuse = |function: &str| FaultRequest::Refuse {
        function: function.to_owned(),
        code: 2,
    };
    let raise = |request| fault(&world.info.dir, request).expect("a machine");
    // The driver answers as it does to the handle of an instance that is gone, yet it is there.
    raise(refuse("nvmlComputeInstanceDestroy"));
    let (code, words) = worker.refused(&end_compute);
    assert_eq!(code, Code::Invalid, "{words}");
    assert!(
        words.contains("nvmlComputeInstanceDestroy: invalid argument"),
        "{words}"
    );
    raise(FaultRequest::DriverClear);
    worker.step(&end_compute);
    raise(refuse("nvmlGpuInstanceDestroy"));
    let (code, words) = worker.refused(&end);
    assert_eq!(code, Code::Invalid, "{words}");
    assert!(
        words.contains("nvmlGpuInstanceDestroy: invalid argument"),
        "{words}"
    );
    raise(FaultRequest::DriverClear);
    assert_eq!(worker.step(&end).instances, []);
}
