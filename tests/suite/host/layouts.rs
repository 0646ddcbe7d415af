//! Layouts from their file to the hardware and back: applied, asserted, exported; kept over a boot; and what is in use.

mod labels;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use kerf_api::v1::{Lease, Slice};
use nvidia_ml::model::machine::{AmpereMode, Policy};

use super::client::layout;
use super::said::{Said, kerf, text};
use super::world::World;

fn file(world: &World, name: &str) -> PathBuf {
    world.scratch.join(name)
}

/// Slices without what a driver may choose anew: where which profile lies.
fn places(slices: &[Slice]) -> Vec<String> {
    let place = |slice: &Slice| format!("{} {}", slice.id, slice.profile);
    let mut places: Vec<String> = slices.iter().map(place).collect();
    places.sort();
    places
}

#[test]
fn a_difference_is_told_by_gpu_and_a_checkpoint_brings_its_places_back() {
    let Some(world) = World::bare("h100x1", "[gpu_labels]\n\"0\" = [\"only\"]\n") else {
        return;
    };
    let wanted = file(&world, "wanted.yaml");
    let rule = "rules:\n- gpus: ['label:only']\n  slices: {3g.40gb: 1}\n  fill: 1g.10gb\n";
    fs::write(&wanted, rule).expect("written");
    let before = kerf(&world, &["assert", text(&wanted)]).ends(3);
    assert!(
        before.contains("GPU 0 of 1 GPU: not as the layout says"),
        "{before}"
    );
    kerf(&world, &["apply", text(&wanted)]).ends(0);
    kerf(&world, &["assert", text(&wanted)]).ends(0);
    kerf(&world, &["assert", "--gpu", "0", "--mig-off"]).ends(3);
    kerf(
        &world,
        &[
            "assert",
            "--gpu",
            "model:NVIDIA*",
            "--slices",
            "none",
            "--mode-only",
        ],
    )
    .ends(0);
    let (slices, kept) = (places(&world.client.slices()), file(&world, "kept.json"));
    assert_eq!(slices.len(), 5);
    kerf(&world, &["checkpoint", text(&kept)]).ends(0);
    kerf(&world, &["apply", "--gpu", "0", "--slices", "7g.80gb"]).ends(0);
    kerf(&world, &["restore", text(&kept)]).ends(0);
    assert_eq!(places(&world.client.slices()), slices);
    let history = kerf(&world, &["history", "-o", "json"]).ends(0);
    assert_eq!(
        history.matches("\"outcome\": \"done\"").count(),
        3,
        "{history}"
    );
    let last = kerf(&world, &["history", "show", "3"]).ends(0);
    assert!(
        last.contains("apply 3  done") && last.contains("uid 0 pid "),
        "{last}"
    );
    kerf(&world, &["history", "show", "9"]).ends(1);
}

/// Another boot: no instance is left, MIG is off where it does not outlive a boot, and the kernel has another id.
fn boot(world: &mut World, number: u32) {
    world.kerfd.terminate().expect("it ends well");
    let machine = world.kerfd.machine();
    let gpus = nvidia_ml::control::show(&machine)
        .expect("the machine")
        .gpus;
    for gpu in gpus {
        drop(nvidia_ml::control::reset(&machine, gpu.index));
    }
    world.begin_boot(number);
}

#[test]
fn a_layout_is_there_again_after_a_boot_and_what_cannot_be_is_told() {
    let Some(mut world) = World::bare("h100x8", "") else {
        return;
    };
    let wanted = layout(&[
        (&["0", "1"], &[("3g.40gb", 1), ("1g.10gb", 2)]),
        (&["2"], &[("7g.80gb", 1)]),
    ]);
    world.client.apply(wanted).expect("it is applied");
    let before = places(&world.client.slices());
    boot(&mut world, 1);
    assert_eq!(world.instances(), Vec::<String>::new());
    world.kerfd.restart().expect("kerfd comes up");
    world.until("the layout to be there", || {
        places(&world.client.slices()) == before
    });
    assert_eq!(world.client.degraded(), Vec::<String>::new());
    let history = kerf(&world, &["history"]).ends(0);
    assert_eq!(history.matches("reapply").count(), 3, "{history}");
    // A GPU that is missing is told; the others go on, and it gets its layout when it comes.
    boot(&mut world, 2);
    let machine = world.kerfd.machine();
    let gone = ["sim", "fault", text(&machine), "--gpu", "1"];
    kerf(&world, &[&gone[..], &["gone"]].concat()).ends(0);
    world.kerfd.restart().expect("kerfd comes up");
    // GPU 1 had three of the seven.
    world.until("the others", || world.client.slices().len() == 4);
    let degraded = world.client.degraded();
    assert!(
        degraded
            .iter()
            .any(|what| what.starts_with("layout of GPU ")),
        "{degraded:?}"
    );
    kerf(&world, &[&gone[..], &["clear"]].concat()).ends(0);
    world.until("all of it", || places(&world.client.slices()) == before);
    world.until("no word of it", || world.client.degraded().is_empty());
    // What is forgotten does not come back.
    kerf(&world, &["apply", "--forget"]).ends(0);
    boot(&mut world, 3);
    world.kerfd.restart().expect("kerfd comes up");
    world.until("an answer", || world.client.degraded().is_empty());
    assert_eq!(world.client.slices(), []);
}

/// A host whose only GPU holds two slices, both leased; the leases.
fn leased() -> Option<(World, Vec<Lease>)> {
    let world = World::bare("h100x1", "")?;
    let cut = layout(&[(&["0"], &[("3g.40gb", 2)])]);
    world.client.apply(cut).expect("it is applied");
    let lease = || world.client.lease("3g.40gb", "", "").expect("a lease");
    let leases = vec![lease(), lease()];
    Some((world, leases))
}

fn cut_to(world: &World, slices: &str, more: &[&str]) -> Command {
    let mut command = world.kerfd.kerf().expect("kerf is built");
    command.args(["apply", "--gpu", "0", "--slices", slices]);
    command.args(more);
    command
}

#[test]
fn a_slice_in_use_is_refused_or_waited_for_while_no_new_lease_is_given() {
    let Some((world, leases)) = leased() else {
        return;
    };
    let refused = Said::by(cut_to(&world, "3g.40gb,2g.20gb", &[]));
    assert!(refused.err.contains("leased by"), "{refused:?}");
    assert!(refused.err.contains("--force-destroy"), "{refused:?}");
    refused.ends(1);
    let waiting = cut_to(&world, "3g.40gb,2g.20gb", &["--wait", "60s", "--drain"]);
    let waiting = std::thread::spawn(move || Said::by(waiting));
    world.until("the GPU to be drained", || {
        let refusal = world.client.lease("1g.10gb", "", "").err();
        refusal.is_some_and(|status| status.message().contains("drained"))
    });
    world.client.release(&leases[0].id).expect("it ends");
    let waited = waiting.join().expect("no panic");
    assert!(waited.err.contains("waits up to"), "{waited:?}");
    waited.ends(0);
    assert_eq!(world.client.slices().len(), 2);
    let short = Said::by(cut_to(&world, "none", &["--wait", "1s"]));
    assert!(short.err.contains("waits up to"), "{short:?}");
    short.ends(1);
}

#[test]
fn a_slice_in_use_goes_by_its_name_and_its_lease_with_it() {
    let Some((world, _)) = leased() else {
        return;
    };
    let slices = world.client.slices();
    let uuids: Vec<&str> = slices
        .iter()
        .filter_map(|slice| slice.uuid.as_deref())
        .collect();
    let unknown = Said::by(cut_to(&world, "none", &["--force-destroy", "MIG-none"]));
    let why = "no slice of this host has the MIG device MIG-none";
    assert!(unknown.err.contains(why), "{unknown:?}");
    unknown.ends(1);
    // One of two is not enough.
    Said::by(cut_to(&world, "none", &["--force-destroy", uuids[0]])).ends(1);
    assert_eq!(world.client.leases().len(), 2);
    let both = ["--force-destroy", uuids[0], "--force-destroy", uuids[1]];
    let forced = Said::by(cut_to(&world, "none", &both)).ends(0);
    assert_eq!(forced.matches("by force, in use: ").count(), 2, "{forced}");
    world.until_no_leases();
    let events = kerf(&world, &["events"]).ends(0);
    assert_eq!(
        events.matches("had it destroyed by force").count(),
        2,
        "{events}"
    );
}

#[test]
fn a_layout_whose_mode_waits_for_a_reset_goes_on_when_that_came() {
    let Some(world) = World::bare("a100x8", "") else {
        return;
    };
    // As passed through to a virtual machine: only a reset from outside changes the mode.
    let policy = Policy {
        ampere_mode: AmpereMode::ResetRequired,
        ..Policy::default()
    };
    let machine = world.kerfd.machine();
    nvidia_ml::control::set_policy(&machine, policy).expect("it is taken");
    let words = [
        "--gpu",
        "0,1",
        "--slices",
        "3g.40gb,1g.10gb:2",
        "--allow-reset",
    ];
    let applied = kerf(&world, &[&["apply"], &words[..]].concat()).ends(0);
    assert_eq!(
        applied.matches("after a reset: GPU ").count(),
        2,
        "{applied}"
    );
    let planned = kerf(&world, &[&["plan"], &words[..]].concat()).ends(0);
    assert!(planned.contains("MIG on after a reset"), "{planned}");
    let differs = kerf(&world, &[&["assert"], &words[..4]].concat()).ends(3);
    assert!(differs.contains("after a reset of the GPU"), "{differs}");
    let waits = || {
        let degraded = world.client.degraded().into_iter();
        degraded
            .filter(|what| what.starts_with("layout of GPU "))
            .count()
    };
    assert_eq!((waits(), world.client.slices().len()), (2, 0));
    nvidia_ml::control::reset(&machine, 0).expect("it is reset");
    world.until("the first of them", || {
        world.client.slices().len() == 3 && waits() == 1
    });
    nvidia_ml::control::reset(&machine, 1).expect("it is reset");
    world.until("both", || world.client.slices().len() == 6 && waits() == 0);
    kerf(&world, &[&["assert"], &words[..4]].concat()).ends(0);
}
