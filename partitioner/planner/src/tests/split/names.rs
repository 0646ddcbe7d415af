//! Names of profiles in a wish: exact where any GPU has them, else about that memory.

use kerf_types::{ProfileId, ProfileName};

use super::super::{id, profiles};
use crate::grid::Grid;
use crate::split::{SplitBudget, SplitGpu, Tables, Wanted, plan_split, wanted};

#[test]
fn a_name_is_exact_where_any_gpu_has_it() {
    let small = {
        let mut profiles = profiles("a100-80gb");
        for profile in &mut profiles {
            profile.name.memory_gb = (profile.name.memory_gb / 2).max(5);
        }
        Grid::from_profiles(&profiles).expect("a grid")
    };
    let large = Grid::from_profiles(&profiles("a100-80gb")).expect("a grid");
    let want = |name: &str| {
        let name = name.parse::<ProfileName>().expect("a name");
        let found = wanted(&[&small, &large], &[(name, 1)].into()).expect("a profile");
        found[0].profiles.clone()
    };
    assert_eq!(want("3g.20gb"), [Some(id(9)), None]);
    assert_eq!(want("3g.40gb"), [None, Some(id(9))]);
    assert_eq!(want("1g.10gb"), [Some(id(15)), Some(id(19))]);
    assert_eq!(want("3g.39gb"), [Some(id(9)), Some(id(9))]);
}

#[test]
fn two_names_of_one_profile_are_refused() {
    let grid = Grid::from_profiles(&profiles("h100-80gb")).expect("a grid");
    let gpu = SplitGpu {
        grid: &grid,
        current: &[],
    };
    let named = |name: &str, second: Option<ProfileId>| Wanted {
        name: name.to_owned(),
        count: 1,
        profiles: vec![Some(id(9)), second],
    };
    let both = [named("a", None), named("b", Some(id(9)))];
    let plan = plan_split(
        &[gpu, gpu],
        &both,
        &mut Tables::default(),
        SplitBudget::default(),
    );
    let error = plan.expect_err("no plan").to_string();
    assert_eq!(error, "a and b name one profile of GPU 0");
}
