//! Shares: who gets which, why nobody does, and how a layout changes them; and mutants of right answers.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use kerf_types::inventory::GpuProcess;
use kerf_types::layout::{GpuSelector, LayoutRule};
use kerf_types::sharing::{Interval, Mps, Sharing, SharingMode, TimeSlice};
use kerf_types::{Bytes, DeviceId, Gpu, Health, MigMode, SliceId, Timestamp};

use super::host::rule;
use super::{Grid, id, place, profiles, view};
use crate::choose::{GpuView, Pick, choose};
use crate::host::{SharedGpu, Usage, Use};
use crate::machine;

mod layouts;
mod mutants;

/// MPS with these limits.
fn mps(clients: u32, memory_gib: Option<u64>) -> Sharing {
    Sharing::Mps(Mps {
        clients: NonZeroU32::new(clients).expect("a client"),
        threads: None,
        memory: memory_gib.map(|gib| Bytes(gib << 30)),
    })
}

fn time_slices(replicas: u32) -> Sharing {
    Sharing::TimeSlice(TimeSlice {
        replicas: NonZeroU32::new(replicas).expect("a replica"),
        interval: Interval::Long,
    })
}

/// GPU 0 is whole and MIG is off on it, GPU 1 has a 3g at each end, GPU 2 is whole and not shared.
struct World {
    grid: Grid,
    gpus: Vec<Gpu>,
    usage: Usage,
}

impl World {
    fn new() -> Self {
        let profiles = profiles("h100-80gb");
        let mut gpus: Vec<Gpu> = (0..3).map(|at| machine::gpu(at, &profiles)).collect();
        gpus[0].mig_mode = MigMode::Disabled;
        gpus[2].mig_mode = MigMode::Disabled;
        machine::add(&mut gpus[1], id(9), place("0:4"));
        machine::add(&mut gpus[1], id(9), place("4:4"));
        Self {
            grid: Grid::from_profiles(&profiles).expect("a grid"),
            gpus,
            usage: Usage::default(),
        }
    }

    fn shared(mut self, gpu: usize, sharing: Sharing) -> Self {
        let pci = self.gpus[gpu].pci;
        self.usage.shared.insert(pci, SharedGpu::new(sharing));
        self
    }

    /// Gives places on a device, as the host says it: by place, and as a use of the whole.
    fn taken(mut self, device: DeviceId, places: &[u32]) -> Self {
        let shared = self.usage.shared.get_mut(&device.gpu());
        let taken = &mut shared.expect("a shared GPU").taken;
        taken.insert(device, places.iter().copied().collect());
        let by = "container 0".to_owned();
        match device {
            DeviceId::Gpu(gpu) => drop(self.usage.gpus.insert(gpu, by)),
            DeviceId::Slice(slice) => {
                drop(self.usage.slices.insert(slice, Use::Leased(by)));
            }
        }
        self
    }

    fn views(&self) -> Vec<GpuView<'_>> {
        self.gpus.iter().map(|gpu| view(gpu, &self.grid)).collect()
    }

    fn pick(&self, ask: &str) -> crate::Choice {
        let ask = ask.parse().expect("an ask");
        choose(&self.views(), &self.usage, None, &ask).expect("a place")
    }

    /// The pick in short, or the reason; every choice is checked.
    fn ask(&self, ask: &str) -> String {
        match choose(
            &self.views(),
            &self.usage,
            None,
            &ask.parse().expect("an ask"),
        ) {
            Err(none) => none.to_string(),
            Ok(choice) => {
                let found = crate::check::check_choice(&self.views(), &self.usage, &choice);
                assert_eq!(found, []);
                match choice.picks.as_slice() {
                    [Pick::Share(pick)] => format!("{} {}", pick.device, pick.share),
                    other => format!("{other:?}"),
                }
            }
        }
    }
}

fn whole(gpu: u8) -> DeviceId {
    DeviceId::Gpu(format!("0000:1{gpu}:00.0").parse().expect("an address"))
}

fn slice(place: &str) -> DeviceId {
    DeviceId::Slice(slice_id(place))
}

fn slice_id(place: &str) -> SliceId {
    format!("0000:11:00.0-{place}").parse().expect("a slice")
}

#[test]
fn a_share_goes_to_the_emptiest_device_of_the_kind() {
    let world = World::new()
        .shared(0, mps(4, Some(18)))
        .shared(1, mps(2, None));
    assert_eq!(world.ask("gpu,mps"), "0000:10:00.0 mps 1/4");
    assert_eq!(world.ask("3g.40gb,mps"), "0000:11:00.0-0-4 mps 1/2");
    // Of all that serve the smallest.
    assert_eq!(world.ask("bf16,mps"), "0000:11:00.0-0-4 mps 1/2");
    assert_eq!(world.ask("memory>=10GiB,mps"), "0000:10:00.0 mps 1/4");
    let world = world.taken(whole(0), &[0, 1, 3]).taken(slice("0-4"), &[1]);
    assert_eq!(world.ask("gpu,mps"), "0000:10:00.0 mps 3/4");
    assert_eq!(world.ask("3g.40gb,mps"), "0000:11:00.0-4-4 mps 1/2");
    let world = world.taken(slice("4-4"), &[0, 1]);
    assert_eq!(world.ask("3g.40gb,mps"), "0000:11:00.0-0-4 mps 1/2");
    let world = World::new().shared(0, time_slices(2));
    assert_eq!(world.ask("gpu,time-slice"), "0000:10:00.0 time-slice 1/2");
}

#[test]
fn a_part_of_an_instance_can_be_shared_too() {
    let mut world = World::new().shared(1, mps(2, Some(12)));
    let part = |at: &str| (place("4:4"), id(9), Some(place(at)));
    let parts = [part("0:1"), part("2:1")].into_iter().collect();
    let mut gpu = super::parts::holding(&world.gpus[1].profiles, &parts);
    (gpu.pci, gpu.index) = (world.gpus[1].pci, 1);
    world.gpus[1] = gpu;
    assert_eq!(world.ask("1c.3g.40gb,mps"), "0000:11:00.0-4-4-c0-1 mps 1/2");
    assert_eq!(
        world.ask("3g.40gb,mps"),
        "no room for 3g.40gb,mps: GPUs 0, 2: it is not shared by mps; \
         GPU 1 (0000:11:00.0): it has no slice 3g.40gb to share"
    );
    // The two parts share one memory of 39.5 GiB, of which two clients of each part can count on a quarter.
    assert_eq!(
        world.ask("memory>=9GiB,mps"),
        "0000:11:00.0-4-4-c0-1 mps 1/2"
    );
    let more = world.ask("memory>=11GiB,mps");
    assert!(
        more.contains("it lacks a share to which 11GiB of memory are promised"),
        "{more}"
    );
}

#[test]
fn what_is_shared_is_given_in_no_other_way_and_nothing_else_as_a_share() {
    let world = World::new().shared(0, mps(4, None)).shared(1, mps(2, None));
    assert_eq!(
        world.ask("gpu:2"),
        "no room for gpu:2, only 1 can be had: \
         GPUs 0, 1: it is shared by mps, which an ask gets by that word alone; \
         GPU 2 (0000:12:00.0): it serves 1"
    );
    let on_shared =
        |answer: String| answer.contains("0000:10:00.0") || answer.contains("0000:11:00.0");
    assert!(!on_shared(world.ask("3g.40gb")) && !on_shared(world.ask("1c.3g.40gb")));
    assert!(!on_shared(world.ask("memory>=20GiB")) && !on_shared(world.ask("gpu")));
    assert_eq!(
        world.ask("gpu,time-slice"),
        "no room for gpu,time-slice: GPUs 0, 1, 2: it is not shared by time-slice"
    );
    assert_eq!(
        world.ask("1g.10gb,mps"),
        "no room for 1g.10gb,mps: GPU 0 (0000:10:00.0): its MIG mode is off; \
         GPU 1 (0000:11:00.0): it has no slice 1g.10gb to share; \
         GPU 2 (0000:12:00.0): it is not shared by mps"
    );
}

#[test]
fn memory_is_promised_within_its_limit_alone() {
    let world = World::new().shared(0, mps(4, Some(18)));
    assert_eq!(world.ask("memory>=18GiB,fp8,mps"), "0000:10:00.0 mps 1/4");
    for (sharing, ask, why) in [
        (
            mps(4, Some(18)),
            "memory>=19GiB,mps",
            "it lacks a share to which 19GiB of memory are promised",
        ),
        // Four of 40 GiB would be more than there is.
        (
            mps(4, Some(40)),
            "memory>=21GiB,mps",
            "it lacks a share to which 21GiB of memory are promised",
        ),
        (
            mps(4, None),
            "memory>=1GiB,mps",
            "its mps clients have no limit of memory, so none is promised to any of them",
        ),
        (
            time_slices(2),
            "memory>=1GiB,time-slice",
            "a time slice has no limit of memory, so none is promised to anybody",
        ),
        (mps(4, None), "fp4,mps", "it lacks fp4"),
    ] {
        let answer = World::new().shared(0, sharing).ask(ask);
        assert!(answer.contains(why), "{answer}");
    }
}

#[test]
fn nobody_gets_more_places_than_there_are_nor_one_that_does_not_work() {
    let full = World::new()
        .shared(0, mps(2, None))
        .taken(whole(0), &[0, 1]);
    assert!(
        full.ask("gpu,mps")
            .contains("GPU 0 (0000:10:00.0): all of its 2 places are taken")
    );
    let mut resting = World::new().shared(0, mps(2, None));
    let shared = resting.usage.shared.values_mut().next().expect("one");
    shared
        .resting
        .insert(whole(0), "its daemon has crashed".to_owned());
    assert!(
        resting
            .ask("gpu,mps")
            .contains("GPU 0 (0000:10:00.0): its daemon has crashed")
    );
    let mut half = World::new().shared(0, mps(2, None));
    let pick = half.pick("gpu,mps");
    let shared = half.usage.shared.values_mut().next().expect("one");
    shared.settled = false;
    assert!(half.ask("gpu,mps").contains("half set up"));
    let found = crate::check::check_choice(&half.views(), &half.usage, &pick);
    assert!(!found.is_empty(), "no place of it is free");
    let mut sick = World::new().shared(0, mps(2, None));
    let since = Timestamp(0);
    sick.gpus[0].health = Health::Lost { since };
    assert!(sick.ask("gpu,mps").contains("not well: lost since"));
    // Somebody whom nobody knows is on it; with a lease there the process is that lease's.
    let mut used = World::new().shared(0, mps(2, None));
    used.gpus[0].processes = vec![GpuProcess {
        pid: 7,
        memory: None,
        gi: None,
        ci: None,
    }];
    assert!(used.ask("gpu,mps").contains("used by process 7"));
    let used = used.taken(whole(0), &[0]);
    assert_eq!(used.ask("gpu,mps"), "0000:10:00.0 mps 2/2");
    // Leased as a whole, which nobody should be able to have.
    let mut leased = World::new().shared(0, mps(2, None));
    leased
        .usage
        .gpus
        .insert(leased.gpus[0].pci, "job 1".to_owned());
    assert!(leased.ask("gpu,mps").contains("leased by job 1"));
}
