//! CDI names: what stands in the files, when it stands there, and who gets what a name means.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use kerf_api::v1::{Layout, LayoutRule};
use kerf_tests::executable;
use kerf_tests::world::Kerfd;
use serde_json::{Value, json};

use super::bundle::Bundles;
use super::cdi_spec::{apply, device_names, faults, read};
use super::client::{Client, layout};
use super::faults::until_degraded;
use super::world::{World, names};

/// Names that stand for what is there: a slice has that of its place and its UUID.
fn standing(world: &World, class: &str) -> BTreeSet<String> {
    let document = read(&file(&world.kerfd, class));
    document.iter().flat_map(device_names).collect()
}

/// The CDI file of a class.
pub fn file(kerfd: &Kerfd, class: &str) -> PathBuf {
    kerfd.cdi().join(format!("kerf.dev-{class}.json"))
}

/// The spec of a container that has a device by its CDI name and sleeps.
pub fn with_device(bundles: &Bundles, world: &World, id: &str, class: &str, name: &str) -> Value {
    let mut spec = bundles.spec(id, "exec sleep 600");
    let document = read(&file(&world.kerfd, class)).expect("a CDI file");
    apply(&document, name, &mut spec);
    spec
}

#[test]
fn names_stand_for_what_is_there_and_documents_are_valid() {
    let Some(world) = World::bare("h100x8", "") else {
        return;
    };
    assert_eq!(standing(&world, "slice"), BTreeSet::new());
    assert_eq!(
        standing(&world, "gpu").len(),
        17,
        "eight addresses, eight UUIDs, and all of them"
    );
    let slices = layout(&[(&["0"], &[("1g.10gb", 2), ("3g.40gb", 1)])]);
    world.client.apply(slices).expect("it is applied");
    let lease = world
        .client
        .lease("1g.10gb", "default", "a")
        .expect("a lease");
    let whole = world
        .client
        .lease("gpu:1", "default", "b")
        .expect("a lease");
    let mut expected = BTreeSet::new();
    for slice in world.client.slices() {
        assert!(
            slice.cdi_name == format!("kerf.dev/slice={}", slice.id),
            "{slice:?}"
        );
        expected.extend([Some(slice.id), slice.uuid].into_iter().flatten());
    }
    assert_eq!(standing(&world, "slice"), expected);
    // A cut GPU is no device as a whole.
    assert_eq!(standing(&world, "gpu").len(), 15);
    let files = names(&world.kerfd.cdi());
    assert_eq!(files.len(), 4, "{files:?}");
    for name in &files {
        let document = read(&world.kerfd.cdi().join(name)).expect("a CDI file");
        assert_eq!(faults(&document), Vec::<String>::new(), "{name}");
    }
    for lease in [lease, whole] {
        let name = format!("kerf.dev-lease-{}.json", lease.id);
        assert!(files.contains(&name), "{name} is not in {files:?}");
        assert_eq!(lease.cdi_name, format!("kerf.dev/lease={}", lease.id));
        world.client.release(&lease.id).expect("it ends");
        assert!(
            !names(&world.kerfd.cdi()).contains(&name),
            "{name} stands for nothing"
        );
    }
}

#[test]
fn one_standing_name_serves_one_plain_container() {
    let Some(world) = World::new("h100x1", "") else {
        return;
    };
    let slices = layout(&[(&["0"], &[("1g.10gb", 2)])]);
    world.client.apply(slices).expect("it is applied");
    let before = world.instances();
    let slice = world.client.slices().swap_remove(0);
    let bundles = Bundles::new(&world);
    let spec = |id: &str, name: &str| with_device(&bundles, &world, id, "slice", name);
    bundles.runc("first", &spec("first", &slice.id)).ok();
    let lease = world.lease();
    assert_eq!(lease.state, "active");
    assert!(lease.init_pid.is_some(), "{lease:?}");
    // By the same name, and by the other one that the slice has.
    for (id, name) in [("second", slice.id.as_str()), ("by-uuid", slice.uuid())] {
        let ended = bundles.runc(id, &spec(id, name));
        let error = ended.error();
        assert!(
            error.contains(&format!("slice {} is leased", slice.id)),
            "{error}"
        );
        assert!(error.contains("first"), "the holder is not named: {error}");
    }
    assert_eq!(world.lease(), lease);
    assert_eq!(bundles.known(), ["first"]);
    bundles.end("first");
    world.until_no_leases();
    bundles.runc("third", &spec("third", &slice.id)).ok();
    assert_eq!(world.lease().state, "active");
    bundles.end("third");
    world.until_no_leases();
    assert_eq!(world.instances(), before, "a standing slice stays");
}

#[test]
fn two_standing_names_are_two_leases_of_one_container_and_no_third_device() {
    let Some(world) = World::new("h100x1", "") else {
        return;
    };
    let slices = layout(&[(&["0"], &[("1g.10gb", 3)])]);
    world.client.apply(slices).expect("it is applied");
    let slices = world.client.slices();
    let [one, two, three] = slices.as_slice() else {
        panic!("three slices: {slices:?}");
    };
    let bundles = Bundles::new(&world);
    let document = read(&file(&world.kerfd, "slice")).expect("a CDI file");
    let spec = |id: &str| {
        let mut spec = with_device(&bundles, &world, id, "slice", &one.id);
        apply(&document, &two.id, &mut spec);
        spec
    };
    // The nodes of a third slice that nobody claims: an engine of another mind, or a stale spec.
    let mut more = spec("more");
    let mut other = bundles.spec("other", "true");
    apply(&document, &three.id, &mut other);
    let rules = other["linux"]["resources"]["devices"]
        .as_array()
        .expect("rules");
    let list = more["linux"]["resources"]["devices"].as_array_mut();
    list.expect("rules").extend(rules.iter().skip(1).cloned());
    let ended = bundles.runc("more", &more);
    let error = ended.error();
    assert!(
        error.contains("opens devices that are not in the grant"),
        "{error}"
    );
    world.until_no_leases();
    bundles.runc("both", &spec("both")).ok();
    let states = world.client.slices().into_iter().map(|slice| slice.state);
    assert_eq!(states.collect::<Vec<_>>(), ["leased", "leased", "free"]);
    bundles.end("both");
    world.until_no_leases();
}

#[test]
fn the_hook_has_nothing_of_the_environment_that_the_runtime_was_started_with() {
    let Some(world) = World::new("h100x1", "") else {
        return;
    };
    let slices = layout(&[(&["0"], &[("1g.10gb", 1)])]);
    world.client.apply(slices).expect("it is applied");
    let slice = world.client.slices().swap_remove(0);
    let bundles = Bundles::new(&world);
    let seen = world.scratch.join("environment");
    let hook = world.scratch.join("hook");
    let script = format!(
        "#!/bin/sh\ncat /proc/$$/environ > {}\nexec {} \"$@\"\n",
        seen.display(),
        world.kerfd.runtime().display()
    );
    executable::script(&hook, &script).expect("a script");
    let mut spec = with_device(&bundles, &world, "c0", "slice", &slice.id);
    spec["hooks"]["createRuntime"][0]["path"] = json!(hook);
    bundles.runc("c0", &spec).ok();
    let environment = std::fs::read_to_string(&seen).expect("the hook ran");
    let variables: Vec<&str> = environment.split_terminator('\0').collect();
    assert_eq!(variables, ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]);
    assert_eq!(world.lease().state, "active");
    // Without the list, the tests' own environment comes through: that is why it is there.
    bundles.end("c0");
    world.until_no_leases();
    let mut spec = with_device(&bundles, &world, "c1", "slice", &slice.id);
    let hooks = &mut spec["hooks"]["createRuntime"][0];
    hooks["path"] = json!(hook);
    hooks.as_object_mut().expect("a hook").remove("env");
    bundles.runc("c1", &spec).ok();
    let environment = std::fs::read_to_string(&seen).expect("the hook ran");
    assert!(environment.contains("HOME="), "{environment:?}");
}

#[test]
fn a_standing_name_needs_kerfd() {
    let Some(mut world) = World::new("h100x1", "") else {
        return;
    };
    world
        .client
        .apply(layout(&[(&["0"], &[("1g.10gb", 1)])]))
        .expect("it is applied");
    let slice = world.client.slices().swap_remove(0);
    let bundles = Bundles::new(&world);
    let spec = with_device(&bundles, &world, "c0", "slice", &slice.id);
    world.kerfd.kill9().expect("kerfd goes");
    let ended = bundles.runc("c0", &spec);
    assert!(
        ended.error().contains("kerfd does not answer at"),
        "{}",
        ended.text
    );
    world.kerfd.restart().expect("kerfd comes back");
    assert_eq!(world.client.leases(), []);
    assert_eq!(bundles.known(), Vec::<String>::new());
    bundles.runc("c1", &spec).ok();
}

#[test]
fn an_annotation_beside_a_standing_name_is_two_asks() {
    let Some(world) = World::new("h100x1", "") else {
        return;
    };
    world
        .client
        .apply(layout(&[(&["0"], &[("1g.10gb", 2)])]))
        .expect("it is applied");
    let before = world.instances();
    let bundles = Bundles::new(&world);
    // Whichever of the two the annotation is served with, the name is the other one once.
    for (number, slice) in world.client.slices().iter().enumerate() {
        // As containerd makes its bundles, and as an engine does that has no namespaces.
        for folder in ["io.containerd.runtime.v2.task/default", "engine"] {
            let id = format!("{}-{number}", folder.len());
            let mut spec = with_device(&bundles, &world, &id, "slice", &slice.id);
            spec["annotations"] = json!({ "kerf.dev/accelerator": "1g.10gb" });
            let bundle = bundles.write(&format!("{folder}/{id}"), spec.to_string().as_bytes());
            let ended = bundles.run(&world.kerfd.runtime(), &id, &bundle, &["create"]);
            // For the same slice the hook is refused; for another one the wrapper sees its nodes.
            let said = [
                "asks for two things at once",
                "opens devices that are not in the grant",
            ];
            let error = ended.error();
            assert!(said.iter().any(|words| error.contains(words)), "{error}");
            world.until_no_leases();
            assert_eq!(bundles.known(), Vec::<String>::new());
        }
    }
    assert_eq!(world.instances(), before);
}

#[test]
fn a_slice_is_named_before_it_is_seen_and_until_it_is_gone() {
    let Some(world) = World::bare("h100x8", "") else {
        return;
    };
    let socket = world.kerfd.socket();
    let visible = |client: &Client| -> BTreeSet<String> {
        client.slices().into_iter().map(|slice| slice.id).collect()
    };
    let mut leases = Vec::new();
    let (done, socket) = (&AtomicBool::new(false), &socket);
    let path = file(&world.kerfd, "slice");
    let named = || -> BTreeSet<String> { read(&path).iter().flat_map(device_names).collect() };
    // While slices are only made, what is seen now must be named a moment later; while they are only
    // removed, what is seen now must have been named a moment before.
    let watch = |removing: bool| {
        let client = Client::new(socket.clone());
        let mut looks = 0;
        while !done.load(Ordering::Relaxed) {
            let before = named();
            let seen = visible(&client);
            let names = if removing { before } else { named() };
            assert!(
                seen.is_subset(&names),
                "{seen:?} are seen, {names:?} are named"
            );
            looks += 1;
        }
        looks
    };
    let watched = |removing: bool, work: &mut dyn FnMut()| {
        done.store(false, Ordering::Relaxed);
        let looks = std::thread::scope(|scope| {
            let watcher = scope.spawn(|| watch(removing));
            // Also when the work fails: the watcher would go on for ever.
            let worked = catch_unwind(AssertUnwindSafe(work));
            done.store(true, Ordering::Relaxed);
            worked.unwrap_or_else(|failed| resume_unwind(failed));
            watcher.join().expect("no slice without a name")
        });
        assert!(looks > 5, "only {looks} looks");
    };
    watched(false, &mut || {
        let slices = layout(&[(&["0", "1"], &[("1g.10gb", 7)])]);
        world.client.apply(slices).expect("it is applied");
        for number in 0..20 {
            let id = format!("c{number}");
            leases.push(
                world
                    .client
                    .lease("1g.10gb", "default", &id)
                    .expect("a lease"),
            );
        }
    });
    // Fourteen of the leases found their slice, six had theirs cut.
    assert_eq!(visible(&world.client).len(), 20);
    watched(true, &mut || {
        for lease in &leases {
            world.client.release(&lease.id).expect("it ends");
        }
        world
            .client
            .apply(layout(&[(&["0", "1"], &[])]))
            .expect("it is applied");
    });
    assert_eq!(visible(&world.client).len(), 0);
    assert_eq!(named(), BTreeSet::new());
}

#[test]
fn a_cdi_file_that_could_not_be_written_is_no_reason_for_the_other_to_lie() {
    let Some(world) = World::bare("h100x8", "") else {
        return;
    };
    let rule = |gpu: &str, slices: Option<&str>| LayoutRule {
        gpus: vec![gpu.to_owned()],
        mig_enabled: slices.is_some(),
        slices: slices.map(|all| (all.to_owned(), 1)).into_iter().collect(),
        ..LayoutRule::default()
    };
    let empty = LayoutRule {
        mig_enabled: true,
        ..rule("1", None)
    };
    let old = Layout {
        rules: vec![rule("0", None), empty],
    };
    let new = Layout {
        rules: vec![rule("0", Some("1g.10gb")), rule("1", None)],
    };
    world.client.apply(old.clone()).expect("it is applied");
    // A folder in its place: the file of GPUs, which is written second, cannot be replaced.
    let (slices, gpus) = (file(&world.kerfd, "slice"), file(&world.kerfd, "gpu"));
    std::fs::remove_file(&gpus).expect("GPUs have names");
    std::fs::create_dir(&gpus).expect("a folder");
    world.client.apply(new).expect("it is applied");
    assert!(slices.exists());
    until_degraded(&world, &["cdi"]);
    world.client.apply(old).expect("it is applied");
    assert!(!slices.exists(), "it names what is gone");
    std::fs::remove_dir(&gpus).expect("it is empty");
    world.until("a host that is well", || world.client.degraded().is_empty());
    assert!(gpus.is_file());
}
