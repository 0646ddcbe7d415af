//! Names of leases, which ask nobody, the name of all GPUs, and what `kerf cdi` says of any of them.

use serde_json::Value;

use super::bundle::Bundles;
use super::cdi::{file, with_device};
use super::cdi_spec::{device_names, read};
use super::client::layout;
use super::world::{World, names};

/// Looks come often, so that a container that has a lease by its name is soon seen.
const WATCHFUL: &str = "[driver]\nlook_interval_ms = 300\n";

#[test]
fn a_lease_lives_as_long_as_any_container_that_has_it_by_its_cdi_name() {
    let Some(world) = World::new("h100x1", WATCHFUL) else {
        return;
    };
    let lease = world.client.lease("1g.10gb", "", "").expect("a lease");
    let class = format!("lease-{}", lease.id);
    let bundles = Bundles::new(&world);
    let spec = |id: &str| with_device(&bundles, &world, id, &class, &lease.id);
    let (first, second) = (spec("first"), spec("second"));
    assert!(
        first["hooks"].is_null(),
        "whoever made the lease knows for whom: {first}"
    );
    // Two containers of one pod, say.
    bundles.runc("first", &first).ok();
    world.until("a lease that is carried", || {
        world.lease().state == "active"
    });
    let carried = world.lease();
    assert!(carried.init_pid.is_some(), "{carried:?}");
    let container = carried.container.clone().unwrap_or_default();
    assert!(container.ends_with("first"), "{carried:?}");
    let refused = world.client.release(&lease.id);
    assert!(
        refused.is_err(),
        "a lease that is in use ended: {refused:?}"
    );
    bundles.runc("second", &second).ok();
    bundles.end("first");
    world.until("the other container's lease", || {
        let now = world.lease();
        now.state == "active" && now.init_pid.is_some() && now.init_pid != carried.init_pid
    });
    bundles.end("second");
    world.until_no_leases();
    world.assert_untouched();
}

#[test]
fn a_promise_that_runs_out_while_a_container_carries_it_is_kept() {
    // No look comes before the promise has run out.
    let config = "[driver]\nlook_interval_ms = 4000\n[launch]\nreservation_ttl_ms = 500\n";
    let Some(world) = World::new("h100x1", config) else {
        return;
    };
    let lease = world.client.lease("1g.10gb", "", "").expect("a lease");
    let class = format!("lease-{}", lease.id);
    let bundles = Bundles::new(&world);
    let spec = with_device(&bundles, &world, "late", &class, &lease.id);
    bundles.runc("late", &spec).ok();
    world.until("a lease that is carried", || {
        world
            .client
            .leases()
            .iter()
            .any(|now| now.id == lease.id && now.state == "active")
    });
    bundles.end("late");
    world.until_no_leases();
    world.assert_untouched();
}

#[test]
fn all_stands_for_every_gpu_that_is_not_cut_and_is_one_lease() {
    let Some(world) = World::new("h100x8", "") else {
        return;
    };
    let slices = layout(&[(&["0"], &[("1g.10gb", 2)])]);
    world.client.apply(slices).expect("it is applied");
    let bundles = Bundles::new(&world);
    let spec = |id: &str| with_device(&bundles, &world, id, "gpu", "all");
    bundles.runc("first", &spec("first")).ok();
    let lease = world.lease();
    assert_eq!(lease.subjects.len(), 7, "{lease:?}");
    let ended = bundles.runc("second", &spec("second"));
    assert!(ended.error().contains("leased"), "{}", ended.text);
    // Any other GPU by its own name is the first container's, too.
    let document = read(&file(&world.kerfd, "gpu")).expect("a CDI file");
    let other = device_names(&document)
        .into_iter()
        .find(|name| name != "all");
    let name = other.expect("a GPU");
    let one = with_device(&bundles, &world, "third", "gpu", &name);
    assert!(bundles.runc("third", &one).error().contains("leased"));
    bundles.end("first");
    world.until_no_leases();
}

#[test]
fn kerf_shows_the_names_and_makes_the_documents() {
    let Some(world) = World::bare("h100x1", "") else {
        return;
    };
    let slices = layout(&[(&["0"], &[("1g.10gb", 1)])]);
    world.client.apply(slices).expect("it is applied");
    let lease = world
        .client
        .lease("1g.10gb", "default", "a")
        .expect("a lease");
    let folder = world.kerfd.cdi();
    let dir = folder.to_str().expect("text");
    let kerf = |arguments: &[&str]| -> String {
        let mut command = world.kerfd.kerf().expect("a program");
        let out = command.args(arguments).output().expect("it runs");
        let said = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success(), "{arguments:?}: {said}");
        String::from_utf8(out.stdout).expect("text")
    };
    let listed: Value = serde_json::from_str(&kerf(&["cdi", "list", "--dir", dir, "-o", "json"]))
        .expect("a document");
    let claimed = |name: &str| {
        let names = listed["names"].as_array().expect("names");
        let found = names.iter().find(|one| one["name"] == name);
        found.unwrap_or_else(|| panic!("{name} is not in {listed}"))["is_claimed"].clone()
    };
    assert_eq!(claimed(&lease.cdi_name), false);
    assert_eq!(claimed(&world.client.slices()[0].cdi_name), true);
    assert!(kerf(&["cdi", "validate", dir]).contains("all valid"));
    // What kerfd makes now is what stands, in both languages.
    for (format, ending) in [("json", "json"), ("yaml", "yaml")] {
        let to = world.scratch.join(format);
        let target = to.to_str().expect("text");
        kerf(&["cdi", "generate", "--to", target, "-o", format]);
        let made: Vec<String> = names(&to);
        let standing: Vec<String> = names(&folder)
            .iter()
            .map(|name| name.replace(".json", &format!(".{ending}")))
            .collect();
        assert_eq!(made, standing);
        assert!(kerf(&["cdi", "validate", target]).contains("all valid"));
        if format == "json" {
            for name in names(&folder) {
                assert_eq!(read(&to.join(&name)), read(&folder.join(&name)), "{name}");
            }
        }
    }
}
