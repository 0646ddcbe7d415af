//! Seeded mutants of right shares and of right plans: each is wrong in one way, and all are caught.

use super::super::host::World as Layouts;
use super::*;
use crate::SharePick;
use crate::check::check_choice;
use crate::choose::Choice;
use crate::host::HostPlan;
use crate::machine::Random;

type Mutant<T> = (&'static str, fn(&mut T, &mut World, &mut Random) -> bool);

const PICKS: &[Mutant<SharePick>] = &[
    ("a place that is taken", |pick, world, random| {
        let taken = crate::host::taken(&world.usage, pick.device.gpu(), pick.device);
        let taken: Vec<u32> = taken.into_iter().collect();
        if taken.is_empty() {
            return false;
        }
        pick.share.index = *random.pick(&taken);
        true
    }),
    ("a place beyond the last", |pick, _, random| {
        let more = u32::try_from(random.below(3)).expect("small");
        pick.share.index = pick.share.of + more;
        true
    }),
    ("another count of places", |pick, _, _| {
        pick.share.of += 1;
        true
    }),
    ("the other way", |pick, _, _| {
        pick.share.mode = match pick.share.mode {
            SharingMode::Mps => SharingMode::TimeSlice,
            SharingMode::TimeSlice => SharingMode::Mps,
        };
        true
    }),
    ("a GPU that is not shared", |pick, _, _| {
        pick.device = whole(2);
        true
    }),
    ("the whole of a GPU that is cut", |pick, _, _| {
        let is_cut = pick.device.gpu() == whole(1).gpu();
        pick.device = DeviceId::Gpu(pick.device.gpu());
        is_cut
    }),
    ("a slice that is not there", |pick, _, _| {
        pick.device = slice("0-2");
        true
    }),
    ("a slice of a GPU without MIG", |pick, world, _| {
        world.gpus[1].mig_mode = MigMode::Disabled;
        matches!(pick.device, DeviceId::Slice(_))
    }),
    ("a device that does not work", |pick, world, _| {
        let shared = world.usage.shared.get_mut(&pick.device.gpu());
        let resting = &mut shared.expect("shared").resting;
        resting.insert(pick.device, "it crashes".to_owned());
        true
    }),
    ("a sick GPU", |pick, world, _| {
        let mut gpus = world.gpus.iter_mut();
        let gpu = gpus.find(|gpu| gpu.pci == pick.device.gpu());
        let since = Timestamp(0);
        gpu.expect("a GPU").health = Health::Lost { since };
        true
    }),
    ("a device that somebody has whole", |pick, world, _| {
        let shared = world.usage.shared.get_mut(&pick.device.gpu());
        shared.expect("shared").taken.clear();
        let by = "job 1".to_owned();
        match pick.device {
            DeviceId::Gpu(gpu) => drop(world.usage.gpus.insert(gpu, by)),
            DeviceId::Slice(slice) => {
                drop(world.usage.slices.insert(slice, Use::Leased(by)));
            }
        }
        true
    }),
];

/// A world with some places taken.
fn random_world(random: &mut Random) -> World {
    let whole_sharing = *random.pick(&[mps(4, Some(18)), mps(2, None), time_slices(3)]);
    let mut world = World::new()
        .shared(0, whole_sharing)
        .shared(1, mps(3, Some(4)));
    for device in [whole(0), slice("0-4"), slice("4-4")] {
        let of = world.usage.shared[&device.gpu()].sharing.places();
        let taken: Vec<u32> = (0..of).filter(|_| random.below(2) == 0).collect();
        if !taken.is_empty() {
            world = world.taken(device, &taken);
        }
    }
    world
}

#[test]
fn every_mutant_of_a_share_is_caught() {
    let mut random = Random(11);
    let mut tried: BTreeMap<&str, u32> = BTreeMap::new();
    for _ in 0..300 {
        for (name, mutant) in PICKS {
            let mut world = random_world(&mut random);
            let asks = [
                "gpu,mps",
                "gpu,time-slice",
                "3g.40gb,mps",
                "memory>=4GiB,mps",
            ];
            let ask = random.pick(&asks).parse().expect("an ask");
            let Ok(choice) = choose(&world.views(), &world.usage, None, &ask) else {
                continue;
            };
            assert_eq!(check_choice(&world.views(), &world.usage, &choice), []);
            let &[Pick::Share(mut pick)] = choice.picks.as_slice() else {
                panic!("{choice:?}");
            };
            if !mutant(&mut pick, &mut world, &mut random) {
                continue;
            }
            *tried.entry(name).or_default() += 1;
            let picks = vec![Pick::Share(pick)];
            let found = check_choice(&world.views(), &world.usage, &Choice { picks });
            assert_ne!(found, [], "{name}: {pick:?}");
        }
    }
    assert_eq!(tried.len(), PICKS.len(), "{tried:?}");
    assert!(tried.values().all(|count| *count > 20), "{tried:?}");
}

#[test]
fn one_place_is_not_given_twice_nor_a_shared_gpu_as_a_whole() {
    let world = World::new().shared(0, mps(4, None));
    let ask = "gpu,mps".parse().expect("an ask");
    let choice = choose(&world.views(), &world.usage, None, &ask).expect("a share");
    let twice = [choice.picks.clone(), choice.picks.clone()].concat();
    assert_ne!(
        check_choice(&world.views(), &world.usage, &Choice { picks: twice }),
        []
    );
    let gpu = &world.gpus[0];
    let all = Pick::Gpu {
        gpu: gpu.pci,
        uuid: gpu.uuid.clone(),
        disable_mig: false,
    };
    let picks = vec![all];
    assert_ne!(
        check_choice(&world.views(), &world.usage, &Choice { picks }),
        []
    );
}

type PlanMutant = (&'static str, fn(&mut HostPlan, &mut Layouts) -> bool);

const PLANS: &[PlanMutant] = &[
    ("a change is left out", |plan, _| {
        plan.sharing.pop().is_some()
    }),
    ("a change is there twice", |plan, _| {
        plan.sharing.extend(plan.sharing.clone());
        !plan.sharing.is_empty()
    }),
    ("another way begins", |plan, _| {
        let first = plan.sharing.first_mut();
        first.is_some_and(|change| change.to.replace(mps(7, None)) != Some(mps(7, None)))
    }),
    ("another way is said to end", |plan, _| {
        let first = plan.sharing.first_mut();
        first.is_some_and(|change| change.from.replace(time_slices(9)).is_none())
    }),
    ("more clients than the slice serves", |plan, world| {
        let (Some(change), [rule]) = (plan.sharing.first_mut(), world.rules.as_mut_slice()) else {
            return false;
        };
        if !matches!(change.to, Some(Sharing::Mps(_))) {
            return false;
        }
        let one_too_many = if rule.mig_enabled { 21 } else { 49 };
        change.to = Some(mps(one_too_many, None));
        rule.sharing = change.to;
        true
    }),
    ("it changes although it is so", |plan, world| {
        let changes = std::mem::take(&mut plan.sharing);
        for change in &changes {
            let shared = change.to.map(SharedGpu::new);
            world.usage.shared.remove(&change.gpu.pci);
            world
                .usage
                .shared
                .extend(shared.map(|shared| (change.gpu.pci, shared)));
        }
        plan.sharing = changes;
        !plan.sharing.is_empty()
    }),
    ("it changes under a lease", |plan, world| {
        let first = plan.sharing.first();
        let leased = first.map(|change| (change.gpu.pci, "job 1".to_owned()));
        world.usage.gpus.extend(leased);
        !plan.sharing.is_empty()
    }),
    ("it changes under a process", |plan, world| {
        let first = plan.sharing.first();
        let Some(change) = first else { return false };
        let mut gpus = world.inventory.gpus.iter_mut();
        let gpu = gpus.find(|gpu| gpu.pci == change.gpu.pci);
        gpu.expect("a GPU").processes = vec![GpuProcess {
            pid: 7,
            memory: None,
            gi: None,
            ci: None,
        }];
        true
    }),
];

#[test]
fn every_mutant_of_a_change_is_caught() {
    let two = [("3g.40gb", 2)];
    let layouts = || {
        let shared = |sharing| LayoutRule {
            sharing,
            ..rule(&[GpuSelector::Index(1)], false, &[])
        };
        let cut = LayoutRule {
            sharing: Some(mps(4, None)),
            ..rule(&[GpuSelector::Index(0)], true, &two)
        };
        [
            shared(Some(mps(4, None))),
            shared(Some(time_slices(2))),
            shared(None),
            cut,
        ]
    };
    for (name, mutant) in PLANS {
        let mut tried = 0;
        for wanted in layouts() {
            for now in [None, Some(mps(2, None))] {
                let mut world = Layouts::new(vec![wanted.clone()]);
                let gpus = world.inventory.gpus.iter();
                let shared = gpus.filter_map(|gpu| Some((gpu.pci, SharedGpu::new(now?))));
                world.usage.shared = shared.collect();
                let mut plan = world.plan().expect("a plan");
                if !mutant(&mut plan, &mut world) {
                    continue;
                }
                tried += 1;
                assert_ne!(world.violations(&plan), [], "{name}: {:?}", plan.sharing);
            }
        }
        assert!(tried > 0, "{name}");
    }
}
