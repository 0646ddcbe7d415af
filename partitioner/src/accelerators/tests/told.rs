//! What is made of a driver's answers: health, modes, and sums over parts.

use std::io;

use kerf_types::amd::ComputePartition as Mode;
use kerf_types::map::AcceleratorHealth;

use crate::accelerators::amd::{health_of, most_partitions};
use crate::accelerators::facts::sum;
use crate::sysfs::SysfsError;

#[test]
fn a_refusal_of_amdgpu_is_a_failure_and_silence_is_what_kfd_says() {
    let refused = |errno: i32| {
        Err(SysfsError::Read {
            path: String::new(),
            cause: io::Error::from_raw_os_error(errno),
        })
    };
    let failed = |word: &str| AcceleratorHealth::Failed(word.to_owned());
    for is_listed in [true, false] {
        let of = |mode| health_of(&mode, is_listed);
        assert_eq!(of(Ok(Some(b"SPX".to_vec()))), AcceleratorHealth::Ok);
        assert_eq!(of(refused(1)), failed("amdgpu resets it"));
        assert_eq!(of(refused(5)), failed("amdgpu no longer reaches it"));
    }
    // EACCES is ours and not the GPU's, and a file that is not there says nothing.
    for listed in [true, false] {
        let expected = match listed {
            true => AcceleratorHealth::Ok,
            false => AcceleratorHealth::Unknown,
        };
        assert_eq!(health_of(&refused(13), listed), expected);
        assert_eq!(health_of(&Ok(None), listed), expected);
    }
}

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
