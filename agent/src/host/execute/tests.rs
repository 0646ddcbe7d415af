//! What goes with a slice: a part alone, its instance with the last of them.

use kerf_types::{ProfileId, SliceId};

use super::removal;
use crate::host::fixture::{divided, part};

fn steps(starts: &[u8], slice: SliceId) -> Vec<String> {
    let steps = removal(&divided(starts), slice, ProfileId(9));
    steps.iter().map(ToString::to_string).collect()
}

#[test]
fn a_part_goes_alone_and_the_instance_with_the_last() {
    let first =
        "destroy compute instance 2/0 (MIG-22222222-2222-5222-9222-222222222220) on 0000:10:00.0";
    let instance = "destroy GPU instance 2 at 4:4 on 0000:10:00.0";
    assert_eq!(steps(&[0, 2], part(0)), [first]);
    assert_eq!(steps(&[0], part(0)), [first, instance]);
    // Its part is gone already, a sibling is there.
    assert_eq!(steps(&[2], part(0)), [""; 0]);
    // A crash came between the part and its instance.
    assert_eq!(steps(&[], part(0)), [instance]);
}

#[test]
fn what_was_cut_whole_and_is_divided_by_now_is_left_alone() {
    assert_eq!(steps(&[0, 2], part(0).whole()), [""; 0]);
    assert_eq!(steps(&[], part(0).whole()).len(), 1);
    let other = removal(&divided(&[0]), part(0), ProfileId(14));
    assert!(other.is_empty(), "{other:?}");
}
