//! Rules whose slices are split over their GPUs: against trying all, twice in a row, as shares, and every lie about
//! them.

use kerf_types::layout::{GpuSelector, Layout, LayoutRule};
use kerf_types::{MigMode, SliceId};

use super::host::{World, rule};
use super::split::small_families;
use super::wishes::{holds, lease, refused};
use super::{end_state, place, profiles};
use crate::check::Violation;
use crate::families::some_profiles;
use crate::host::{HostPlan, Use, settled};
use crate::hosts::{Draw, Family, Host};
use crate::machine::{self, Random};

fn together(gpus: &[GpuSelector], slices: &[(&str, u32)]) -> LayoutRule {
    LayoutRule {
        together: true,
        ..rule(gpus, true, slices)
    }
}

/// The world of a host of two or three, in which pinned instances are leased.
fn world_of(host: &Host<'_>) -> World {
    let slices: Vec<(&str, u32)> = host
        .want
        .iter()
        .map(|(name, count)| (name.as_str(), *count))
        .collect();
    let mut world = World::new(vec![together(&[GpuSelector::All], &slices)]);
    world.inventory.gpus = host.members.iter().map(|one| one.gpu.clone()).collect();
    for member in &host.members {
        for pin in member.current.iter().filter(|one| one.pinned) {
            let slice = SliceId {
                gpu: member.gpu.pci,
                placement: pin.placement,
                compute: None,
            };
            world.usage.slices.insert(slice, Use::Unknown);
        }
    }
    world
}

/// The same GPUs when the plan is done.
fn done(host: &Host<'_>, plan: &HostPlan) -> World {
    let mut world = world_of(host);
    for (gpu, change) in world.inventory.gpus.iter_mut().zip(&plan.gpus) {
        gpu.instances.clear();
        for (placement, profile) in end_state(&change.plan) {
            machine::add(gpu, profile, placement);
        }
    }
    world
}

fn random_host<'f>(families: &'f [Family], random: &mut Random) -> Host<'f> {
    let some: Vec<&Family> = (0..2)
        .map(|_| &families[random.below(families.len())])
        .collect();
    let draw = Draw {
        requests: 2,
        weights: 0,
        pins: 5,
        surplus: [0, 3][random.below(2)],
    };
    Host::random(&some, draw, random)
}

#[test]
fn two_gpus_are_cut_as_well_as_any_split_and_then_stay() {
    let families = small_families();
    let mut random = Random(31);
    let mut feasible = 0;
    for _ in 0..120 {
        let host = random_host(&families, &mut random);
        let (world, best) = (world_of(&host), host.best());
        let plan = match (world.plan(), best) {
            (Ok(plan), Some(best)) => {
                assert_eq!((plan.cost, plan.lower_bound), (best.cost, best.cost));
                let states = plan.gpus.iter().map(|change| end_state(&change.plan));
                assert!(states.eq(best.states), "{:?}", host.want);
                assert!(plan.proof);
                plan
            }
            (Err(_), None) => continue,
            (plan, best) => panic!("{:?}: planned {plan:?}, best {best:?}", host.want),
        };
        if host.want.is_empty() {
            continue;
        }
        feasible += 1;
        let mut after = done(&host, &plan);
        assert!(after.plan().expect("it is there").is_empty());
        // The shares are there as well, and come back alone on empty GPUs.
        let layout = Layout {
            rules: after.rules.clone(),
        };
        after.rules = settled(&layout, &plan, &world.inventory).rules;
        assert_eq!(after.rules.len(), 2);
        assert!(after.plan().expect("it is there").is_empty());
        after.usage.slices.clear();
        for gpu in &mut after.inventory.gpus {
            gpu.instances.clear();
        }
        let again = after.plan().expect("the shares fit");
        let targets = again.gpus.iter().map(|change| &change.target);
        assert!(targets.eq(plan.gpus.iter().map(|change| &change.target)));
    }
    assert!((30..110).contains(&feasible), "{feasible}");
}

#[test]
fn a_refusal_says_what_is_in_the_way() {
    let all = [GpuSelector::All];
    let refused = |world: &World| world.plan().expect_err("a refusal");
    let mut dark = World::new(vec![together(&all, &[("3g.40gb", 2)])]);
    dark.gpu(0).mig_mode = MigMode::Disabled;
    dark.gpu(0).instances.clear();
    dark.gpu(0).profiles.clear();
    assert_eq!(
        refused(&dark),
        "rule 1 splits slices over GPUs, and the driver tells of no profile of GPU 0 (0000:10:00.0) while its MIG \
         mode is off: turn MIG on there first"
    );
    // The other one tells them for both.
    let lit = World::new(vec![together(&all, &[("3g.40gb", 2), ("7g.80gb", 1)])]);
    let plan = lit.plan().expect("one GPU for each");
    assert_eq!((plan.cost, plan.gpus.len(), plan.together.len()), (0, 2, 1));
    assert!(plan.gpus[0].plan.is_empty());

    let unknown = World::new(vec![together(&all, &[("3g.41gb", 1), ("9g.40gb", 1)])]);
    let text = refused(&unknown);
    assert!(
        text.contains("rule 1 cannot be read for GPU 0") && text.contains("9g.40gb"),
        "{text}"
    );
    let much = World::new(vec![together(&all, &[("7g.80gb", 3)])]);
    assert_eq!(
        refused(&much),
        "the slices of rule 1 cannot be had on GPUs 0 (0000:10:00.0), 1 (0000:11:00.0) together: 7g.80gb x3: at most \
         2 fit on the GPUs given"
    );
    let mut leased = World::new(vec![together(&all, &[("4g.40gb", 2)])]);
    leased.lease("0:4", Use::Leased("job 7".to_owned()));
    assert_eq!(
        refused(&leased),
        "the layout would destroy slice 0000:10:00.0-0-4 (3g.40gb), which is leased by job 7"
    );
    leased.rules = vec![together(&all, &[("3g.40gb", 1), ("7g.80gb", 2)])];
    // It would not fit if nobody used anything, so that nobody is named to be waited for.
    let text = refused(&leased);
    assert!(!text.contains("beside what is in use"), "{text}");
    let each = [("3g.40gb", 1), ("4g.40gb", 1), ("7g.80gb", 1)];
    let mut leased = World::new(vec![together(&all, &each)]);
    leased.lease("0:4", Use::Leased("job 7".to_owned()));
    // A 4g lies at 0:4 alone.
    let text = refused(&leased);
    let words = "together beside what is in use: 0000:10:00.0-0-4 leased by job 7";
    assert!(text.contains(words), "{text}");
    // A sick GPU that nobody named is left out, and the whole wish goes to the others.
    let mut sick = World::new(vec![together(&all, &[("3g.40gb", 2)])]);
    sick.gpu(1).health = kerf_types::Health::Lost {
        since: kerf_types::Timestamp(0),
    };
    let plan = sick.plan().expect("GPU 0 has both");
    assert!(plan.is_empty() && plan.skipped.len() == 1);
}

/// Whole instances alone are split: parts that nobody uses give way, those in use refuse the rule by their name.
#[test]
fn parts_are_not_split() {
    let all = [GpuSelector::All];
    let part = together(&all, &[("3g.40gb", 1), ("1c.3g.40gb", 2)]);
    refused(
        &World::new(vec![part]),
        "the slices of rule 1 cannot be had on GPUs 0 (0000:10:00.0), 1 (0000:11:00.0) together: 1c.3g.40gb names a \
         part of a GPU instance, only whole ones are split over GPUs",
    );
    // The one that fills its instance is the instance.
    let filling = World::new(vec![together(&all, &[("3c.3g.40gb", 2)])]);
    let plan = filling.plan().expect("both are there");
    assert!(plan.cost == 0 && plan.gpus[0].steps.is_empty());
    let divided = [(9, "0:4"), (9, "4:4/0:1"), (9, "4:4/1:1")];
    let mut world = holds(together(&all, &[("3g.40gb", 1)]), &divided);
    let plan = world.plan().expect("nobody uses the parts");
    assert_eq!((plan.cost, plan.proof), (2, true));
    assert_eq!(plan.gpus[0].parts.len(), 0);
    lease(&mut world, "4-4-c1-1");
    let in_use = "the layout would destroy slice 0000:10:00.0-4-4-c1-1 (1c.3g.40gb), which is leased by job 7";
    refused(&world, in_use);
    // A whole one that is wanted is no home for the part.
    world.rules = vec![together(&all, &[("3g.40gb", 2)])];
    refused(&world, in_use);
    let uuid = world.gpu(0).instances[1].compute[1].uuid.clone();
    world.usage.forced.insert(uuid);
    let plan = world.plan().expect("it was given up by name");
    assert_eq!((plan.cost, plan.proof), (1_001, true));
}

#[test]
fn families_are_mixed_and_other_rules_stand_beside() {
    let one = GpuSelector::Index(2);
    let both = [GpuSelector::Index(0), GpuSelector::Index(1)];
    let mut world = World::new(vec![
        rule(std::slice::from_ref(&one), true, &[("7g.80gb", 1)]),
        together(&both, &[("1g.10gb", 7), ("1g.6gb", 2), ("2g.12gb", 1)]),
    ]);
    *world.gpu(1) = machine::gpu(1, &profiles("a30-24gb"));
    world
        .inventory
        .gpus
        .push(machine::gpu(2, &profiles("h100-80gb")));
    world.gpu(0).instances.clear();
    let plan = world.plan().expect("each name has its GPU");
    let counts = plan.gpus.iter().map(|change| change.target.values().sum());
    assert_eq!(counts.collect::<Vec<u32>>(), [7, 3, 1]);
    let layout = Layout {
        rules: world.rules.clone(),
    };
    let shares = settled(&layout, &plan, &world.inventory);
    assert_eq!(shares.rules.len(), 3);
    assert_eq!(shares.rules[0], world.rules[0]);
    let pci = GpuSelector::Pci(world.inventory.gpus[1].pci);
    let wanted = rule(&[pci], true, &[("1g.6gb", 2), ("2g.12gb", 1)]);
    assert_eq!(shares.rules[2], wanted);
}

/// One lie; whether it could be told of this plan.
type Mutant = fn(&mut HostPlan) -> bool;

const MUTANTS: [(&str, Mutant); 10] = [
    ("the split is not told", |plan| {
        plan.together.clear();
        true
    }),
    ("the split is told twice", |plan| {
        let one = plan.together[0].clone();
        plan.together.push(one);
        true
    }),
    ("a GPU is missing of it", |plan| {
        plan.together[0].gpus.pop();
        true
    }),
    ("it is another rule's", |plan| {
        plan.together[0].rule += 1;
        true
    }),
    ("it costs more than it says", |plan| {
        plan.together[0].cost += 1;
        plan.cost += 1;
        true
    }),
    ("its bound is above its cost", |plan| {
        plan.together[0].lower_bound += 1;
        plan.lower_bound += 1;
        true
    }),
    ("the proof of the host is not its own", |plan| {
        plan.proof = !plan.proof;
        true
    }),
    ("a share holds one more than its GPU", |plan| {
        let target = &mut plan.gpus[0].target;
        let Some(count) = target.values_mut().next() else {
            return false;
        };
        *count += 1;
        true
    }),
    ("a share has a part", |plan| {
        plan.gpus[0].parts.insert((kerf_types::ProfileId(9), 1), 1);
        true
    }),
    ("one that was to be made is not, with its share", |plan| {
        for change in &mut plan.gpus {
            let Some(gone) = change.plan.create.pop() else {
                continue;
            };
            change.steps = change.plan.steps(change.pci);
            change
                .diff
                .retain(|line| line.placement != gone.placement || line.uuid.is_some());
            *change.target.entry(gone.profile).or_default() -= 1;
            change.target.retain(|_, count| *count > 0);
            return true;
        }
        false
    }),
];

#[test]
fn every_lie_about_a_split_is_found() {
    let families = [Family::new(some_profiles("h100-80gb", &[19, 15, 9, 5]))];
    let mut random = Random(5);
    let mut told = [0; MUTANTS.len()];
    for _ in 0..30 {
        let world = world_of(&random_host(&families, &mut random));
        let Ok(plan) = world.plan() else {
            continue;
        };
        for ((name, mutant), told) in MUTANTS.iter().zip(&mut told) {
            let mut lie = plan.clone();
            if mutant(&mut lie) {
                *told += 1;
                let found = world.violations(&lie);
                assert!(!found.is_empty(), "{name}");
            }
        }
    }
    assert!(told.iter().all(|count| *count > 5), "{told:?}");
}

#[test]
fn a_split_that_disturbs_more_than_another_is_found() {
    // Both GPUs are said to change places: the counts are right, and each costs what it says.
    let slices = [("3g.40gb", 2), ("7g.80gb", 1)];
    let world = World::new(vec![together(&[GpuSelector::All], &slices)]);
    let mut swapped = world.inventory.clone();
    swapped.gpus[0].instances.clear();
    let other = World {
        inventory: swapped,
        ..World::new(vec![
            rule(&[GpuSelector::Index(0)], true, &[("7g.80gb", 1)]),
            rule(&[GpuSelector::Index(1)], true, &[("3g.40gb", 2)]),
        ])
    };
    let right = world.plan().expect("a plan");
    let mut wrong = other.plan().expect("a plan");
    assert!(place("0:4").size == 4 && right.cost == 0);
    let live = &world.inventory.gpus[0];
    let first = &mut wrong.gpus[0];
    for instance in &live.instances {
        let gone = crate::host::existing(live, instance, 1, false);
        first.plan.destroy.push(gone);
    }
    first.plan.cost = 2;
    first.plan.lower_bound = 2;
    first.steps = first.plan.steps(first.pci);
    (wrong.cost, wrong.lower_bound) = (2, 2);
    wrong.together.clone_from(&right.together);
    (wrong.together[0].cost, wrong.together[0].lower_bound) = (2, 2);
    let found = world.violations(&wrong);
    let bound = Violation::Claim("the bound of all GPUs");
    assert!(found.iter().any(|(_, one)| *one == bound), "{found:?}");
}
