//! What is made of a driver's answers: modes, and sums over parts.

use kerf_types::amd::ComputePartition as Mode;

use crate::accelerators::amd::most_partitions;
use crate::accelerators::facts::sum;

#[test]
fn nobody_knows_the_most_partitions_without_the_xccs() {
    let all = [Mode::Spx, Mode::Qpx, Mode::Cpx];
    assert_eq!(most_partitions(&all, Some(8)), Some(8));
    assert_eq!(most_partitions(&all, None), None);
    assert_eq!(most_partitions(&[Mode::Spx, Mode::Dpx], None), Some(2));
    assert_eq!(most_partitions(&[], Some(8)), None);
}

#[test]
fn a_sum_is_known_where_every_part_says_its_own() {
    assert_eq!(sum([Some(3), Some(4)]), Some(7));
    assert_eq!(sum([Some(u64::MAX), Some(1)]), Some(u64::MAX));
    assert_eq!(sum([Some(3), None]), None);
    assert_eq!(sum([None, Some(3)]), None);
    assert_eq!(sum([]), None);
}
