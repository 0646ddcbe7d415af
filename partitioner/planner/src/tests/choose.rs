//! What an ask gets, and why it gets nothing.

use kerf_types::inventory::Architecture;
use kerf_types::inventory::GpuProcess;
use kerf_types::{Gpu, Health, MigMode, SliceId, Timestamp};

use super::{Grid, id, place, profiles, view};
use crate::check::check_choice;
use crate::choose::{GpuView, Pick, choose};
use crate::host::{Usage, Use};
use crate::machine;

mod joined;

/// GPUs with one grid, and who uses what.
struct World {
    grid: Grid,
    gpus: Vec<Gpu>,
    usage: Usage,
}

impl World {
    fn new(count: u32) -> Self {
        let profiles = profiles("h100-80gb");
        Self {
            grid: Grid::from_profiles(&profiles).expect("a grid"),
            gpus: (0..count)
                .map(|index| machine::gpu(index, &profiles))
                .collect(),
            usage: Usage::default(),
        }
    }

    /// Adds an instance that is leased, or free.
    fn add(&mut self, gpu: usize, profile: u32, at: &str, leased: bool) {
        let gpu = &mut self.gpus[gpu];
        machine::add(gpu, id(profile), place(at));
        if leased {
            let slice = SliceId {
                gpu: gpu.pci,
                placement: place(at),
                compute: None,
            };
            self.usage
                .slices
                .insert(slice, Use::Leased("somebody".to_owned()));
        }
    }

    /// The picks in short, or the reason; every choice is checked.
    fn ask(&self, ask: &str) -> String {
        self.ask_with(ask, |_| ())
    }

    fn ask_with(&self, ask: &str, change: fn(&mut GpuView<'_>)) -> String {
        let mut views: Vec<GpuView<'_>> =
            self.gpus.iter().map(|gpu| view(gpu, &self.grid)).collect();
        views.iter_mut().for_each(change);
        match choose(&views, &self.usage, None, &ask.parse().expect("an ask")) {
            Err(none) => none.to_string(),
            Ok(choice) => {
                assert_eq!(check_choice(&views, &self.usage, &choice), []);
                let short: Vec<String> = choice.picks.iter().map(|pick| self.short(pick)).collect();
                short.join(" ")
            }
        }
    }

    fn short(&self, pick: &Pick) -> String {
        let gpu = self
            .gpus
            .iter()
            .position(|gpu| gpu.pci == pick.gpu())
            .expect("a known GPU");
        match pick {
            Pick::Existing {
                name,
                placement,
                compute,
                ..
            } => match compute {
                None => format!("{gpu}={name}@{placement}"),
                Some(part) => format!("{gpu}={name}@{placement}/{part}"),
            },
            Pick::Part {
                name,
                cut,
                enable_mig,
                ..
            } => {
                let mode = if *enable_mig { "!" } else { "" };
                let new = if cut.new_instance { "++" } else { "+" };
                format!("{gpu}{mode}{new}{name}@{}/{}", cut.placement, cut.part)
            }
            Pick::Cut {
                name,
                creation,
                enable_mig,
                ..
            } => {
                let mode = if *enable_mig { "!" } else { "" };
                format!("{gpu}{mode}+{name}@{}", creation.placement)
            }
            Pick::Gpu { disable_mig, .. } => {
                format!("{gpu}{}", if *disable_mig { "!" } else { "" })
            }
            Pick::Share(pick) => format!("{gpu} {} {}", pick.device, pick.share),
        }
    }
}

#[test]
fn a_slice_is_taken_where_it_costs_the_fewest_options() {
    let mut world = World::new(2);
    // Unit 7 serves no 1g, so the last place of one costs least.
    assert_eq!(world.ask("1g.10gb"), "0+1g.10gb@6:1");
    world.add(1, 19, "6:1", true);
    assert_eq!(world.ask("1g.10gb"), "1+1g.10gb@4:1");
    // A half that is started has less to lose for a 1g, but more for a 3g: this order refused the fewest
    // asks of four mixes on eight GPUs, fewer than filling one GPU after the other.
    assert_eq!(world.ask("3g.40gb"), "0+3g.40gb@4:4");
    assert_eq!(world.ask("7g.80gb"), "0+7g.80gb@0:8");
    // A free one that exists goes before any cut.
    world.add(0, 9, "0:4", false);
    assert_eq!(world.ask("3g.40gb"), "0=3g.40gb@0:4");
    assert_eq!(world.ask("3g.40gb:2"), "0=3g.40gb@0:4 0+3g.40gb@4:4");
}

#[test]
fn parts_are_taken_free_then_cut_beside_others_then_in_a_new_instance() {
    let mut world = World::new(2);
    // At its end, so that a 2c still goes beside it.
    assert_eq!(world.ask("1c.3g.40gb"), "0++1c.3g.40gb@4:4/2:1");
    assert_eq!(
        world.ask("1c.3g.40gb:4"),
        "0++1c.3g.40gb@4:4/2:1 0+1c.3g.40gb@4:4/0:1 0+1c.3g.40gb@4:4/1:1 \
         1++1c.3g.40gb@4:4/2:1"
    );
    // One leased and one free part in an instance that kerf divides, and room for a third.
    let profiles = world.gpus[0].profiles.clone();
    let part = |at: &str| (place("4:4"), id(9), Some(place(at)));
    let parts = [part("0:1"), part("2:1")].into_iter().collect();
    world.gpus[0] = super::parts::holding(&profiles, &parts);
    let slice = |text: &str| text.parse::<SliceId>().expect("a slice");
    let leased = slice("0000:10:00.0-4-4-c0-1");
    world
        .usage
        .slices
        .insert(leased, Use::Leased("somebody".to_owned()));
    assert_eq!(world.ask("1c.3g.40gb"), "0=1c.3g.40gb@4:4/2:1");
    assert_eq!(
        world.ask("1c.3g.40gb:2"),
        "0=1c.3g.40gb@4:4/2:1 1++1c.3g.40gb@4:4/2:1",
        "nothing is cut in what somebody else divides"
    );
    world.usage.divisible.insert(leased.whole());
    assert_eq!(
        world.ask("1c.3g.40gb:3"),
        "0=1c.3g.40gb@4:4/2:1 0+1c.3g.40gb@4:4/1:1 1++1c.3g.40gb@4:4/2:1"
    );
    // A divided instance is no whole slice, and whole ones are not given in part.
    assert_eq!(world.ask("3g.40gb"), "1+3g.40gb@4:4");
    assert_eq!(
        world.ask("1c.3g.40gb:13").split(':').next(),
        Some("no room for 1c.3g.40gb")
    );
    assert_eq!(
        world.ask("4c.3g.40gb"),
        "no room for 4c.3g.40gb: GPUs 0, 1: no part 4c.3g.40gb here, 3g.40gb divides into: \
         1c.3g.40gb, 2c.3g.40gb"
    );
}

/// A process keeps its own part; one of which the driver tells only the GPU instance keeps them all.
#[test]
fn a_part_in_use_is_not_free() {
    let mut world = World::new(1);
    let profiles = world.gpus[0].profiles.clone();
    let part = |at: &str| (place("0:4"), id(9), Some(place(at)));
    let parts = [part("0:1"), part("1:1")].into_iter().collect();
    world.gpus[0] = super::parts::holding(&profiles, &parts);
    let process = |ci| GpuProcess {
        pid: 7,
        memory: None,
        gi: Some(super::gi(0)),
        ci,
    };
    world.gpus[0].processes = vec![process(Some(kerf_types::CiId(0)))];
    assert_eq!(world.ask("1c.3g.40gb"), "0=1c.3g.40gb@0:4/1:1");
    world.gpus[0].processes = vec![process(None)];
    assert_eq!(world.ask("1c.3g.40gb"), "0++1c.3g.40gb@4:4/2:1");
}

#[test]
fn several_slices_never_stand_in_each_others_way() {
    let world = World::new(1);
    assert_eq!(
        world.ask("2g.20gb:3"),
        "0+2g.20gb@4:2 0+2g.20gb@0:2 0+2g.20gb@2:2"
    );
    assert_eq!(world.ask("1g.10gb:7").split(' ').count(), 7);
    assert_eq!(
        world.ask("1g.10gb:8"),
        "no room for 1g.10gb:8, only 7 can be had: GPU 0 (0000:10:00.0): it serves 7"
    );
}

#[test]
fn mig_is_turned_on_only_when_nothing_else_has_room() {
    let mut world = World::new(2);
    world.gpus[0].mig_mode = MigMode::Disabled;
    assert_eq!(world.ask("7g.80gb"), "1+7g.80gb@0:8");
    world.add(1, 9, "0:4", true);
    assert_eq!(world.ask("7g.80gb"), "0!+7g.80gb@0:8");
    assert_eq!(
        world.ask_with("7g.80gb", |view| view.may_enable_mig = false),
        "no room for 7g.80gb: GPU 0 (0000:10:00.0): its MIG mode is off; \
         GPU 1 (0000:11:00.0): no legal place for 7g.80gb is free (4 of 8 units are)"
    );
    // Two on one GPU: the mode is changed once.
    assert_eq!(
        world.ask("3g.40gb:3"),
        "1+3g.40gb@4:4 0!+3g.40gb@4:4 0+3g.40gb@0:4"
    );
    // Where the mode needs a reset it is never changed for an ask.
    world.gpus[0].architecture = Architecture::Ampere;
    assert!(world.ask("7g.80gb").contains("its MIG mode is off"));
}

#[test]
fn every_gpu_that_does_not_help_says_why() {
    let mut world = World::new(9);
    world.gpus[0].health = Health::Xid {
        since: Timestamp(0),
        code: 79,
    };
    let whole = world.gpus[1].pci;
    world.usage.gpus.insert(whole, "job 3".to_owned());
    world.gpus[2].mig_mode = MigMode::Unsupported;
    world.gpus[3].mig_mode = MigMode::EnablePending;
    world.gpus[4].mig_mode = MigMode::Disabled;
    world.gpus[4].processes = vec![GpuProcess {
        pid: 5,
        memory: None,
        gi: None,
        ci: None,
    }];
    world.add(5, 20, "0:1", true);
    world.add(6, 0, "0:8", true);
    // An instance without its compute instance is nothing that can be given.
    world.add(7, 20, "0:1", false);
    world.gpus[7].instances[0].compute.clear();
    let asked = world.ask_with("1g.10gb+me", |view| {
        if view.gpu.index == 8 {
            view.closed = Some("cordoned by the operator");
        }
    });
    assert_eq!(
        asked.replace(" (0000:1", " (").replace(":00.0)", ")"),
        "no room for 1g.10gb+me: GPU 0 (0): not well: XID 79 at 1970-01-01T00:00:00.000Z; \
         GPU 1 (1): leased by job 3; GPU 2 (2): it has no MIG; \
         GPU 3 (3): its MIG mode changes at the next reset; GPU 4 (4): used by process 5; \
         GPUs 5, 7: it holds all 1 of 1g.10gb+me that it can; \
         GPU 6 (6): no legal place for 1g.10gb+me is free (0 of 8 units are); \
         GPU 8 (8): cordoned by the operator"
    );
    let mut carrying = World::new(1);
    let pci = carrying.gpus[0].pci;
    carrying
        .usage
        .vgpus
        .insert(pci, "vGPU 0000:10:00.4".to_owned());
    for ask in ["1g.10gb", "gpu"] {
        assert!(carrying.ask(ask).ends_with("it carries vGPUs"), "{ask}");
    }
    assert_eq!(
        World::new(0).ask("gpu"),
        "no room for gpu:1: this host has no GPU"
    );
    assert!(World::new(1).ask("5g.40gb").contains("nearest is 4g.40gb"));
}

#[test]
fn whole_gpus_come_from_one_numa_node_and_keep_their_mode() {
    let mut world = World::new(8);
    for gpu in &mut world.gpus {
        gpu.mig_mode = MigMode::Disabled;
    }
    assert_eq!(world.ask("gpu:2"), "0 1");
    world.gpus[0].processes = vec![GpuProcess {
        pid: 5,
        memory: None,
        gi: None,
        ci: None,
    }];
    // The tighter node, so that four on the other stay together.
    assert_eq!(world.ask("gpu:2"), "1 2");
    assert_eq!(world.ask("gpu:4"), "4 5 6 7");
    assert_eq!(world.ask("gpu:5"), "4 5 6 7 1");
    // One with MIG on and empty is taken only where it must be.
    world.gpus[1].mig_mode = MigMode::Enabled;
    assert_eq!(world.ask("gpu:2"), "2 3");
    assert_eq!(world.ask("gpu:7"), "4 5 6 7 2 3 1!");
    assert!(
        world
            .ask_with("gpu:7", |view| view.may_disable_mig = false)
            .contains("only 6 can be had")
    );
    world.gpus[1].mig_mode = MigMode::Enabled;
    world.add(1, 19, "0:1", false);
    assert!(
        world
            .ask("gpu:7")
            .contains("GPU 1 (0000:11:00.0): it is cut into 1 instances")
    );
}

#[test]
fn a_capability_gets_the_smallest_that_has_it() {
    let mut world = World::new(1);
    assert_eq!(world.ask("fp8"), "0+1g.10gb@6:1");
    assert_eq!(world.ask("memory>=15GiB,fp8"), "0+1g.20gb@6:2");
    assert_eq!(world.ask("memory>=20GiB"), "0+3g.40gb@4:4");
    world.add(0, 15, "6:2", true);
    world.add(0, 14, "4:2", true);
    // No 4-unit slice at 4:4 any more; the other half serves.
    assert_eq!(world.ask("memory>=20GiB"), "0+3g.40gb@0:4");
    world.add(0, 9, "0:4", true);
    assert_eq!(
        world.ask("memory>=20GiB"),
        "no room for memory>=20GiB: GPU 0 (0000:10:00.0): \
         no legal place for 3g.40gb is free (0 of 8 units are)"
    );
    assert!(
        world
            .ask("fp4")
            .contains("GPU 0 (0000:10:00.0): it lacks fp4")
    );
    assert!(
        world
            .ask("memory>=200GiB")
            .contains("it lacks 200GiB of memory")
    );
    // Where no slice is large enough, a whole GPU is.
    let mut whole = World::new(1);
    whole.gpus[0].mig_mode = MigMode::Disabled;
    assert_eq!(whole.ask("memory>=80GiB"), "0");
}
