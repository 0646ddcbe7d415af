//! Virtual functions that cannot go off when they should: told, and done after a restart.

use kerf_agent::host::HostHandle;
use nvidia_ml::kernel::Errno;
use nvidia_ml::kernel::state::FaultKind;

use super::carry_out;
use super::picture::Picture;
use super::scenes::{Ask, KEEP, create};
use super::world::World;
use crate::script::{self, Op, Runtime};

const H200: &str = "h200x8";

const WITH_FUNCTIONS: Ask = Ask::Delete {
    disable_sriov: true,
};

/// GPU 0 cut into these slices.
pub fn layout(slices: &str) -> Op {
    Op::Apply {
        layout: format!(r#"{{"rules":[{{"gpus":[0],"mig":true,"slices":{{{slices}}}}}]}}"#),
        allow_reset: true,
    }
}

/// Cuts it.
pub async fn cut(host: &HostHandle, runtime: &Runtime, slices: &str) {
    let done = script::carry_out(host, runtime, &layout(slices)).await;
    done.expect("nobody uses it");
}

#[test]
fn functions_of_a_refused_vgpu_stay_with_a_mig_layout_and_go_after_it() {
    let world = World::new(H200);
    let functions = || Picture::take(&world.lane).functions();
    world.write("sriov_numvfs", "0");
    let runtime = Runtime::start();
    world.live(async |host| {
        cut(host, &runtime, r#""1g.18gb":2"#).await;
        let error = carry_out(host, create("NOPE")).await.expect_err("no type");
        let text = error.to_string();
        assert!(text.contains("no vGPU was made"), "{text}");
        assert!(text.contains("MIG layout would be gone"), "{text}");
        assert!(error.hint().contains("kerf turns them off"));
        assert_eq!(functions(), 16);
    });
    // A restart forgets neither them nor the layout.
    world.live(async |host| {
        let view = host.view();
        let entry = view.degraded.get("interrupted work").expect("an entry");
        assert!(entry.why.contains("stay on"), "{}", entry.why);
        assert_eq!(functions(), 16);
        assert_eq!(view.slices.len(), 2);
        cut(host, &runtime, "").await;
    });
    world.live(async |host| {
        assert_eq!(functions(), 0);
        assert!(host.view().degraded.is_empty());
    });
}

#[test]
fn functions_of_a_refused_vgpu_stay_once_somebody_uses_them() {
    let world = World::new(H200);
    let functions = || Picture::take(&world.lane).functions();
    world.write("sriov_numvfs", "0");
    let runtime = Runtime::start();
    world.live(async |host| {
        cut(host, &runtime, r#""1g.18gb":2"#).await;
        carry_out(host, create("NOPE")).await.expect_err("no type");
        carry_out(host, create("H200X-1-18C")).await.expect("room");
        carry_out(host, KEEP).await.expect("it goes");
        cut(host, &runtime, "").await;
    });
    world.live(async |host| {
        assert!(host.view().degraded.is_empty());
        assert_eq!(functions(), 16, "what was granted keeps them");
    });
}

#[test]
fn functions_that_do_not_go_with_the_vgpu_go_later() {
    let world = World::new(H200);
    let functions = || Picture::take(&world.lane).functions();
    world.live(async |host| {
        carry_out(host, create("H200X-70C")).await.expect("room");
        world.set_fault_on("sriov_numvfs", FaultKind::Fail(Errno::EBUSY), None);
        let error = carry_out(host, WITH_FUNCTIONS).await.expect_err("busy");
        let text = error.to_string();
        assert!(text.contains("the vGPU is gone"), "{text}");
        assert_eq!(world.states(), [""; 0]);
        assert_eq!(functions(), 2);
        assert!(host.view().degraded.contains_key("interrupted work"));
    });
    world.clear_faults();
    world.live(async |host| {
        assert_eq!(functions(), 0);
        assert!(host.view().degraded.is_empty());
    });
}

#[test]
fn a_vgpu_that_stays_keeps_its_functions() {
    let world = World::new(H200);
    let functions = || Picture::take(&world.lane).functions();
    world.live(async |host| {
        carry_out(host, create("H200X-70C")).await.expect("room");
        world.set_fault(FaultKind::Fail(Errno::EBUSY), None);
        let error = carry_out(host, WITH_FUNCTIONS).await.expect_err("in use");
        assert!(!error.to_string().contains("gone"), "{error}");
        world.clear_faults();
    });
    world.live(async |host| {
        assert!(host.view().degraded.is_empty());
        assert_eq!(world.states(), ["made"]);
        carry_out(host, KEEP).await.expect("it goes");
    });
    world.live(async |_| {});
    assert_eq!(functions(), 2, "no intent is left over");
}
