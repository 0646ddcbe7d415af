//! Writes for a vGPU that the kernel refuses, once and for ever: what was asked for is whole or was never there, and
//! what shall go stays whole until it goes.

use kerf_agent::errors::chain;
use nvidia_ml::kernel::Errno;
use nvidia_ml::kernel::state::FaultKind;

use super::carry_out;
use super::picture::Picture;
use super::scenes::{KEEP, create};
use super::world::World;

/// Looks during which a refusal that goes on must not change anything.
const LOOKS: u32 = 4;

#[test]
fn a_vgpu_whose_write_is_refused_is_whole_or_not_there() {
    let world = World::new("h200x8");
    let half = create("H200X-70C");
    let there = || Picture::take(&world.lane).vgpus.len();
    world.live(async |host| {
        for errno in [Errno::EBUSY, Errno::EINVAL, Errno::EIO, Errno::EPERM] {
            for times in [Some(1), None] {
                world.set_fault(FaultKind::Fail(errno), times);
                let error = chain(&carry_out(host, half).await.expect_err("refused"));
                let names = |error: &str| {
                    // A driver answers the other three where a virtual machine has the function.
                    let is_busy = errno != Errno::EINVAL && error.contains("in use by");
                    // Where the type was refused the types are read again, and that one is not offered.
                    let is_refused = error.contains("cannot be made");
                    let is_told = error.contains("current_vgpu_type") || is_busy || is_refused;
                    error.contains("0000:") && is_told
                };
                assert!(names(&error), "{error}");
                for _ in 0..LOOKS {
                    host.refresh().await;
                }
                assert_eq!((there(), world.states().len()), (0, 0), "{error}");
                world.clear_faults();
                let made = carry_out(host, half).await;
                made.unwrap_or_else(|error| panic!("after {errno} {times:?}: {}", chain(&error)));
                world.set_fault(FaultKind::Fail(errno), times);
                let error = chain(&carry_out(host, KEEP).await.expect_err("refused"));
                assert!(names(&error), "{error}");
                for _ in 0..LOOKS {
                    host.refresh().await;
                    assert_eq!((there(), world.states().len()), (1, 1), "{error}");
                }
                world.clear_faults();
                world.until(host, &["made"]).await;
                carry_out(host, KEEP).await.expect("nothing is in the way");
                assert_eq!((there(), world.states().len()), (0, 0));
            }
        }
    });
    let outcomes = world.history().into_iter();
    let outcomes: Vec<_> = outcomes.map(|entry| entry["outcome"].clone()).collect();
    // Four errors, once and for ever, of a create and of a delete.
    assert_eq!(outcomes, ["failed", "done"].repeat(16));
}
