//! An instance that goes while it is looked at is passed over; one that is merely refused is not.

use kerf_types::Placement;

use super::*;
use crate::nvml::error::ReturnCode;
use crate::nvml::tests::simulated;

fn refused(code: ReturnCode) -> Result<(), NvmlError> {
    let call = "nvmlGpuInstanceGetInfo";
    Err(NvmlError::Call { call, code })
}

#[test]
fn a_refused_instance_is_gone_only_when_it_is_listed_no_more() {
    for code in [ReturnCode::NOT_FOUND, ReturnCode::INVALID_ARGUMENT] {
        let gone = unless_gone(refused(code), || Ok(false));
        assert!(matches!(gone, Ok(None)), "{gone:?}");
        let there = unless_gone(refused(code), || Ok(true)).expect_err("it is listed");
        assert_eq!(there.code(), Some(code));
        let unknown = unless_gone(refused(code), || Err(NvmlError::Missing { call: "nvmlX" }));
        assert!(matches!(unknown, Err(NvmlError::Missing { .. })));
    }
    let broken = unless_gone(refused(ReturnCode(999)), || Ok(false));
    assert!(
        broken.is_err(),
        "an unknown error says nothing of the instance"
    );
}

/// Two instances of profile 19 with a compute instance each, and what was listed before the first one was
/// destroyed by somebody else.
#[test]
fn what_is_destroyed_after_the_list_was_made_is_passed_over() {
    let (_folder, nvml) = simulated("h100x1");
    let device = nvml.device_by_index(0).expect("a GPU");
    device.set_mig_mode(true).expect("MIG on");
    let profiles = ffi::instance_profiles(&device).expect("profiles");
    let small = profiles.iter().find(|profile| profile.id == 19);
    let small = small.expect("1g.10gb");
    let mut ids = Vec::new();
    for start in [0, 1] {
        let place = Placement { start, size: 1 };
        let made = ffi::create_instance(&device, 19, place).expect("room");
        made.create_compute(0).expect("an empty instance");
        ids.push(made.info().expect("its facts").id);
    }
    let listed = ffi::instances(&device, 19, 7).expect("a list");
    let first = || {
        ffi::instance(&device, ids[0])
            .expect("an answer")
            .expect("listed")
    };
    let dead = first();
    let compute = dead
        .compute_instance(0)
        .expect("an answer")
        .expect("listed");
    compute.destroy().expect("idle");
    first().destroy().expect("empty");

    let mut known = ComputeProfiles::new();
    let error = walk_compute(&dead, small.slices, 19, &mut known).expect_err("it is gone");
    assert!(error.refuses_handle(), "{error}");
    assert!(known.is_empty(), "what a dead instance says is not kept");
    let found = described_of(&device, small, listed, &mut known).expect("the other one");
    let shown: Vec<_> = found
        .iter()
        .map(|instance| (instance.info.id, instance.compute.len()))
        .collect();
    assert_eq!(shown, [(ids[1], 1)]);
}
