//! Containers whose first process ends before others of theirs: without a PID namespace of their own, nothing
//! ends these with it.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use super::bundle::Bundles;
use super::world::World;

fn end(pid: u32) {
    let pid = Pid::from_raw(pid.try_into().expect("a pid"));
    kill(pid, Signal::SIGKILL).expect("it runs");
}

#[test]
fn a_daemon_that_outlives_its_container_keeps_the_slice() {
    let Some(mut world) = World::new("h100x1", "") else {
        return;
    };
    let bundles = Bundles::new(&world);
    let mut spec = bundles.spec("c0", "sleep 600 & exec sleep 601");
    let namespaces = &mut spec["linux"]["namespaces"];
    let namespaces = namespaces.as_array_mut().expect("a list");
    namespaces.retain(|one| one["type"] != "pid");
    spec["annotations"] = json!({ "kerf.dev/accelerator": "1g.10gb" });
    let bundle = bundles.write("c0", spec.to_string().as_bytes());
    let run = ["run", "--detach"];
    let started = bundles.run(&world.kerfd.runtime(), "c0", &bundle, &run);
    started.ok();
    world.until("the first process", || world.lease().init_pid.is_some());
    world.until("both processes", || bundles.processes().len() == 2);
    let (lease, before) = (world.lease(), world.instances());
    let first = lease.init_pid.expect("it is known");
    end(first);
    world.until("its end", || !bundles.processes().contains(&first));
    let left = bundles.processes();
    let [daemon] = left.as_slice() else {
        panic!("the daemon, not {left:?}");
    };

    // Each as long as a whole other lease takes; the second one with a kerfd that never saw the first process.
    let others_come_and_go = |world: &World, id: &str| {
        world.start(id, "1g.10gb");
        world.end(id);
        world.until("the end of the other lease", || {
            world.client.leases().len() == 1
        });
    };
    others_come_and_go(&world, "c1");
    assert_eq!(
        (world.lease(), world.instances()),
        (lease.clone(), before.clone())
    );
    world.kerfd.kill9().expect("kerfd goes");
    world.kerfd.restart().expect("kerfd comes back");
    others_come_and_go(&world, "c2");
    let found = world.lease();
    assert_eq!((found.id, found.state), (lease.id, lease.state));
    assert_eq!(world.instances(), before);

    end(*daemon);
    world.until_no_leases();
    world.assert_untouched();
}
