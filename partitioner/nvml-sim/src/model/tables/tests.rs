//! The profile tables, rendered like `nvidia-smi mig -lgip` and `-lgipp` and compared with the
//! dumps they come from.

use super::*;
use crate::model::product::Product;

/// One line a profile: id, name, count, GiB, SM/CE, DEC/JPG/OFA, places.
fn rendered(product: &Product) -> String {
    let lines = product.gi_profiles.iter().map(|profile| {
        let engines = profile.engines;
        let starts: Vec<String> = profile.starts.iter().map(u32::to_string).collect();
        let hundredths = profile.memory_mib * 100 / 1_024;
        format!(
            "{:>2} {:<10} {} {}.{:02} {}/{} {}/{}/{} {{{}}}:{}",
            profile.id,
            profile.name,
            profile.max_count,
            hundredths / 100,
            hundredths % 100,
            profile.multiprocessors,
            engines.copy,
            engines.decoder,
            engines.jpeg,
            engines.ofa,
            starts.join(","),
            profile.size
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn h100_profiles_are_those_of_the_dumps() {
    let expected = "\
19 1g.10gb    7 9.75 16/1 1/1/0 {0,1,2,3,4,5,6}:1
20 1g.10gb+me 1 9.75 16/1 1/1/1 {0,1,2,3,4,5,6}:1
15 1g.20gb    4 19.62 26/1 1/1/0 {0,2,4,6}:2
14 2g.20gb    3 19.62 32/2 2/2/0 {0,2,4}:2
 9 3g.40gb    2 39.50 60/3 3/3/0 {0,4}:4
 5 4g.40gb    1 39.50 64/4 4/4/0 {0}:4
 0 7g.80gb    1 79.25 132/8 7/7/1 {0}:8";
    assert_eq!(rendered(&H100_80GB_HBM3), expected);
}

#[test]
fn a100_profiles_are_those_of_the_guide() {
    let expected = "\
19 1g.10gb    7 9.62 14/1 0/0/0 {0,1,2,3,4,5,6}:1
20 1g.10gb+me 1 9.62 14/1 1/1/1 {0,1,2,3,4,5,6}:1
15 1g.20gb    4 19.50 14/1 1/0/0 {0,2,4,6}:2
14 2g.20gb    3 19.50 28/2 1/0/0 {0,2,4}:2
 9 3g.40gb    2 39.25 42/3 2/0/0 {0,4}:4
 5 4g.40gb    1 39.25 56/4 2/0/0 {0}:4
 0 7g.80gb    1 78.50 98/7 5/1/1 {0}:8";
    assert_eq!(rendered(&A100_SXM4_80GB), expected);
}

#[test]
fn the_drivers_order_tries_every_legal_start_once() {
    for product in [&H100_80GB_HBM3, &A100_SXM4_80GB] {
        for profile in product.gi_profiles {
            let mut order = profile.default_order.to_vec();
            order.sort_unstable();
            assert_eq!(order, profile.starts, "{}", profile.name);
        }
    }
}

#[test]
fn compute_profiles_are_those_of_the_driver() {
    use crate::model::profile::CI_PROFILES;
    let counts = |slices| CI_PROFILES.map(|profile| profile.starts(slices).len());
    assert_eq!(counts(1), [1, 0, 0, 0, 0]);
    assert_eq!(counts(2), [2, 1, 0, 0, 0]);
    assert_eq!(counts(3), [3, 1, 1, 0, 0]);
    assert_eq!(counts(4), [4, 2, 0, 1, 0]);
    assert_eq!(counts(7), [7, 3, 2, 1, 1]);
    let three = H100_80GB_HBM3.gi_profile(9).expect("3g");
    let names = CI_PROFILES.map(|profile| profile.name(three));
    assert_eq!(names[..3], ["1c.3g.40gb", "2c.3g.40gb", "3g.40gb"]);
    let sizes = CI_PROFILES.map(|profile| profile.multiprocessors(three, 16));
    assert_eq!(sizes[..3], [16, 32, 60]);
}
