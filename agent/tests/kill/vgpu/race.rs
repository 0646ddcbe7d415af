//! A stranger makes a vGPU while a plan takes its GPU instance away: kerf sees it before a step, or the driver refuses the
//! step, and either way the vGPU keeps its instance and the layout is what it was.

use kerf_agent::host::HostHandle;
use nvidia_ml::kernel::state::FaultKind;

use super::functions::cut;
use super::picture::Picture;
use super::world::World;
use crate::script::{Runtime, carry_out};

/// In looks at files of the kernel: a plan is through long before.
const LATEST: u32 = 400;

/// How the plan went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Met {
    Guard,
    Driver,
    Nobody,
}

/// Takes the instance away while a vGPU in it is still so many looks off.
async fn race(world: &World, host: &HostHandle, runtime: &Runtime, looks: u32) -> Met {
    let file = "virtfn0/nvidia/current_vgpu_type";
    cut(host, runtime, r#""1g.18gb":1"#).await;
    world.set_fault(FaultKind::Delay(looks), Some(1));
    world.write(file, "1205");
    let gone = carry_out(host, runtime, &super::functions::layout("")).await;
    world.clear_faults();
    let met = match gone {
        Ok(_) => Met::Nobody,
        Err(error) => {
            let text = kerf_agent::errors::chain(&error);
            match text.contains("kerf did not make") {
                true => Met::Guard,
                false => {
                    assert!(text.contains("in use"), "{text}");
                    Met::Driver
                }
            }
        }
    };
    // What was put off is due, or lost.
    while world.waits() {
        host.refresh().await;
    }
    let picture = Picture::take(&world.lane);
    let there = host.view().slices.len();
    match met {
        Met::Nobody => assert!(
            picture.vgpus.is_empty(),
            "without an instance there is none"
        ),
        Met::Guard | Met::Driver => {
            let gi: Vec<bool> = picture
                .vgpus
                .iter()
                .map(|(_, one)| one.gi.is_some())
                .collect();
            assert_eq!((gi, there), (vec![true], 1), "{met:?}");
            world.write(file, "0");
            host.refresh().await;
        }
    }
    met
}

#[test]
fn a_stranger_who_is_faster_keeps_the_instance() {
    let world = World::new("h200x8");
    let runtime = Runtime::start();
    world.live(async |host| {
        let mut met = std::collections::BTreeSet::new();
        for looks in 1..LATEST {
            met.insert(race(&world, host, &runtime, looks).await);
            if met.len() == 3 {
                return;
            }
        }
        panic!("met {met:?} alone");
    });
}
