//! IMEX channels as something that a lease carries: each is one lease's, and its container opens it and no other.

use std::collections::BTreeSet;
use std::fs;

use super::isolation::{lease_of, own, probe};
use super::world::{Node, World};

/// Nodes of the first channels, by the driver's own major; those that are not there are made by number.
fn channels(world: &World, count: u64) -> Vec<Node> {
    let table = fs::read_to_string(world.kerfd.sysroot().join("proc/devices")).expect("a table");
    let mut lines = table.lines();
    let major = lines.find_map(|line| line.trim().strip_suffix(" nvidia-caps-imex-channels"));
    let major: u64 = major.and_then(|text| text.parse().ok()).expect("a major");
    let node = |minor| Node {
        name: format!("nvidia-caps-imex-channels/channel{minor}"),
        major,
        minor,
    };
    (0..count).map(node).collect()
}

/// The driver says that it has this many, and kerfd has seen it.
fn have_channels(world: &World, count: u32) {
    let params = world.kerfd.sysroot().join("proc/driver/nvidia/params");
    fs::write(params, format!("ImexChannelCount: {count}\n")).expect("written");
    let seen = || {
        let map = world.client.looked().map;
        map.and_then(|map| map.imex?.count)
    };
    world.until("a look at the channels", || seen() == Some(count));
}

fn seen_by(world: &World, id: &str) -> BTreeSet<String> {
    own(&probe(world, id, &channels(world, 4)))
}

fn channel(number: u32) -> BTreeSet<String> {
    let name = format!("nvidia-caps-imex-channels/channel{number}");
    BTreeSet::from([name])
}

#[test]
fn a_channel_is_one_containers_over_a_kill_and_free_when_it_ends() {
    let Some(mut world) = World::new("gb200x4", "") else {
        return;
    };
    let inventory = world.client.inventory();
    let imex = inventory.map.and_then(|map| map.imex).expect("channels");
    assert_eq!((imex.count, imex.nodes), (Some(2_048), Vec::new()));
    have_channels(&world, 2);

    world.start("first", "gpu,imex");
    world.start("second", "gpu:1,imex");
    world.start("plain", "gpu");
    assert_eq!(lease_of(&world, "first").imex_channel, Some(0));
    assert_eq!(lease_of(&world, "second").imex_channel, Some(1));
    assert_eq!(lease_of(&world, "plain").imex_channel, None);
    assert_eq!(seen_by(&world, "first"), channel(0));
    assert_eq!(seen_by(&world, "second"), channel(1));
    assert_eq!(seen_by(&world, "plain"), BTreeSet::new());

    // A GPU is free and a channel is not; the next kerfd knows it as well.
    let asks = [("kerf.dev/accelerator", "gpu,imex")];
    let words = "every IMEX channel of this host is with a lease";
    let refused = world.refuse("third", &asks);
    assert!(refused.contains(words), "{refused}");
    world.kerfd.kill9().expect("it goes");
    world.kerfd.restart().expect("it comes back");
    assert_eq!(lease_of(&world, "second").imex_channel, Some(1));
    let refused = world.refuse("fourth", &asks);
    assert!(refused.contains(words), "{refused}");

    let gone = lease_of(&world, "first").id;
    world.end("first");
    world.until("the end of its lease", || {
        world.client.leases().iter().all(|lease| lease.id != gone)
    });
    world.start("fifth", "gpu,imex");
    assert_eq!(seen_by(&world, "fifth"), channel(0));
    assert_eq!(seen_by(&world, "second"), channel(1));
}

#[test]
fn a_promise_holds_its_channel_and_its_cdi_file_has_the_node() {
    let Some(world) = World::bare("gb200x4", "") else {
        return;
    };
    have_channels(&world, 1);
    let lease = world.client.lease("gpu:2,imex", "", "").expect("made");
    assert_eq!((lease.imex_channel, lease.subjects.len()), (Some(0), 2));
    let files = world.lease_files();
    let [file] = files.as_slice() else {
        panic!("one file, not {files:?}");
    };
    let spec = fs::read_to_string(world.kerfd.cdi().join(file)).expect("a file");
    assert!(
        spec.contains("/dev/nvidia-caps-imex-channels/channel0"),
        "{spec}"
    );
    let refused = world
        .client
        .lease("gpu,imex", "", "")
        .expect_err("none left");
    assert!(
        refused.message().contains("every IMEX channel"),
        "{refused}"
    );
    world.client.lease("gpu", "", "").expect("a GPU alone");
    world.client.release(&lease.id).expect("released");
    let again = world.client.lease("gpu,imex", "", "").expect("made");
    assert_eq!(again.imex_channel, Some(0));
}

/// The driver is loaded anew with channels, and who asks for one before the next look gets it.
#[test]
fn a_channel_that_has_just_come_is_given() {
    let Some(world) = World::bare("gb200x4", "[driver]\nlook_interval_ms = 600000\n") else {
        return;
    };
    have_channels(&world, 0);
    let params = world.kerfd.sysroot().join("proc/driver/nvidia/params");
    fs::write(params, "ImexChannelCount: 1\n").expect("written");
    let lease = world.client.lease("gpu,imex", "", "").expect("it has one");
    assert_eq!(lease.imex_channel, Some(0));
}

#[test]
fn an_ask_that_no_channel_can_go_with_is_refused_in_words() {
    let Some(world) = World::bare("h100x1", "") else {
        return;
    };
    for (ask, words) in [
        ("gpu,imex", "its driver has no IMEX channels"),
        ("1g.10gb,imex", "an IMEX channel goes with whole GPUs"),
        ("gpu,mps,imex", "an IMEX channel goes with whole GPUs"),
        ("imex", "an IMEX channel goes with whole GPUs"),
    ] {
        let refused = world.client.lease(ask, "", "").expect_err(ask);
        assert!(refused.message().contains(words), "{ask}: {refused}");
    }
    world.assert_untouched();
}
