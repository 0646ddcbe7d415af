//! What shares of GPUs could hold and whole GPUs cannot: the relaxation of a split proves nothing there.

use kerf_types::{Placement, Profile, ProfileId};

use crate::gpu::Existing;
use crate::grid::Grid;
use crate::split::{SplitBudget, SplitError, SplitGpu, Tables, plan_split, wanted};
use crate::tests::{current, holding, id, place, profiles};

/// 30 units, slices of 6, 10, 15 and 30 of them anywhere. Three of 15, five of 10 and nine of 6 take 149 units, and in
/// shares 3/2 + 5/3 + 9/5 of a GPU, which is less than five. But a GPU with one of 15 and others leaves three units
/// free, so that no five hold them: the well-known gap of bin packing.
fn thirty() -> Vec<Profile> {
    let template = profiles("h100-80gb").remove(0);
    let profile = |size: u32| Profile {
        id: ProfileId(size),
        name: format!("{size}g.{size}gb").parse().expect("a name"),
        max_count: 30 / size,
        placements: (0..=30 - size)
            .map(|start| Placement::try_new(start, size).expect("in the grid"))
            .collect(),
        engines: kerf_types::Engines::default(),
        ..template.clone()
    };
    [6, 10, 15, 30].map(profile).into()
}

/// What a request costs; what lives on GPU `n` is a slice of 6 or of 10 at unit 3 with weight `n + 1`.
fn cost(count: usize, want: &[(&str, u32)]) -> Result<u64, SplitError> {
    let profiles = thirty();
    let grid = Grid::from_profiles(&profiles).expect("a grid");
    let live = (1..=count).map(|weight| {
        let size = [6, 10][weight % 2];
        let state = vec![(place(&format!("3:{size}")), id(size))];
        let weight = u64::try_from(weight).expect("few");
        current(&holding(&profiles, &state), &[(weight, false)])
    });
    let live: Vec<Vec<Existing>> = live.collect();
    let gpu = |current| SplitGpu {
        grid: &grid,
        current,
    };
    let gpus: Vec<SplitGpu<'_>> = live.iter().map(|current| gpu(current)).collect();
    let want = want.iter().map(|(name, count)| {
        let name = name.parse().expect("a name");
        (name, *count)
    });
    let wanted = wanted(&vec![&grid; count], &want.collect()).expect("profiles");
    let tables = &mut Tables::default();
    let plan = plan_split(&gpus, &wanted, tables, SplitBudget::default())?;
    assert!(plan.proof);
    Ok(plan.cost)
}

#[test]
fn what_only_shares_could_hold_is_refused() {
    let no_split = Err(SplitError::NoSplit { pins: false });
    let gap = [("6g.6gb", 9), ("10g.10gb", 5), ("15g.15gb", 3)];
    assert_eq!(cost(5, &gap), no_split);
    for whole in 0..=11 {
        let [sixes, tens, _] = gap;
        let rest = [("15g.15gb", 25 - 2 * whole), ("30g.30gb", whole)];
        assert_eq!(cost(16, &[sixes, tens, rest[0], rest[1]]), no_split);
    }
}

#[test]
fn one_slice_fewer_fits_beside_the_heaviest() {
    let fits = [("6g.6gb", 9), ("10g.10gb", 5), ("15g.15gb", 2)];
    assert_eq!(cost(5, &fits), Ok(1));
    let [sixes, tens, fifteens] = fits;
    let all: u64 = (1..=16).sum();
    let kept = 16 + 15 + 14 + 13;
    let fits = [sixes, tens, fifteens, ("30g.30gb", 11)];
    assert_eq!(cost(16, &fits), Ok(all - kept));
}
