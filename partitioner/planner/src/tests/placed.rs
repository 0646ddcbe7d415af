//! A layout with the places of its plan ends as that plan does, from wherever it was interrupted.

use kerf_types::SliceId;
use kerf_types::layout::{GpuSelector, Layout, LayoutRule};

use super::wishes::{first, holds, name, places};
use crate::host::{Change, placed};

/// A rule for GPU 0 with these slices.
fn wants(slices: &[(&str, u32)]) -> LayoutRule {
    let slices = slices.iter().map(|(text, count)| (name(text), *count));
    LayoutRule {
        slices: slices.collect(),
        ..first()
    }
}

/// Where the slices lie at the end.
fn end(world: &super::host::World) -> Vec<String> {
    let plan = world.plan().expect("a plan");
    let lines = plan.gpus[0].diff.iter();
    let lines = lines.filter(|line| line.change != Change::Destroy);
    let mut end: Vec<String> = lines
        .map(|line| format!("{} {:?} {}", line.placement, line.compute, line.profile))
        .collect();
    end.sort();
    end
}

#[test]
fn an_interrupted_layout_goes_on_to_the_same_places() {
    let wanted = wants(&[("1c.2g.20gb", 2), ("1c.3g.40gb", 2)]);
    // Ids of an H100: 14 is 2g.20gb, 19 is 1g.10gb.
    let before = [(14, "0:2"), (14, "2:2"), (14, "4:2"), (19, "6:1")];
    let world = holds(wanted.clone(), &before);
    let (plan, whole) = (world.plan().expect("a plan"), end(&world));
    let layout = Layout {
        rules: vec![wanted.clone()],
    };
    let exact = placed(&layout, &plan, &world.inventory).expect("every place is known");
    assert_eq!(exact.rules.len(), 1);
    // Any of the old instances may be what is left when it is interrupted, one of them without its compute instance; for
    // some of these the layout planned anew would lie elsewhere.
    let mut moved = 0;
    for kept in 0..1_u32 << before.len() {
        let left = (0..before.len()).filter(|nth| kept & (1 << nth) != 0);
        let left: Vec<(u32, &str)> = left.map(|nth| before[nth]).collect();
        for empty in 0..=left.len() {
            let state = |rule: &LayoutRule| {
                let mut world = holds(rule.clone(), &left);
                if let Some(instance) = world.gpu(0).instances.get_mut(empty) {
                    instance.compute.clear();
                }
                world
            };
            assert_eq!(
                end(&state(&exact.rules[0])),
                whole,
                "{left:?}, {empty} is empty"
            );
            moved += usize::from(end(&state(&wanted)) != whole);
        }
    }
    assert!(moved > 0, "the places are what makes it so");
}

#[test]
fn a_rule_with_places_stays_as_it_is() {
    let rule = places(&[("0:4", "3g.40gb"), ("4:1", "1g.10gb")]);
    let world = holds(rule.clone(), &[]);
    let plan = world.plan().expect("a plan");
    let layout = Layout { rules: vec![rule] };
    let exact = placed(&layout, &plan, &world.inventory).expect("every place is known");
    assert_eq!(exact.rules[0].places, layout.rules[0].places);
    let slice: SliceId = "0000:10:00.0-0-4".parse().expect("a slice");
    assert_eq!(exact.rules[0].gpus, [GpuSelector::Pci(slice.gpu)]);
}
