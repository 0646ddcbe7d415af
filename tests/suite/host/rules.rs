//! Rules beyond slices on each GPU: modes of AMD GPUs, and slices of several GPUs together.

use std::fs;
use std::path::{Path, PathBuf};

use nvidia_ml::kernel::Kernel;

use super::said::{kerf, text};
use super::world::World;

/// A layout in a file of this world.
fn layout(world: &World, name: &str, rules: &str) -> PathBuf {
    let path = world.scratch.join(name);
    fs::write(&path, format!("rules:\n{rules}\n")).expect("written");
    path
}

/// Applied, asserted, applied again for nothing, exported, and the export planned for nothing.
fn settles(world: &World, wanted: &Path) {
    kerf(world, &["apply", text(wanted)]).ends(0);
    kerf(world, &["assert", text(wanted)]).ends(0);
    let again = kerf(world, &["apply", text(wanted)]).ends(0);
    assert!(again.contains("Nothing was to be done"), "{again}");
    let exported = world.scratch.join("exported.yaml");
    kerf(world, &["export", "-f", text(&exported)]).ends(0);
    kerf(world, &["plan", "--exit-code", text(&exported)]).ends(0);
}

/// How many AMD GPUs are in these modes, as `kerf export` has them.
fn count(world: &World, compute: &str, memory: &str) -> usize {
    let inventory = kerf(world, &["export", "--syntax", "json"]).ends(0);
    let document: serde_json::Value = serde_json::from_str(&inventory).expect("JSON");
    let rules = document["rules"].as_array().expect("rules").iter();
    let alike =
        rules.filter(|rule| rule["amd"]["compute"] == compute && rule["amd"]["memory"] == memory);
    alike
        .map(|rule| rule["gpus"].as_array().map_or(0, Vec::len))
        .sum()
}

#[test]
fn amd_modes_are_applied_kept_and_wait_for_their_driver() {
    let Some(mut world) = World::bare("mi300x8", "") else {
        return;
    };
    let cpx = layout(&world, "cpx.yaml", "- {gpus: all, amd: {compute: cpx}}");
    let before = kerf(&world, &["assert", text(&cpx)]).ends(3);
    assert!(
        before.contains("AMD GPU 0-7 of 8 AMD GPUs: not as"),
        "{before}"
    );
    let plan = kerf(&world, &["plan", text(&cpx)]).ends(0);
    assert!(plan.contains("Plan: 8 steps on 8 GPUs\n"), "{plan}");
    let generation = world.client.status().expect("a status").generation;
    settles(&world, &cpx);
    assert_eq!(count(&world, "cpx", "nps1"), 8);
    assert!(world.client.status().expect("a status").generation > generation);
    // One that somebody uses is not touched, and its user is named.
    let machine = world.kerfd.machine();
    let kernel = || Kernel::open(&machine).expect("the kernel");
    let own = std::process::id();
    kernel().open_kfd(own, 3, 1 << 30).expect("it opens");
    let spx = layout(&world, "spx.yaml", "- {gpus: [3], amd: {compute: spx}}");
    let refused = kerf(&world, &["apply", text(&spx)]);
    assert!(
        refused.err.contains(&format!("process {own} (")),
        "{refused:?}"
    );
    refused.ends(1);
    kernel().close_kfd(own).expect("it closes");
    // A memory mode is its hive's, and comes with the driver.
    let one = layout(&world, "one.yaml", "- {gpus: [0], amd: {memory: nps4}}");
    let refused = kerf(&world, &["apply", text(&one)]);
    assert!(
        refused.err.contains("which is in the same hive"),
        "{refused:?}"
    );
    refused.ends(1);
    let nps4 = layout(
        &world,
        "nps4.yaml",
        "- {gpus: all, amd: {compute: cpx, memory: nps4}}",
    );
    let applied = kerf(&world, &["apply", text(&nps4)]).ends(0);
    let waits = "when the driver is loaded anew: AMD GPU ";
    assert_eq!(applied.matches(waits).count(), 8, "{applied}");
    let again = kerf(&world, &["apply", text(&nps4)]).ends(0);
    assert!(again.contains("Nothing was to be done"), "{again}");
    assert_eq!(again.matches(waits).count(), 8, "{again}");
    kerf(&world, &["assert", text(&nps4)]).ends(3);
    assert_eq!(world.client.degraded().len(), 8);
    kerf(&world, &["sim", "kernel", "reload", text(&machine)]).ends(0);
    world.until("the modes", || count(&world, "cpx", "nps4") == 8);
    world.until("no word of it", || world.client.degraded().is_empty());
    settles(&world, &nps4);
    // What was applied is there again after a boot, in which the driver began with its own modes.
    world.kerfd.terminate().expect("it ends well");
    let cards = (0..8).filter(|card| {
        let file = format!("/sys/class/drm/card{card}/device/current_compute_partition");
        kernel().write(&file, b"QPX").is_ok()
    });
    assert!(cards.count() > 0);
    world.begin_boot(1);
    world.kerfd.restart().expect("kerfd comes up");
    world.until("the modes again", || count(&world, "cpx", "nps4") == 8);
    let history = kerf(&world, &["history"]).ends(0);
    assert!(history.contains("reapply"), "{history}");
}

/// The modes of seven GPUs change before that of the last is refused: they come back.
#[test]
fn amd_modes_are_taken_back_where_one_is_refused() {
    let Some(world) = World::bare("mi300x8", "") else {
        return;
    };
    let machine = world.kerfd.machine();
    let gpus = world.client.inventory().amd;
    let last = gpus.iter().map(|gpu| &gpu.pci).max().expect("eight");
    let file = format!("/sys/bus/pci/devices/{last}/current_compute_partition");
    let fault = ["sim", "kernel", "fault", text(&machine), &file];
    kerf(&world, &[&fault[..], &["fail=5"]].concat()).ends(0);
    let cpx = layout(&world, "cpx.yaml", "- {gpus: all, amd: {compute: cpx}}");
    let refused = kerf(&world, &["apply", text(&cpx)]);
    let back = "what was done before it was taken back";
    assert!(refused.err.contains(back), "{refused:?}");
    refused.ends(1);
    assert_eq!(count(&world, "spx", "nps1"), 8);
    kerf(
        &world,
        &["sim", "kernel", "fault", text(&machine), "--clear"],
    )
    .ends(0);
    settles(&world, &cpx);
}

#[test]
fn slices_are_held_together_and_each_gpu_keeps_its_share() {
    let Some(mut world) = World::bare("h100x8", "") else {
        return;
    };
    let wanted = layout(
        &world,
        "together.yaml",
        "- {gpus: all, slices: {7g.80gb: 3, 3g.40gb: 5, 1g.10gb: 9}, together: true}",
    );
    settles(&world, &wanted);
    let shares = world.instances().len();
    assert_eq!(shares, 17);
    // Fewer are wanted: what goes goes, and nothing moves.
    let less = layout(
        &world,
        "less.yaml",
        "- {gpus: all, slices: {7g.80gb: 3, 3g.40gb: 4, 1g.10gb: 9}, together: true}",
    );
    let plan = kerf(&world, &["plan", text(&less)]).ends(0);
    assert!(
        plan.contains("0 slices to create, 1 to destroy, 16 kept"),
        "{plan}"
    );
    settles(&world, &less);
    // After a boot each GPU has its share again.
    let before = places(&world);
    world.kerfd.terminate().expect("it ends well");
    let machine = world.kerfd.machine();
    for gpu in 0..8 {
        nvidia_ml::control::reset(&machine, gpu).expect("nobody is in the way");
    }
    assert_eq!(world.instances(), Vec::<String>::new());
    world.begin_boot(1);
    world.kerfd.restart().expect("kerfd comes up");
    world.until("the shares", || world.client.slices().len() == 16);
    let history = kerf(&world, &["history"]).ends(0);
    assert!(history.contains("reapply"), "{history}");
    let counts = |places: &[(u32, String, String)]| {
        let mut counts: Vec<(u32, String)> = places
            .iter()
            .map(|(gpu, profile, _)| (*gpu, profile.clone()))
            .collect();
        counts.sort();
        counts
    };
    assert_eq!(counts(&places(&world)), counts(&before));
    kerf(&world, &["assert", text(&less)]).ends(0);
    let much = layout(
        &world,
        "much.yaml",
        "- {gpus: all, slices: {7g.80gb: 9}, together: true}",
    );
    let refused = kerf(&world, &["apply", text(&much)]);
    assert!(
        refused.err.contains("at most 8 fit on the GPUs given"),
        "{refused:?}"
    );
    refused.ends(1);
    parts_have_rules_of_their_own(&world);
}

/// Whole instances alone are split; parts stand beside them, on GPUs that a rule of their own names.
fn parts_have_rules_of_their_own(world: &World) {
    let rule = "- {gpus: all, slices: {1c.3g.40gb: 2}, together: true}";
    let refused = kerf(world, &["apply", text(&layout(world, "parts.yaml", rule))]);
    let said = [
        "1c.3g.40gb names a part of a GPU instance",
        "without `together`",
    ];
    for words in said {
        assert!(refused.err.contains(words), "{refused:?}");
    }
    refused.ends(1);
    let beside = "- {gpus: [0], slices: {1c.3g.40gb: 2}}
- {gpus: [1, 2], slices: {3g.40gb: 3, 1g.10gb: 4}, together: true}";
    settles(world, &layout(world, "beside.yaml", beside));
    let slices = places(world).into_iter();
    let here = slices.filter(|(gpu, _, _)| *gpu < 3);
    let names: Vec<String> = here.map(|(_, profile, _)| profile).collect();
    let count = |name: &str| names.iter().filter(|one| *one == name).count();
    let counts = ["1c.3g.40gb", "3g.40gb", "1g.10gb"].map(count);
    assert_eq!((counts, names.len()), ([2, 3, 4], 9), "{names:?}");
}

/// GPU, profile and place of each slice.
fn places(world: &World) -> Vec<(u32, String, String)> {
    let slices = world.client.slices().into_iter();
    slices
        .map(|slice| (slice.gpu_index, slice.profile, slice.id))
        .collect()
}
