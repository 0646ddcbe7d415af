//! A kerfd that starts while a worker of the one before it still hangs in a write: what the function shows says nothing
//! until that worker has ended, since the write may still come.

use std::process::{Child, Command};
use std::sync::Arc;
use std::time::Duration;

use kerf_agent::host::vgpu::VgpuRefusal;
use kerf_agent::host::{HostError, HostHandle};
use kerf_agent::process;

use super::carry_out;
use super::picture::Picture;
use super::scenes::{KEEP, create};
use super::world::World;
use crate::course::at_rest;
use crate::image::Image;
use crate::life::{Alive, Passed, Point};

/// How long a start waits for workers of an earlier kerfd.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often a kill may miss its point.
const TRIES: usize = 20;

/// Looks by which nothing must have changed.
const LOOKS: usize = 3;

/// A process that is written down as a worker of another kerfd.
struct Earlier(Child);

impl Earlier {
    fn of(world: &World) -> Self {
        let mut command = Command::new("sleep");
        let child = command.arg("600").spawn().expect("a process");
        let start = process::identify(child.id()).expect("it runs").start_ticks;
        let folder = world.lane.config.paths.run_dir.join("workers");
        std::fs::create_dir_all(&folder).expect("a folder");
        // A kerfd of our pid that has started at another time.
        let text = format!("{start} {} 1\n", std::process::id());
        std::fs::write(folder.join(child.id().to_string()), text).expect("a record");
        Self(child)
    }
}

impl Drop for Earlier {
    fn drop(&mut self) {
        self.0.kill().expect("ours");
        self.0.wait().expect("it ends");
    }
}

fn world() -> World {
    let mut world = World::new("h200x8");
    let mut config = (*world.lane.config).clone();
    config.driver.call_deadline = PATIENCE;
    world.lane.config = Arc::new(config);
    world
}

/// Asks in a life of its own, which ends at this point, and gives what was passed.
fn ask(
    world: &World,
    point: Option<Point>,
    work: impl AsyncFnOnce(&HostHandle) -> Result<(), HostError>,
) -> Passed {
    let (_, passed) = world.lane.live(point, false, async |alive: Alive| {
        at_rest(&alive).await;
        work(&alive.host).await
    });
    passed
}

/// Killed before the write that makes or clears a vGPU, with its record in this state. A look at everything may come in
/// between and shift the point, so it is tried again then.
fn killed_before_the_write(
    world: &World,
    state: &str,
    work: impl AsyncFn(&HostHandle) -> Result<(), HostError>,
) {
    // What a first start does is behind all of them.
    world.live(async |_| {});
    let before = Image::take(&world.lane);
    for _ in 0..TRIES {
        let passed = ask(world, None, async |host| work(host).await);
        before.put_back(&world.lane);
        let is_it = |name: &String| name == "write current_vgpu_type";
        let number = passed.calls.iter().position(is_it).expect("it is written");
        let number = u64::try_from(number).expect("a count");
        ask(world, Some(Point::Call(number)), async |host| {
            work(host).await
        });
        if world.states() == [state] {
            return;
        }
        before.put_back(&world.lane);
    }
    panic!("never {state}");
}

async fn is_in_doubt(world: &World, host: &HostHandle, states: &[&str]) {
    for _ in 0..LOOKS {
        host.refresh().await;
        assert_eq!(world.states(), states);
    }
    for asked in [create("H200X-70C"), KEEP] {
        let error = carry_out(host, asked).await.expect_err("in doubt");
        let doubted = matches!(error, HostError::Vgpu(VgpuRefusal::InDoubt { .. }));
        assert!(doubted, "{error:?}");
    }
    assert!(host.view().degraded.contains_key("earlier workers"));
    assert_eq!(world.states(), states);
}

#[test]
fn a_vgpu_that_is_made_late_is_ours() {
    let world = world();
    killed_before_the_write(&world, "making", async |host| {
        carry_out(host, create("H200X-70C")).await
    });
    let earlier = Earlier::of(&world);
    world.live(async |host| {
        is_in_doubt(&world, host, &["making"]).await;
        // Nobody else gets the GPU meanwhile.
        assert!(!host.view().vgpus.words().collect::<Vec<_>>().is_empty());
        world.write("virtfn0/nvidia/current_vgpu_type", "1201");
        drop(earlier);
        world.until(host, &["made"]).await;
        carry_out(host, KEEP).await.expect("it is ours");
    });
    assert!(Picture::take(&world.lane).vgpus.is_empty());
}

#[test]
fn a_vgpu_that_is_cleared_late_takes_no_other_with_it() {
    let world = world();
    world.live(async |host| carry_out(host, create("H200X-70C")).await.expect("room"));
    killed_before_the_write(&world, "unmaking", async |host| carry_out(host, KEEP).await);
    let earlier = Earlier::of(&world);
    world.live(async |host| {
        is_in_doubt(&world, host, &["unmaking"]).await;
        assert_eq!(Picture::take(&world.lane).vgpus.len(), 1);
        world.write("virtfn0/nvidia/current_vgpu_type", "0");
        is_in_doubt_of_none(&world, host).await;
        drop(earlier);
        world.until(host, &[]).await;
        carry_out(host, create("H200X-70C")).await.expect("room");
    });
    assert_eq!(world.states(), ["made"]);
}

/// The function is free, and still nobody's to take: the write may not have ended.
async fn is_in_doubt_of_none(world: &World, host: &HostHandle) {
    host.refresh().await;
    assert_eq!(world.states(), ["unmaking"]);
    let asked = carry_out(host, create("H200X-70C")).await;
    asked.expect_err("in doubt");
}
