//! The raw calls against the simulated driver's C ABI, and against the wrapper whose answers they replace.

use super::device::{LinkEnd, link_end};
use super::gpu_instance::{create_instance, instance, instances, placements};
use super::profile::{Form, ask, instance_profiles};
use super::{NvmlError, symbol};
use crate::nvml::tests::simulated as machine;
use kerf_types::Placement;
use nvml_wrapper::{Device, Nvml};

fn first(nvml: &Nvml) -> Device<'_> {
    nvml.device_by_index(0).expect("a GPU")
}

#[test]
fn every_form_of_the_question_gives_the_same_profile() {
    for name in ["h100x1", "a100x1"] {
        let (_folder, nvml) = machine(name);
        let device = first(&nvml);
        device.set_mig_mode(true).expect("MIG on");
        let profiles = instance_profiles(&device).expect("profiles");
        assert_eq!(profiles.len(), 7, "{name}");
        for newest in profiles {
            let asked = |form| ask(&device, newest.enumerator, form).expect("an answer");
            assert_eq!(asked(Form::V3), newest);
            assert_eq!(asked(Form::V2), newest);
            let oldest = asked(Form::V1);
            assert_eq!(oldest.name, None, "the first form has no name");
            assert_eq!(
                super::InstanceProfile {
                    name: newest.name.clone(),
                    ..oldest
                },
                newest
            );
        }
    }
}

/// The tables of NVIDIA's MIG user guide and of `nvidia-smi mig -lgipp` dumps of A100 and H100.
#[test]
fn places_equal_the_vendors_tables() {
    let table: [(u32, &[u8], u8); 7] = [
        (19, &[0, 1, 2, 3, 4, 5, 6], 1),
        (20, &[0, 1, 2, 3, 4, 5, 6], 1),
        (15, &[0, 2, 4, 6], 2),
        (14, &[0, 2, 4], 2),
        (9, &[0, 4], 4),
        (5, &[0], 4),
        (0, &[0], 8),
    ];
    for name in ["h100x1", "a100x1"] {
        let (_folder, nvml) = machine(name);
        let device = first(&nvml);
        device.set_mig_mode(true).expect("MIG on");
        for (profile, starts, size) in table {
            let mut found = placements(&device, profile).expect("places");
            found.sort_unstable();
            let expected: Vec<Placement> = starts
                .iter()
                .map(|&start| Placement { start, size })
                .collect();
            assert_eq!(found, expected, "profile {profile} of {name}");
        }
        assert!(placements(&device, 77).is_err(), "no such profile");
    }
}

/// Why this module exists. Should these fail, the wrapper was mended and the raw calls may go.
#[test]
fn the_wrapper_still_answers_wrongly() {
    let (_folder, nvml) = machine("h100x8");
    let device = first(&nvml);
    let link = device.link_wrapper_for(0);
    let wrapped = link.remote_device_type(0).expect("an answer");
    assert_eq!(format!("{wrapped:?}"), "Unknown");
    let raw = link_end(&device, 0).expect("an answer");
    assert_eq!(raw, LinkEnd::Switch);
    device.set_mig_mode(true).expect("MIG on");
    let places = device.possible_placements(19).expect("an answer");
    assert_eq!(places.len(), 0);
}

#[test]
fn handles_lead_to_what_was_made() {
    let (_folder, nvml) = machine("h100x1");
    let device = first(&nvml);
    device.set_mig_mode(true).expect("MIG on");
    let place = Placement { start: 4, size: 4 };
    let made = create_instance(&device, 9, place).expect("an instance");
    let info = made.info().expect("its facts");
    assert_eq!((info.profile, info.placement), (9, place));
    assert_eq!(instances(&device, 9, 2).expect("a list").len(), 1);
    assert_eq!(instances(&device, 19, 7).expect("a list").len(), 0);
    assert!(matches!(
        instances(&device, 19, 1_000),
        Err(NvmlError::Count { .. })
    ));
    assert!(instance(&device, 99).expect("an answer").is_none());

    let sizes: Vec<u32> = made
        .compute_profiles()
        .expect("profiles")
        .iter()
        .map(|profile| profile.slices)
        .collect();
    assert_eq!(sizes, [1, 2, 3]);
    let compute = made.create_compute(2).expect("a compute instance");
    let info = compute.info().expect("its facts");
    assert!(info.mig_device.uuid().expect("a UUID").starts_with("MIG-"));
    assert!(made.compute_instance(info.id).expect("an answer").is_some());
    assert!(made.compute_instance(5).expect("an answer").is_none());
    compute.destroy().expect("gone");
    let again = instance(&device, 2).expect("an answer").expect("listed");
    made.destroy().expect("gone");
    let faster = [again.info().map(drop), again.compute_profiles().map(drop)];
    for answer in faster.into_iter().chain([again.destroy()]) {
        let error = answer.expect_err("its instance is gone");
        assert!(error.refuses_handle(), "{error}");
    }
    assert_eq!(instances(&device, 9, 2).expect("a list").len(), 0);
}

#[test]
fn a_function_that_the_library_lacks_is_named() {
    let absent: Result<fn(), ()> = Err(());
    let error = symbol(&absent, "nvmlFromTheFuture").expect_err("absent");
    assert_eq!(
        error.to_string(),
        "the driver library has no function nvmlFromTheFuture"
    );
    assert_eq!(error.code(), None);
}
