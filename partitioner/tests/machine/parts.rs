//! Several compute instances in one GPU instance: each made, found and destroyed by its own place.

use kerf_types::{ComputeInstance, Gpu, MigUuid, PciAddress, Placement, ProfileId, Step, compute};

use crate::world::{Asks, Code, World, create, fill, mig, place};

fn part(gpu: PciAddress, gi: Placement, profile: u32, part: Placement) -> Step {
    Step::CreateComputeInstance {
        gpu,
        placement: gi,
        profile: ProfileId(profile),
        compute: Some(part),
    }
}

fn end(gpu: &Gpu, part: &ComputeInstance) -> Step {
    Step::DestroyComputeInstance {
        gpu: gpu.pci,
        gi: gpu.instances[0].id,
        ci: part.id,
        uuid: part.uuid.clone(),
    }
}

fn lives(gpu: &Gpu) -> Vec<(Option<Placement>, MigUuid)> {
    let parts = gpu.instances[0].compute.iter();
    let mut lives: Vec<_> = parts.map(|one| (one.placement, one.uuid.clone())).collect();
    lives.sort();
    lives
}

#[test]
fn three_parts_of_one_instance_come_and_go_alone() {
    let world = World::new("h100x1");
    let mut worker = world.worker();
    let pci = worker.gpu(0).pci;
    let whole = place(4, 4);
    worker.step(&mig(pci, true));
    let mut before = worker.step(&create(pci, 9, 4, 4));
    for start in [2, 0, 1] {
        let step = part(pci, whole, 0, place(start, 1));
        let once = worker.step(&step);
        assert_ne!(once, before, "{step}");
        assert_eq!(worker.step(&step), once, "{step}");
        before = once;
    }
    let all = lives(&before);
    let places: Vec<_> = all.iter().map(|(place, _)| *place).collect();
    assert_eq!(places, [0, 1, 2].map(|start| Some(place(start, 1))));
    let parts = &before.instances[0].compute;
    let mut minors: Vec<_> = parts.iter().map(|one| one.capability_minor).collect();
    minors.dedup();
    assert!(
        minors.len() == 3 && minors.iter().all(Option::is_some),
        "{minors:?}"
    );

    let middle = parts.iter().find(|one| one.placement == Some(place(1, 1)));
    let gone = end(&before, middle.expect("it was made"));
    let left = worker.step(&gone);
    assert_eq!(worker.step(&gone), left);
    let siblings = [all[0].clone(), all[2].clone()];
    assert_eq!(lives(&left), siblings);

    // No run of two is free, and the instance that would fill it finds parts there.
    let (code, message) = worker.refused(&part(pci, whole, 1, place(0, 2)));
    assert_eq!(code, Code::NoRoom, "{message}");
    let (code, message) = worker.refused(&fill(pci, 4, 4, 2));
    assert_eq!(code, Code::NoRoom, "{message}");

    let again = worker.step(&part(pci, whole, 0, place(1, 1)));
    let again = lives(&again);
    assert_eq!(
        [again[0].clone(), again[2].clone()],
        siblings,
        "untouched by the re-cut"
    );
}

#[test]
fn what_is_no_part_is_refused_by_the_drivers_own_list() {
    let world = World::new("h100x1");
    let mut worker = world.worker();
    let pci = worker.gpu(0).pci;
    let whole = place(0, 4);
    worker.step(&mig(pci, true));
    let step = part(pci, whole, 0, place(0, 1));
    assert_eq!(worker.refused(&step).0, Code::Conflict, "no GPU instance");
    let before = worker.step(&create(pci, 9, 0, 4));
    for (profile, place) in [(0, place(3, 1)), (1, place(1, 2)), (77, place(0, 4))] {
        let (code, message) = worker.refused(&part(pci, whole, profile, place));
        assert_eq!(code, Code::Invalid, "{message}");
    }
    let (_, message) = worker.refused(&part(pci, whole, 1, place(1, 2)));
    assert!(message.contains("the driver names 0:2"), "{message}");
    assert_eq!(worker.gpu(0), before);
}

/// The one rule that stands in our code must be what a driver says, for every profile of the families that it
/// speaks of; and every part goes to every place of it.
#[test]
fn what_is_assumed_of_parts_is_what_the_driver_tells() {
    for machine in ["a100x1", "h100x1"] {
        let world = World::new(machine);
        let mut worker = world.worker();
        let gpu = worker.gpu(0);
        let pci = gpu.pci;
        let gpu = worker.step(&Step::SetMigMode {
            gpu: pci,
            enabled: true,
            allow_reset: true,
        });
        for profile in &gpu.profiles {
            assert_eq!(profile.compute, [], "nothing lives to ask");
            let whole = profile.placements[0];
            let made = create(pci, profile.id.0, whole.start.into(), whole.size.into());
            let now = worker.step(&made);
            let told = now.profile(profile.id).expect("it has it").parts();
            let known = |one: &kerf_types::ComputeProfile| {
                (one.id, one.slices, one.max_count, one.placements.clone())
            };
            let assumed = compute::assumed(profile.slices);
            assert_eq!(
                told.iter().map(known).collect::<Vec<_>>(),
                assumed.iter().map(known).collect::<Vec<_>>(),
                "{machine} {}",
                profile.name
            );
            for one in &told {
                assert!(one.sm_count.is_some_and(|count| count > 0));
                for at in &one.placements {
                    let now = worker.step(&part(pci, whole, one.id.0, *at));
                    let made = &now.instances[0].compute[0];
                    assert_eq!((made.placement, made.profile), (Some(*at), one.id));
                    worker.step(&end(&now, made));
                }
            }
            let gi = &now.instances[0];
            worker.step(&Step::DestroyGpuInstance {
                gpu: pci,
                gi: gi.id,
                profile: gi.profile,
                placement: gi.placement,
            });
        }
    }
}
