//! Writes of which nobody knows at once what came of them: the record stays, and what the function shows decides.

use kerf_agent::host::HostError;
use nvidia_ml::kernel::Errno;
use nvidia_ml::kernel::state::FaultKind;

use super::carry_out;
use super::picture::Picture;
use super::scenes::{Ask, KEEP, create};
use super::world::World;

const HALF: Ask = create("H200X-70C");

#[test]
fn a_write_that_is_late_ends_no_record() {
    let world = World::new("h200x8");
    world.live(async |host| {
        for (ask, before, after) in [(HALF, "making", vec!["made"]), (KEEP, "unmaking", vec![])] {
            world.set_fault(FaultKind::Hang, Some(1));
            let error = carry_out(host, ask).await.expect_err("it hangs");
            assert!(error.to_string().contains("hardware call"), "{error}");
            for _ in 0..4 {
                host.refresh().await;
                assert_eq!(world.states(), [before]);
            }
            world.clear_faults();
            world.until(host, &after).await;
        }
    });
    assert!(Picture::take(&world.lane).vgpus.is_empty());
}

#[test]
fn a_write_that_is_done_and_said_to_have_failed_ends_no_record() {
    let world = World::new("h200x8");
    world.live(async |host| {
        // The write does its work and says EIO, and taking it back is refused.
        world.set_fault(FaultKind::FailDone(Errno::EIO), Some(1));
        world.set_fault(FaultKind::Fail(Errno::EIO), None);
        let error = carry_out(host, HALF).await.expect_err("it failed");
        assert!(matches!(error, HostError::Hardware(_)), "{error:?}");
        assert_eq!(Picture::take(&world.lane).vgpus.len(), 1);
        world.until(host, &["made"]).await;
        world.clear_faults();
        carry_out(host, KEEP).await.expect("it is ours");
        assert_eq!(world.states(), [""; 0]);
        // Where it could be taken back there is neither.
        world.set_fault(FaultKind::FailDone(Errno::EIO), Some(1));
        carry_out(host, HALF).await.expect_err("it failed");
        assert_eq!(world.states(), [""; 0]);
    });
    assert!(Picture::take(&world.lane).vgpus.is_empty());
}
