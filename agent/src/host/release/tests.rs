//! What is left of a part whose lease ends.

use super::left_of;
use crate::host::fixture::{divided, mig_uuid, part};

#[test]
fn a_part_is_found_by_its_life_and_its_siblings_are_not_taken_for_it() {
    let is_left = |starts: &[u8], uuid, on_demand| {
        left_of(&divided(starts), part(0), &mig_uuid(uuid), on_demand).is_some()
    };
    assert!(is_left(&[0, 1], 0, false));
    assert!(!is_left(&[1], 0, false));
    assert!(!is_left(&[1], 0, true), "the instance is its sibling's");
    assert!(!is_left(&[0, 1], 7, true), "another life at its place");
}

#[test]
fn an_instance_that_lost_its_last_part_to_a_crash_is_left_where_it_was_cut_on_demand() {
    let empty = divided(&[]);
    let is_left = |on_demand| left_of(&empty, part(0), &mig_uuid(0), on_demand).is_some();
    assert_eq!([true, false].map(is_left), [true, false]);
}
