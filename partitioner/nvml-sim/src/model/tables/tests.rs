//! The profile tables, rendered like `nvidia-smi mig -lgip` and `-lgipp` and compared with the
//! dumps they come from.

use super::*;
use crate::model::meter::as_f64;
use crate::model::product::{MemoryFigures, Product};
use crate::model::profile::{Engines, Media};
use crate::model::spec::MachineSpec;

/// One line a profile: id, name, count, GiB, SM/CE, DEC/JPG/OFA, places. Encoders stand before JPG
/// where the product hands them out.
fn rendered(product: &Product) -> String {
    let names = product.gi_profiles.iter().map(|profile| profile.name.len());
    let width = names.max().expect("profiles");
    let lines = product.gi_profiles.iter().map(|profile| {
        let engines = profile.engines;
        let starts: Vec<String> = profile.starts.iter().map(u32::to_string).collect();
        let gib = as_f64(profile.memory_mib) / 1_024.0;
        format!(
            "{:>2} {:<width$} {} {gib:.2} {}/{} {}/{} {{{}}}:{}",
            profile.id,
            profile.name,
            profile.max_count,
            profile.multiprocessors,
            engines.copy,
            engines.decoder,
            media(product, engines),
            starts.join(","),
            profile.size
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn media(product: &Product, engines: Engines) -> String {
    if product.media.encoder == 0 {
        format!("{}/{}", engines.jpeg, engines.ofa)
    } else {
        format!("{}/{}/{}", engines.encoder, engines.jpeg, engines.ofa)
    }
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
fn a30_profiles_are_those_of_the_dump() {
    let expected = "\
14 1g.6gb     4 5.70 14/1 0/0/0 {0,1,2,3}:1
21 1g.6gb+me  1 5.70 14/1 1/1/1 {0,1,2,3}:1
 5 2g.12gb    2 11.65 28/2 2/0/0 {0,2}:2
 6 2g.12gb+me 1 11.65 28/2 2/1/1 {0,2}:2
 0 4g.24gb    1 23.50 56/4 4/1/1 {0}:4";
    assert_eq!(rendered(&A30), expected);
}

#[test]
fn rtx_pro_6000_profiles_are_those_of_two_dumps() {
    let expected = "\
14 1g.24gb        4 23.62 46/1 1/1/1/0 {0,3,6,9}:3
21 1g.24gb+me     1 23.62 46/1 1/1/1/1 {0,3,6,9}:3
47 1g.24gb+gfx    4 23.62 46/1 1/1/1/0 {0,3,6,9}:3
65 1g.24gb+me.all 1 23.62 46/1 4/4/4/1 {0,3,6,9}:3
67 1g.24gb-me     4 23.62 46/1 0/0/0/0 {0,3,6,9}:3
 5 2g.48gb        2 47.38 94/2 2/2/2/0 {0,6}:6
35 2g.48gb+gfx    2 47.38 94/2 2/2/2/0 {0,6}:6
64 2g.48gb+me.all 1 47.38 94/2 4/4/4/1 {0,6}:6
66 2g.48gb-me     2 47.38 94/2 0/0/0/0 {0,6}:6
 0 4g.96gb        1 95.00 188/4 4/4/4/1 {0}:12
32 4g.96gb+gfx    1 95.00 188/4 4/4/4/1 {0}:12";
    assert_eq!(rendered(&RTX_PRO_6000_SERVER), expected);
}

#[test]
fn what_dumps_tell_of_the_other_products_is_in_their_tables() {
    // (product, id, GiB, multiprocessors) of every row that was seen.
    type Row = (u32, &'static str, u32);
    let seen: [(&Product, &[Row]); 6] = [
        (
            &A100_SXM4_40GB,
            &[
                (19, "4.75", 14),
                (14, "9.62", 28),
                (9, "19.50", 42),
                (0, "39.25", 98),
            ],
        ),
        (
            &H100_NVL,
            &[
                (19, "10.75", 16),
                (15, "21.62", 26),
                (14, "21.62", 32),
                (0, "93.12", 132),
            ],
        ),
        (
            &H200,
            &[
                (19, "16.00", 16),
                (15, "32.25", 26),
                (9, "69.50", 60),
                (5, "69.50", 64),
            ],
        ),
        (
            &GH200_144GB,
            &[(19, "17.50", 16), (15, "35.25", 26), (14, "35.25", 32)],
        ),
        (
            &B200,
            &[(19, "22.00", 18), (15, "44.25", 30), (14, "44.25", 36)],
        ),
        (
            &GB200,
            &[(19, "20.00", 18), (15, "45.50", 32), (14, "45.50", 38)],
        ),
    ];
    for (product, rows) in seen {
        for &(id, gib, multiprocessors) in rows {
            let profile = product.gi_profile(id).expect("a profile");
            let found = format!("{:.2}", as_f64(profile.memory_mib) / 1_024.0);
            assert_eq!(
                (found.as_str(), profile.multiprocessors),
                (gib, multiprocessors),
                "{} {}",
                product.name,
                profile.name
            );
        }
    }
}

#[test]
fn what_other_drivers_tell_of_memory_is_in_the_tables() {
    // (product, id, GiB) of every row for which dumps of two drivers disagree.
    let seen: [(&Product, &[(u32, &str)]); 4] = [
        (
            &A100_SXM4_40GB,
            &[
                (19, "4.75"),
                (15, "9.75"),
                (14, "9.75"),
                (9, "19.62"),
                (5, "19.62"),
                (0, "39.50"),
            ],
        ),
        (
            &A100_SXM4_80GB,
            &[(19, "9.50"), (14, "19.50"), (9, "39.25"), (0, "78.75")],
        ),
        (&B200, &[(19, "20.50"), (20, "20.50"), (14, "44.25")]),
        (
            &RTX_PRO_6000_SERVER,
            &[(14, "23.12"), (47, "23.12"), (5, "47.38"), (0, "95.12")],
        ),
    ];
    for (product, rows) in seen {
        for &(id, gib) in rows {
            let profile = product.gi_profile(id).expect("a profile");
            let mib = product.profile_mib(profile, MemoryFigures::Other);
            let found = format!("{:.2}", as_f64(mib) / 1_024.0);
            assert_eq!(found, gib, "{} {}", product.name, profile.name);
        }
    }
}

/// Every product, each once.
fn products() -> Vec<&'static Product> {
    let mut all: Vec<&Product> = MACHINES.iter().filter_map(MachineSpec::nvidia).collect();
    all.sort_by_key(|product| product.name);
    all.dedup_by_key(|product| product.name);
    all
}

#[test]
fn the_drivers_order_tries_every_legal_start_once() {
    assert_eq!(products().len(), 13);
    for product in products() {
        for profile in product.gi_profiles {
            let mut order = profile.default_order.to_vec();
            order.sort_unstable();
            assert_eq!(order, profile.starts, "{} {}", product.name, profile.name);
        }
    }
}

#[test]
fn every_table_is_sound() {
    for product in products() {
        let named = |what: &str| format!("{what} of {}", product.name);
        for (nth, profile) in product.gi_profiles.iter().enumerate() {
            let earlier = &product.gi_profiles[..nth];
            assert!(
                earlier.iter().all(|other| other.id != profile.id
                    && other.index != profile.index
                    && other.name != profile.name),
                "{}",
                named(profile.name)
            );
            let fits = |&start: &u32| start + profile.size <= product.memory_slices;
            assert!(profile.starts.iter().all(fits), "{}", named(profile.name));
            assert!(product.media.holds(profile.engines.media()) >= 1);
            assert!(profile.memory_mib < product.memory_mib);
            assert!(profile.multiprocessors <= product.multiprocessors);
        }
        let whole = product.gi_profile(0).expect("the whole GPU");
        assert_eq!(whole.engines.media(), product.media, "{}", named("media"));
        assert_eq!(
            (whole.slices, whole.size),
            (product.compute_slices, product.memory_slices)
        );
    }
}

#[test]
fn ids_of_instances_follow_from_the_place() {
    let ids = |product: &Product| {
        let places = product.gi_profiles.iter().flat_map(|profile| {
            let places = profile.starts.iter();
            places.map(|&start| (profile.size, start, product.gi_id(start, profile.size)))
        });
        let mut places: Vec<_> = places.collect();
        places.sort_unstable();
        places.dedup();
        places
    };
    assert_eq!(
        ids(&RTX_PRO_6000_SERVER),
        [
            (3, 0, 3),
            (3, 3, 4),
            (3, 6, 5),
            (3, 9, 6),
            (6, 0, 1),
            (6, 6, 2),
            (12, 0, 0)
        ]
    );
    assert_eq!(
        ids(&A30),
        [
            (1, 0, 3),
            (1, 1, 4),
            (1, 2, 5),
            (1, 3, 6),
            (2, 0, 1),
            (2, 2, 2),
            (4, 0, 0)
        ]
    );
    let of_eight: Vec<u32> = ids(&B200).iter().map(|(_, _, id)| *id).collect();
    assert_eq!(of_eight, [7, 8, 9, 10, 11, 12, 13, 3, 4, 5, 6, 1, 2, 0]);
}

#[test]
fn grids_are_known_by_the_names_of_the_contract() {
    let names: Vec<&str> = grids().collect();
    assert_eq!(
        names.join(" "),
        "a30-24gb a100-40gb a100-80gb h100-80gb h100-94gb h200-141gb b200-180gb gb200-186gb \
         rtxpro6000-96gb"
    );
    let found: Vec<GridSpec> = names.into_iter().filter_map(grid).collect();
    let units: Vec<(u32, usize)> = found
        .iter()
        .map(|grid| (grid.units, grid.profiles.len()))
        .collect();
    assert_eq!(
        units,
        [
            (4, 5),
            (8, 7),
            (8, 7),
            (8, 7),
            (8, 7),
            (8, 7),
            (8, 7),
            (8, 7),
            (12, 11)
        ]
    );
    let media = Media {
        decoder: 4,
        encoder: 4,
        jpeg: 4,
        ofa: 1,
    };
    assert_eq!(found[8].engines, media);
    assert_eq!(grid("h100"), None);
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
