//! Layouts that begin, change and end sharing.

use super::super::host::World as Layouts;
use super::*;

fn shared_rule(
    gpu: u32,
    mig: bool,
    slices: &[(&str, u32)],
    sharing: Option<Sharing>,
) -> LayoutRule {
    LayoutRule {
        sharing,
        ..rule(&[GpuSelector::Index(gpu)], mig, slices)
    }
}

/// What a layout does to the sharing of its GPUs, checked, or the reason against it.
fn plan(rules: Vec<LayoutRule>, change: impl FnOnce(&mut Layouts)) -> Result<String, String> {
    let mut world = Layouts::new(rules);
    change(&mut world);
    let plan = world.plan()?;
    let one = |change: &crate::host::SharingChange| {
        let words = |sharing: Option<Sharing>| {
            sharing.map_or("not".to_owned(), |sharing| sharing.to_string())
        };
        let (from, to) = (words(change.from), words(change.to));
        format!("{}: {from} -> {to}", change.gpu.index)
    };
    let all: Vec<String> = plan.sharing.iter().map(one).collect();
    assert_eq!(
        plan.is_empty(),
        all.is_empty() && plan.steps().next().is_none()
    );
    Ok(all.join("; "))
}

fn refused(rules: Vec<LayoutRule>, change: impl FnOnce(&mut Layouts)) -> String {
    plan(rules, change).expect_err("a refusal")
}

fn is_shared(world: &mut Layouts, gpu: usize, sharing: Sharing) {
    let pci = world.inventory.gpus[gpu].pci;
    world.usage.shared.insert(pci, SharedGpu::new(sharing));
}

#[test]
fn sharing_that_failed_half_way_is_begun_anew() {
    let half = |world: &mut Layouts| {
        is_shared(world, 1, mps(4, None));
        let mut shared = world.usage.shared.values_mut();
        shared.next().expect("a shared GPU").settled = false;
    };
    assert_eq!(
        plan(vec![shared_rule(1, false, &[], Some(mps(4, None)))], half),
        Ok("1: mps for 4 clients -> mps for 4 clients".to_owned())
    );
    assert_eq!(
        plan(vec![shared_rule(1, false, &[], None)], half),
        Ok("1: mps for 4 clients -> not".to_owned())
    );
}

const TWO: &[(&str, u32)] = &[("3g.40gb", 2)];

#[test]
fn sharing_begins_and_ends_as_the_rules_say_and_the_second_time_nothing_does() {
    let whole = || vec![shared_rule(1, false, &[], Some(mps(4, None)))];
    assert_eq!(
        plan(whole(), |_| ()),
        Ok("1: not -> mps for 4 clients".to_owned())
    );
    assert_eq!(
        plan(whole(), |world| is_shared(world, 1, mps(4, None))),
        Ok(String::new())
    );
    assert_eq!(
        plan(whole(), |world| is_shared(world, 1, mps(2, None))),
        Ok("1: mps for 2 clients -> mps for 4 clients".to_owned())
    );
    let ends = || vec![shared_rule(1, false, &[], None)];
    assert_eq!(
        plan(ends(), |world| is_shared(world, 1, time_slices(2))),
        Ok("1: 2 time slices, interval long -> not".to_owned())
    );
    let slices = || vec![shared_rule(0, true, TWO, Some(mps(8, None)))];
    assert_eq!(
        plan(slices(), |_| ()),
        Ok("0: not -> mps for 8 clients".to_owned())
    );
    // The same words, of other devices.
    let cut = || vec![shared_rule(0, false, &[], Some(mps(8, None)))];
    assert_eq!(
        plan(cut(), |world| is_shared(world, 0, mps(8, None))),
        Ok("0: mps for 8 clients -> mps for 8 clients".to_owned())
    );
}

#[test]
fn what_cannot_be_shared_so_is_refused_with_words() {
    assert_eq!(
        refused(
            vec![shared_rule(0, true, TWO, Some(time_slices(2)))],
            |_| ()
        ),
        "GPU 0 (0000:10:00.0) cannot have time slices with MIG on: the driver sets their interval for whole GPUs alone"
    );
    assert_eq!(
        refused(vec![shared_rule(0, true, TWO, Some(mps(21, None)))], |_| ()),
        "21 mps clients are wanted on each 3g.40gb of GPU 0 (0000:10:00.0), which serves at most 20"
    );
    assert_eq!(
        plan(vec![shared_rule(0, true, TWO, Some(mps(20, None)))], |_| ()),
        Ok("0: not -> mps for 20 clients".to_owned())
    );
}

#[test]
fn sharing_changes_only_where_nobody_is() {
    let leased = |world: &mut Layouts| {
        let pci = world.inventory.gpus[1].pci;
        world.usage.gpus.insert(pci, "container a/1".to_owned());
    };
    let begins = || vec![shared_rule(1, false, &[], Some(mps(4, None)))];
    assert_eq!(
        refused(begins(), leased),
        "the layout would change GPU 1 (0000:11:00.0), which is leased by container a/1"
    );
    // Who has a share keeps it as it is.
    let held = |sharing| {
        move |world: &mut Layouts| {
            is_shared(world, 1, sharing);
            leased(world);
        }
    };
    assert_eq!(plan(begins(), held(mps(4, None))), Ok(String::new()));
    assert_eq!(
        refused(begins(), held(mps(2, None))),
        "the layout would change GPU 1 (0000:11:00.0), which is leased by container a/1"
    );
    let part = |world: &mut Layouts| {
        is_shared(world, 0, mps(2, None));
        let slice = "0000:10:00.0-4-4".parse().expect("a slice");
        world
            .usage
            .slices
            .insert(slice, Use::Leased("container a/2".to_owned()));
    };
    assert_eq!(
        refused(vec![shared_rule(0, true, TWO, Some(mps(4, None)))], part),
        "the layout would change how slice 0000:10:00.0-4-4 (3g.40gb) is shared, which is leased by container a/2"
    );
    let used = |world: &mut Layouts| {
        world.inventory.gpus[1].processes = vec![GpuProcess {
            pid: 9,
            memory: None,
            gi: None,
            ci: None,
        }];
    };
    assert_eq!(
        refused(begins(), used),
        "the layout would change GPU 1 (0000:11:00.0), which is used by process 9"
    );
}
