//! What carries a vGPU is left alone by every plan.

use kerf_types::Sharing;
use kerf_types::layout::{GpuSelector, LayoutRule};
use kerf_types::sharing::Mps;

use super::host::{World, render, rule};
use crate::check::Violation;
use crate::host::Use;

#[test]
fn what_carries_a_vgpu_stays_and_is_not_given_up_by_name() {
    let vgpu = "vGPU 0000:10:00.4 of user 7";
    for (on, slices) in [(false, [].as_slice()), (true, &[("1g.10gb", 1)])] {
        let mut world = World::new(vec![rule(&[GpuSelector::Index(0)], on, slices)]);
        world.lease("4:4", Use::Vgpu(vgpu.to_owned()));
        let parts = world.gpu(0).instances.clone().into_iter();
        world.usage.forced = parts
            .flat_map(|one| one.compute)
            .map(|one| one.uuid)
            .collect();
        world.check_error(
            "the layout would destroy slice 0000:10:00.0-4-4 (3g.40gb), \
             which is carrying vGPU 0000:10:00.4 of user 7",
        );
    }
    let mut beside = World::new(vec![rule(
        &[GpuSelector::Index(0)],
        true,
        &[("3g.40gb", 1), ("1g.10gb", 1)],
    )]);
    beside.lease("4:4", Use::Vgpu(vgpu.to_owned()));
    let pci = beside.gpu(0).pci;
    beside.usage.vgpus.insert(pci, vgpu.to_owned());
    let plan = render(&beside.plan().expect("the other half is free"));
    assert!(
        plan.contains("= 4:4 3g.40gb carrying vGPU 0000:10:00.4 of user 7"),
        "{plan}"
    );
    assert!(plan.contains("- 0:4 3g.40gb"), "{plan}");
}

#[test]
fn a_gpu_with_vgpus_keeps_its_mode_and_the_checker_says_so_too() {
    let mut world = World::new(vec![rule(&[GpuSelector::Index(1)], true, &[])]);
    let pci = world.gpu(1).pci;
    let plan = world.plan().expect("nobody has it");
    world
        .usage
        .vgpus
        .insert(pci, "vGPU 0000:11:00.4".to_owned());
    world.check_error(
        "the layout would change GPU 1 (0000:11:00.0), which is carrying vGPU 0000:11:00.4",
    );
    let found = world.violations(&plan);
    assert_eq!(found, [(1, Violation::CarriesVgpus { step: 0 })]);
}

/// What the host's hint hangs on, whatever of the GPU was to change.
#[test]
fn a_vgpu_in_the_way_is_known_as_one() {
    let vgpu = "vGPU 0000:10:00.4 of user 7";
    let clients = Sharing::Mps(Mps {
        clients: std::num::NonZeroU32::MIN,
        threads: None,
        memory: None,
    });
    let shared = |gpu, on, slices: &[(&str, u32)]| LayoutRule {
        sharing: Some(clients),
        ..rule(&[GpuSelector::Index(gpu)], on, slices)
    };
    let about = |world: &World| {
        let error = world.refusal();
        assert!(error.is_about_vgpu(), "{error}");
        error.to_string()
    };
    let mut whole = World::new(vec![shared(1, false, &[])]);
    let pci = whole.gpu(1).pci;
    whole.usage.vgpus.insert(pci, vgpu.to_owned());
    assert_eq!(
        about(&whole),
        format!("the layout would change GPU 1 (0000:11:00.0), which is carrying {vgpu}")
    );
    let mut slice = World::new(vec![shared(0, true, &[("3g.40gb", 2)])]);
    slice.lease("4:4", Use::Vgpu(vgpu.to_owned()));
    assert_eq!(
        about(&slice),
        format!(
            "the layout would change how slice 0000:10:00.0-4-4 (3g.40gb) is shared, which is carrying {vgpu}"
        )
    );
    let mut leased = World::new(vec![rule(&[GpuSelector::Index(0)], false, &[])]);
    // A holder's own words decide nothing.
    leased.lease("4:4", Use::Leased("job carrying 4".to_owned()));
    assert!(!leased.refusal().is_about_vgpu());
}
