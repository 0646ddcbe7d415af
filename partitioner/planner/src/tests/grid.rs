//! Grids from profiles, and the names that mean a profile of theirs.

use super::{id, profiles};
use crate::grid::{Grid, GridError, NameError};

fn check_name(family: &str, name: &str, expected: &str) {
    let grid = Grid::from_profiles(&profiles(family)).expect("a grid");
    let found = match grid.resolve(&name.parse().expect("a profile name")) {
        Ok(id) => format!("{id}"),
        Err(error) => error.to_string(),
    };
    assert_eq!(found, expected, "{name} on {family}");
}

#[test]
fn names_mean_profiles_in_every_spelling() {
    check_name("h100-80gb", "1g.10gb", "19");
    check_name("h100-80gb", "1g.10gb+me", "20");
    check_name("h100-80gb", "1g.20gb", "15");
    check_name("h100-80gb", "3g.40gb", "9");
    // Another driver's figure, where slices and attribute leave one profile.
    check_name("h100-80gb", "3g.47gb", "9");
    check_name("h100-80gb", "1g.12gb+me", "20");
    check_name("h100-80gb", "7c.7g.80gb", "0");
    // Where they leave two, one of which has about that memory.
    check_name("h100-80gb", "1g.11gb", "19");
    check_name("h100-80gb", "1g.19gb", "15");
    check_name(
        "h100-80gb",
        "1g.12gb",
        "1g.12gb could mean 1g.20gb, 1g.10gb here",
    );
}

#[test]
fn unknown_names_come_with_the_nearest() {
    check_name(
        "h100-80gb",
        "5g.40gb",
        "no profile 5g.40gb here, nearest is 4g.40gb; \
         known: 7g.80gb, 4g.40gb, 3g.40gb, 2g.20gb, 1g.20gb, 1g.10gb, 1g.10gb+me",
    );
    check_name(
        "h100-80gb",
        "1c.3g.40gb",
        "1c.3g.40gb names a part of a GPU instance, only whole ones can be asked for: 3g.40gb",
    );
}

#[test]
fn engines_are_what_the_driver_promises() {
    let capacity = |family| {
        Grid::from_profiles(&profiles(family))
            .expect("a grid")
            .capacity()
    };
    assert_eq!(capacity("a30-24gb"), [4, 0, 1, 1]);
    assert_eq!(capacity("a100-80gb"), [5, 0, 1, 1]);
    assert_eq!(capacity("h100-80gb"), [7, 0, 7, 1]);
    assert_eq!(capacity("rtxpro6000-96gb"), [4, 4, 4, 1]);
}

#[test]
fn profiles_that_make_no_grid_are_refused() {
    assert_eq!(Grid::from_profiles(&[]), Err(GridError::Empty));
    let mut doubled = profiles("a30-24gb");
    for profile in &mut doubled {
        profile.id = id(1);
    }
    let error = Grid::from_profiles(&doubled).expect_err("one id for all");
    assert_eq!(
        error.to_string(),
        "profile id 1 names both 1g.6gb and 1g.6gb+me"
    );
    let mut placeless = profiles("a30-24gb");
    placeless[0].placements.clear();
    let grid = Grid::from_profiles(&placeless).expect("a grid of the others");
    assert_eq!(grid.profiles().len(), 4);
    assert!(matches!(
        grid.resolve(&"1g.6gb".parse().expect("a name")),
        Err(NameError::Unknown { .. })
    ));
}
