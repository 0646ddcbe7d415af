//! A GPU or the whole driver fails: the rest goes on, `GetStatus` says what is wrong, and what comes back is
//! let in again.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use kerf_api::v1::apply_progress::Event;
use kerf_tests::world::leftovers;
use nvidia_ml::control::{FaultRequest, fault};

use super::client::{Client, layout};
use super::scrapes::{scrape_in_time, scrape_time};
use super::world::{QUICK, SAMPLED, World};

/// The longest that kerfd may take to tell how it is while the driver hangs; it takes milliseconds.
const STATUS_LIMIT: Duration = Duration::from_secs(30);

pub fn inject(world: &World, request: FaultRequest) {
    fault(&world.kerfd.machine(), request).expect("the machine takes it");
}

/// Waits until kerfd says that something with this in it is not well.
pub fn until_degraded(world: &World, words: &[&str]) {
    world.until(&format!("{words:?} in the status"), || {
        let degraded = world.client.degraded();
        degraded
            .iter()
            .any(|line| words.iter().all(|word| line.contains(word)))
    });
}

pub fn until_well(world: &World) {
    world.until("a host that is well", || world.client.degraded().is_empty());
    let status = world.client.status().expect("a status");
    assert_eq!(status.gpus_ok, status.gpus);
}

/// The health of each GPU in the metrics, by UUID.
fn healths(world: &World) -> BTreeMap<String, String> {
    let metrics = world.kerfd.metrics().expect("an answer");
    let lines = metrics.lines();
    lines
        .filter_map(|line| {
            let rest = line.strip_prefix("kerf_gpu_health{gpu_uuid=\"")?;
            let (uuid, value) = rest.split_once("\"} ")?;
            Some((uuid.to_owned(), value.to_owned()))
        })
        .collect()
}

#[test]
fn a_hung_gpu_holds_up_nobody_else() {
    let Some(world) = World::new("h100x8", QUICK) else {
        return;
    };
    world.start("before", "1g.10gb");
    let before = scrape_time(&world);
    inject(&world, FaultRequest::Hang { gpu: 3 });
    scrape_in_time(&world, before);
    until_degraded(&world, &["gpu 3 ", "does not respond"]);
    let status = world.client.status().expect("a status");
    assert_eq!((status.gpus, status.gpus_ok), (8, 7));
    // All of the other seven are cut, by layout and on demand, and launch.
    let whole = layout(&[(&["0", "1", "2", "4", "5", "6", "7"], &[("1g.10gb", 1)])]);
    world.client.apply(whole).expect("the others are cut");
    let seen: Vec<u32> = world
        .client
        .slices()
        .iter()
        .map(|slice| slice.gpu_index)
        .collect();
    for gpu in [0, 1, 2, 4, 5, 6, 7] {
        assert!(seen.contains(&gpu), "no slice on {gpu}: {seen:?}");
    }
    world.start("after", "2g.20gb");
    for number in 0..6 {
        let id = format!("whole{number}");
        world
            .client
            .lease("4g.40gb", "default", &id)
            .expect("a lease");
    }
    let named = layout(&[(&["3"], &[("1g.10gb", 1)])]);
    let refused = world.client.apply(named).expect_err("it hangs");
    assert!(refused.message().contains('3'), "{refused:?}");
    scrape_in_time(&world, before);
    let gpus = world.client.inventory().gpus;
    // 2 is a GPU that does not answer, 0 one that is well.
    let expected = gpus.iter().map(|gpu| {
        let health = if gpu.index == 3 { "2" } else { "0" };
        (gpu.uuid.clone(), health.to_owned())
    });
    let expected: BTreeMap<String, String> = expected.collect();
    assert_eq!(expected.len(), 8);
    world.until("the health of each GPU in the metrics", || {
        healths(&world) == expected
    });
    assert!(
        world.kerfd.workers().len() <= 3,
        "{:?}",
        world.kerfd.workers()
    );

    inject(&world, FaultRequest::Clear { gpu: 3 });
    until_well(&world);
    world
        .client
        .apply(layout(&[(&["3"], &[("1g.10gb", 1)])]))
        .expect("it is cut again");
    world.end("before");
    world.end("after");
    world.until("the end of two leases", || world.client.leases().len() == 6);
}

#[test]
fn a_gpu_that_hangs_in_the_middle_of_a_container_ends_its_lease_later() {
    let Some(world) = World::new("h100x1", QUICK) else {
        return;
    };
    world.start("c0", "1g.10gb");
    inject(&world, FaultRequest::Hang { gpu: 0 });
    until_degraded(&world, &["gpu 0 ", "does not respond"]);
    world.end("c0");
    world.until("the end to be noticed", || {
        world.lease().state == "releasing"
    });
    let refused = world
        .client
        .lease("1g.10gb", "default", "c1")
        .expect_err("it hangs");
    assert!(refused.message().contains("GPU 0: not well"), "{refused:?}");
    inject(&world, FaultRequest::Clear { gpu: 0 });
    world.until_no_leases();
    until_well(&world);
    world.assert_untouched();
}

#[test]
fn a_gpu_that_hangs_in_the_middle_of_an_apply_gets_its_layout_later() {
    let Some(world) = World::bare("h100x8", QUICK) else {
        return;
    };
    let whole = layout(&[(&["0", "6"], &[("1g.10gb", 7)])]);
    let none = layout(&[(&["0", "6"], &[])]);
    // The plan is told before its first step, and GPU 6 comes last in it: there are fifteen steps of time.
    let mut rounds = 0..20;
    let failed = loop {
        rounds.next().expect("a hang that meets an apply");
        let applied = world.client.apply_until(whole.clone(), |event| {
            if matches!(event, Event::Planned(_)) {
                inject(&world, FaultRequest::Hang { gpu: 6 });
            }
            ControlFlow::Continue(())
        });
        match applied {
            Err(failed) => break failed,
            // It came too late for an apply on a machine under load. Back to the start.
            Ok(()) => {
                inject(&world, FaultRequest::Clear { gpu: 6 });
                until_well(&world);
                world.client.apply(none.clone()).expect("it is applied");
            }
        }
    };
    // The step met it, or a sample before it.
    let words = ["did not return within 3000 ms", "does not respond since"];
    assert!(
        words.iter().any(|words| failed.message().contains(words)),
        "{failed:?}"
    );
    until_degraded(&world, &["gpu 6 "]);
    inject(&world, FaultRequest::Clear { gpu: 6 });
    until_well(&world);
    world.until("the rest of the layout", || world.instances().len() == 14);
    assert!(
        world
            .instances()
            .iter()
            .all(|line| line.matches(" ci ").count() == 1)
    );
    assert_eq!(world.client.apply(whole).expect("it is there"), 0);
}

#[test]
fn a_container_on_a_gpu_that_is_lost_gives_its_slice_back_when_that_returns() {
    let Some(world) = World::new("h100x1", SAMPLED) else {
        return;
    };
    world.start("c0", "1g.10gb");
    inject(&world, FaultRequest::Lost { gpu: 0 });
    until_degraded(&world, &["gpu 0 ", "lost"]);
    world.end("c0");
    world.until("the end to be noticed", || {
        world
            .client
            .leases()
            .iter()
            .all(|lease| lease.state == "releasing")
    });
    inject(&world, FaultRequest::Clear { gpu: 0 });
    world.until_no_leases();
    until_well(&world);
    world.assert_untouched();
}

#[test]
fn a_worker_that_is_killed_is_replaced() {
    let Some(world) = World::bare("h100x1", "") else {
        return;
    };
    for round in 0..3 {
        leftovers::kill_all(&world.kerfd.workers());
        let id = format!("c{round}");
        // One call may meet the end of the worker; nothing of it may stay.
        let lease = world.client.lease("1g.10gb", "default", &id);
        let lease = lease.or_else(|_| world.client.lease("1g.10gb", "default", &id));
        world
            .client
            .release(&lease.expect("a lease").id)
            .expect("it ends");
        world.assert_untouched();
    }
    assert_eq!(world.kerfd.workers().len(), 1);
    until_well(&world);
}

#[test]
fn containerd_may_die_under_running_containers() {
    let Some(mut world) = World::new("h100x1", "") else {
        return;
    };
    world.start("c0", "1g.10gb");
    let pid = world.pid("c0");
    world.until("the container to be known", || {
        world.lease().init_pid == Some(pid)
    });
    let lease = world.lease();
    world
        .containerd
        .as_mut()
        .expect("containers")
        .kill9()
        .expect("it goes");
    assert_eq!(world.lease(), lease);
    // Ended behind everybody's back: kerfd sees it by itself.
    leftovers::kill_all(&[pid]);
    world.until_no_leases();
    world.assert_untouched();
    world
        .containerd
        .as_mut()
        .expect("containers")
        .restart()
        .expect("it comes back");
    world.start("c1", "1g.10gb");
}

#[test]
fn a_wholly_hung_driver_is_told_and_recovered_from() {
    let Some(mut world) = World::new("h100x8", QUICK) else {
        return;
    };
    world.start("c0", "1g.10gb");
    let lease = world.lease();
    let before = scrape_time(&world);
    inject(&world, FaultRequest::DriverHang);
    until_degraded(&world, &["driver: "]);
    let watched = Instant::now();
    while watched.elapsed() < Duration::from_secs(4) {
        let begin = Instant::now();
        let status = world.client.status().expect("an answer");
        assert!(begin.elapsed() < STATUS_LIMIT, "{:?}", begin.elapsed());
        assert!(!status.degraded.is_empty());
        // Two that are abandoned and the current one: more would only pile up in the driver.
        let workers = world.kerfd.workers();
        assert!(workers.len() <= 3, "{workers:?}");
    }
    scrape_in_time(&world, before);
    assert_eq!(world.lease().id, lease.id, "what runs goes on");
    let refused = world
        .client
        .lease("1g.10gb", "default", "c1")
        .expect_err("it hangs");
    assert!(!refused.message().is_empty());
    // A kerfd that starts now answers as well, and still has the lease.
    world.kerfd.kill9().expect("kerfd goes");
    world
        .kerfd
        .restart()
        .expect("kerfd comes up beside a hung driver");
    until_degraded(&world, &["driver: "]);
    assert_eq!(world.lease().id, lease.id);

    inject(&world, FaultRequest::DriverClear);
    until_well(&world);
    world.until("a single worker", || world.kerfd.workers().len() == 1);
    world.start("c2", "1g.10gb");
    world.end("c0");
    world.end("c2");
    world.until_no_leases();
    world.assert_untouched();
}

#[test]
fn a_lost_gpu_is_named_and_its_neighbours_go_on() {
    let Some(world) = World::new("h100x8", SAMPLED) else {
        return;
    };
    world
        .client
        .apply(layout(&[(&["5"], &[("1g.10gb", 2)])]))
        .expect("it is applied");
    let before = world.instances();
    inject(&world, FaultRequest::Lost { gpu: 5 });
    until_degraded(&world, &["gpu 5 ", "lost"]);
    assert_eq!(world.client.status().expect("a status").gpus_ok, 7);
    for slice in world.slices_of(5) {
        assert_eq!(slice.state, "quarantined");
    }
    world.start("c0", "1g.10gb");
    assert!(
        world
            .instances()
            .iter()
            .filter(|line| line.starts_with("gpu 5"))
            .count()
            == 2
    );
    let refused = world
        .client
        .lease("gpu=5", "default", "c1")
        .expect_err("it is lost");
    assert!(!refused.message().is_empty());
    inject(&world, FaultRequest::Clear { gpu: 5 });
    until_well(&world);
    world.end("c0");
    world.until_no_leases();
    assert_eq!(world.instances(), before);
}

#[test]
fn a_gpu_that_needs_a_reset_is_named_and_its_neighbours_go_on() {
    let Some(world) = World::new("h100x8", QUICK) else {
        return;
    };
    inject(&world, FaultRequest::ResetRequired { gpu: 5 });
    until_degraded(&world, &["gpu 5 ", "needs a reset"]);
    assert_eq!(world.client.status().expect("a status").gpus_ok, 7);
    world.start("c0", "1g.10gb");
    world.end("c0");
    world.until_no_leases();
    nvidia_ml::control::reset(&world.kerfd.machine(), 5).expect("idle");
    until_well(&world);
}

#[test]
fn sigterm_lets_an_apply_finish_and_leaves_containers_alone() {
    let Some(mut world) = World::new("h100x8", "") else {
        return;
    };
    world.start("c0", "1g.10gb");
    let (pid, lease) = (world.pid("c0"), world.lease());
    let whole = layout(&[(&["4", "5", "6", "7"], &[("1g.10gb", 7)])]);
    let (begun, has_begun) = std::sync::mpsc::channel();
    let mut done = false;
    let applied = std::thread::scope(|scope| {
        let (socket, done) = (world.kerfd.socket(), &mut done);
        let apply = scope.spawn(move || {
            Client::new(socket).apply_until(whole, |event| {
                // Nobody listens any more after the first one.
                begun.send(()).ok();
                *done |= matches!(event, Event::Done(_));
                ControlFlow::Continue(())
            })
        });
        has_begun.recv().expect("an event");
        world.kerfd.terminate().expect("it ends well");
        apply.join().expect("no panic")
    });
    applied.expect("it is finished");
    assert!(done, "its end is told");
    let cut = world.instances().len();
    assert_eq!(cut, 29);
    assert!(!world.kerfd.socket().exists(), "nobody serves it");
    assert!(
        std::path::Path::new(&format!("/proc/{pid}")).exists(),
        "the container goes on"
    );
    world.kerfd.restart().expect("kerfd comes back");
    assert_eq!(world.lease().id, lease.id);
    assert_eq!(world.instances().len(), cut);
    world.end("c0");
    world.until_no_leases();
}
