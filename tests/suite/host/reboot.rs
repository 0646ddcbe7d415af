//! A host that was restarted: nothing that ran before runs now, whatever has its pid or the folder of its cgroup, so every
//! lease of before has ended.

use kerf_tests::world::boot;
use kerf_tests::{Capability, require};
use serde_json::{Value, json};

use super::bundle::Bundles;
use super::cdi::with_device;
use super::usage::usages;
use super::world::World;

/// A container that is no carrier of its lease any more once `/go` is there: it stands for one of the next boot that has
/// the same pid, the same name and the same cgroup. A real restart ends its processes; this one keeps them, for that.
const SCRIPT: &str = "until [ -e /go ]; do sleep 0.1; done; exec busybox env -i busybox sleep 600";

/// Ends kerfd as a halt of the host does, and begins another boot: the run folder is on a tmpfs.
fn restart(world: &mut World) {
    world.kerfd.terminate().expect("it ends");
    std::fs::remove_dir_all(world.kerfd.folder().join("run")).expect("emptied");
    boot::begin(world.kerfd.folder(), 2).expect("a boot");
    world.begin_boot(2);
    world.kerfd.restart().expect("it comes back");
}

fn command_of(pid: u32) -> String {
    let text = std::fs::read_to_string(format!("/proc/{pid}/cmdline"));
    text.unwrap_or_default().replace('\0', " ")
}

/// A container that was started under a lease, one that carries one by its name, and a promise. What runs of them is in
/// the end what [`SCRIPT`] says.
fn three_leases(world: &World, bundles: &Bundles) -> Vec<u32> {
    let mut launched = bundles.spec("launched", SCRIPT);
    launched["annotations"] = json!({ "kerf.dev/accelerator": "1g.10gb" });
    let bundle = bundles.write("launched", launched.to_string().as_bytes());
    let runtime = world.kerfd.runtime();
    bundles
        .run(&runtime, "launched", &bundle, &["run", "--detach"])
        .ok();
    let promised = world.client.lease("1g.10gb", "", "").expect("a lease");
    let named = world.client.lease("2g.20gb", "", "").expect("a lease");
    let class = format!("lease-{}", named.id);
    let mut carrier = with_device(bundles, world, "carrier", &class, &named.id);
    carrier["process"]["args"] = json!(["sh", "-c", SCRIPT]);
    bundles.runc("carrier", &carrier).ok();
    world.until("a container that was started, and one that carries", || {
        let mut leases = world.client.leases();
        leases.retain(|one| one.state == "active" && one.init_pid.is_some());
        leases.len() == 2
    });
    assert_eq!(world.client.leases().len(), 3, "and {promised:?}");
    std::fs::write(bundles.root().join("go"), "").expect("a file");
    let mut processes = Vec::new();
    world.until("what stands for others", || {
        processes = bundles.processes();
        let sleeps = |pid: &u32| command_of(*pid).contains("sleep 600");
        processes.len() == 2 && processes.iter().all(sleeps)
    });
    processes
}

#[test]
fn every_lease_of_an_earlier_boot_has_ended_and_its_account_stays() {
    // Looks come often: a container that has a lease by its name is seen by one.
    let config = "[driver]\nlook_interval_ms = 300\n";
    let Some(mut world) = World::bare("h100x1", config) else {
        return;
    };
    if !require(Capability::Cgroup) {
        return;
    }
    let bundles = Bundles::new(&world);
    let processes = three_leases(&world, &bundles);
    let before = usages(&world);
    assert_eq!(before.len(), 2, "{before:?}");

    restart(&mut world);
    world.until_no_leases();
    assert_eq!(
        world.instances(),
        Vec::<String>::new(),
        "what was cut for them is gone"
    );
    let now = bundles.processes();
    assert!(
        processes.iter().all(|pid| now.contains(pid)),
        "nobody was harmed"
    );
    let after = usages(&world);
    assert_eq!(after.len(), 2, "{after:?}");
    for old in &before {
        let same = |one: &&Value| one["lease_id"] == old["lease_id"];
        let one = after
            .iter()
            .find(same)
            .unwrap_or_else(|| panic!("{old} is not in {after:?}"));
        assert!(one["ended_at"].is_string(), "{one}");
        assert_eq!(one["begun_at"], old["begun_at"]);
        let seconds = |one: &Value| one["device_seconds"].as_f64().unwrap_or_default();
        assert!(seconds(one) >= seconds(old), "{one} and {old}");
    }
    // And all of it is there for others.
    for _ in 0..7 {
        world.client.lease("1g.10gb", "", "").expect("room");
    }
}
