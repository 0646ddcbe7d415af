//! Every text form reads back as what was written, and what is wrong is refused.

use proptest::prelude::*;

use crate::amd::{ModeError, check_mode};
use crate::ask::{Feature, Requirement};
use crate::{
    Ask, Bytes, ComputePartition, ContainerRef, Fence, HostId, HostName, LeaseId, MemoryPartition,
    PciAddress, Placement, ProfileName, SliceId, Spot, Timestamp,
};

mod constraints;
mod device;
mod gang;
mod map;
mod sharing;

fn check_round_trip<T>(texts: &[&str])
where
    T: std::str::FromStr<Err = crate::ParseError> + std::fmt::Display,
{
    for text in texts {
        let value: T = text
            .parse()
            .unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(&value.to_string(), text);
    }
}

fn check_refused<T: std::str::FromStr<Err = crate::ParseError>>(texts: &[&str]) {
    for text in texts {
        let error = text
            .parse::<T>()
            .err()
            .unwrap_or_else(|| panic!("{text:?} was accepted"));
        assert!(error.found.len() <= 480, "{error}");
    }
}

#[test]
fn text_forms_round_trip() {
    check_round_trip::<Spot>(&["4:4", "4:4/0:1"]);
    check_refused::<Spot>(&["4:4/", "/0:1", "4:4/0:1/0:1", "4:4/0:0"]);
    check_round_trip::<ProfileName>(&[
        "1g.10gb",
        "1g.10gb+me",
        "1c.3g.40gb",
        "2g.48gb-me",
        "1g.24gb+me.all",
        "1g.24gb+gfx",
    ]);
    check_round_trip::<PciAddress>(&["0000:1b:00.0", "10000:e1:1f.7"]);
    check_round_trip::<Placement>(&["0:8", "4:4", "63:1"]);
    check_round_trip::<SliceId>(&["0000:1b:00.0-4-4", "0000:1b:00.0-4-4-c0-1"]);
    check_round_trip::<Bytes>(&["20GiB", "512MiB", "3B"]);
    check_round_trip::<Ask>(&[
        "1g.10gb",
        "1g.10gb:2",
        "gpu:2",
        "memory>=20GiB,fp8,nvlink:4",
        "gpu:2,include=0,include=0000:1b:00.0,avoid=3,same=numa,nic=pix",
        "nvlink:4,avoid=GPU-11111111-1111-1111-1111-111111111111,same=switch,nic=node",
        "memory>=1536MiB",
        "memory>=19531250KiB",
        "memory>=1000B",
    ]);
    check_round_trip::<LeaseId>(&["0192f0a4-5c1e-7000-8000-00000000002a"]);
    check_round_trip::<HostId>(&["6f1c0f0e-9a55-4d0c-8a11-00000000002a"]);
    check_round_trip::<HostName>(&["a", "7", "gpu-017", &"x".repeat(63)]);
}

#[test]
fn wrong_host_names_and_ids_are_refused() {
    check_refused::<HostName>(&[
        "",
        "-a",
        "a-",
        "GPU-1",
        "a.b",
        "a b",
        "a\n",
        "h\u{e9}",
        &"x".repeat(64),
    ]);
    check_refused::<HostId>(&[
        "",
        "6F1C0F0E-9A55-4D0C-8A11-00000000002A",
        "6f1c0f0e9a554d0c8a1100000000002a",
    ]);
}

#[test]
fn wrong_texts_are_refused() {
    check_refused::<ProfileName>(&[
        "",
        "g.10gb",
        "1g",
        "1g.gb",
        "1g.10gb+x",
        "1g.10GB",
        "x1g.10gb",
        "1g.10gb.5",
    ]);
    check_refused::<PciAddress>(&[
        "",
        "1b:00",
        "0000:1b:20.0",
        "0000:1b:00.8",
        "0:0:0:0.0",
        "g0:00.0",
    ]);
    check_refused::<SliceId>(&[
        "",
        "0000:1b:00.0",
        "0000:1b:00.0-4",
        "0000:1b:00.0-4-0",
        "0000:1b:00.0-4-4-c",
        "0000:1b:00.0-4-4-c00-1",
        "0000:1b:00.0-4-4-1-1",
    ]);
    check_refused::<Placement>(&["", "0", "0:0", "60:5", "-1:4", "0:65"]);
    check_refused::<Bytes>(&["", "GiB", "1.5GiB", "-1B", "99999999999TiB"]);
    check_refused::<Ask>(&["", "gpu:0", "gpu:x"]);
    check_refused::<Ask>(&[
        "imex",
        "1g.10gb,imex",
        "fp8,imex",
        "gpu,imex,imex",
        "gpu,mps,imex",
    ]);
    check_refused::<Ask>(&["gpus", "1g.10gb:0", "fp8,fp8", "1g.10gb,gpu:1", "fp8,"]);
    check_refused::<LeaseId>(&["", "0192F0A4-5C1E-7000-8000-00000000002A", "x"]);
    assert!(ContainerRef::try_new("k8s.io", "../x").is_err());
    assert!(ContainerRef::try_new("", "web-1").is_ok());
}

#[test]
fn parts_of_one_instance_do_not_overlap() {
    let slice = |text: &str| text.parse::<SliceId>().expect("a slice");
    let whole = slice("0000:1b:00.0-4-4");
    let part = slice("0000:1b:00.0-4-4-c0-1");
    assert!(whole.overlaps(&part) && part.overlaps(&whole) && part.overlaps(&part));
    assert!(!part.overlaps(&slice("0000:1b:00.0-4-4-c1-2")));
    assert!(part.overlaps(&slice("0000:1b:00.0-4-4-c0-2")));
    // A part of another life of the same units is no sibling.
    assert!(part.overlaps(&slice("0000:1b:00.0-4-2-c1-1")));
    assert!(!part.overlaps(&slice("0000:1b:00.0-0-4-c0-1")));
    assert!(!part.overlaps(&slice("0000:1c:00.0-4-4-c0-1")));
    assert_eq!(part.whole(), whole);
}

#[test]
fn what_is_assumed_of_parts_fits_the_instance() {
    for slices in 0..=8 {
        for part in crate::compute::assumed(slices) {
            assert!(u32::from(part.slices) < slices);
            for place in &part.placements {
                assert_eq!(place.size, part.slices);
                assert!(u32::from(place.end()) <= slices, "{place} in {slices}");
            }
        }
    }
}

#[test]
fn masks_cover_their_units() {
    let all = Placement::try_new(0, 64).expect("the whole grid").mask();
    assert_eq!(all.count(), 64);
    let high = Placement::try_new(63, 1).expect("the last unit").mask();
    assert_eq!(high.0, 1 << 63);
    assert!(all.overlaps(high));
}

#[test]
fn a_new_epoch_fences_out_every_grant_of_the_old_one() {
    assert!(Fence::new(2, 0) > Fence::new(1, u64::MAX));
    assert!(Fence::new(1, 8) > Fence::new(1, 7));
}

#[test]
fn times_are_written_as_dates() {
    assert_eq!(Timestamp(0).to_string(), "1970-01-01T00:00:00.000Z");
    assert_eq!(
        Timestamp(951_826_245_007).to_string(),
        "2000-02-29T12:10:45.007Z"
    );
    assert_eq!(
        Timestamp(1_795_478_400_000).to_string(),
        "2026-11-24T00:00:00.000Z"
    );
}

#[test]
fn amounts_read_with_units() {
    assert_eq!("4GiB".parse::<Bytes>().expect("4GiB").0, 4 << 30);
    assert_eq!("1000".parse::<Bytes>().expect("1000").0, 1_000);
    assert_eq!(Bytes(10_468_982_784).to_string(), "9.75GiB");
}

fn asks() -> impl Strategy<Value = Ask> {
    let features =
        proptest::sample::subsequence(vec![Feature::Fp4, Feature::Bf16, Feature::Fp8], 0..=3);
    // Amounts of every size, whole units among them.
    let memory =
        (any::<u64>(), 0_u32..64).prop_map(|(bytes, zeros)| Bytes(bytes >> zeros << (zeros / 2)));
    let requirement = (
        proptest::option::of(memory),
        features,
        proptest::option::of(1_u32..=112),
    );
    let requirement = requirement
        .prop_map(|(memory, features, nvlink)| Requirement {
            memory,
            features,
            nvlink,
            only: Box::default(),
        })
        .prop_filter("an ask asks for something", |requirement| {
            *requirement != Requirement::default()
        });
    let requirement = requirement.boxed();
    let named = (1_u32..=112).prop_map(|count| Ask::Slice {
        profile: "1g.10gb+me".parse().expect("a profile"),
        count,
    });
    prop_oneof![
        named,
        (1_u32..=112, constraints::constraints()).prop_map(|(count, only)| Ask::Gpus {
            count,
            only: Box::new(only)
        }),
        (requirement.clone(), 1_u32..=112, constraints::constraints()).prop_map(
            |(requirement, count, only)| Ask::Capability(Requirement {
                nvlink: Some(count),
                only: Box::new(only),
                ..requirement
            })
        ),
        requirement.clone().prop_map(Ask::Capability),
        (sharing::modes(), sharing::shareables(requirement))
            .prop_map(|(mode, of)| Ask::Share { mode, of }),
    ]
}

#[test]
fn amd_modes_read_in_either_case_and_nothing_else() {
    check_round_trip::<ComputePartition>(&["SPX", "DPX", "TPX", "QPX", "CPX"]);
    check_round_trip::<MemoryPartition>(&["NPS1", "NPS2", "NPS4", "NPS8"]);
    assert_eq!("cpx".parse(), Ok(ComputePartition::Cpx));
    assert_eq!("Nps4".parse(), Ok(MemoryPartition::Nps4));
    for wrong in ["", "CP", "CPXX", "NPS1"] {
        wrong.parse::<ComputePartition>().expect_err(wrong);
    }
    for wrong in ["", "NPS3", "NPS", "SPX"] {
        wrong.parse::<MemoryPartition>().expect_err(wrong);
    }
}

/// The whole table of what the driver takes, for each count of XCCs that is built or could be.
#[test]
fn amd_modes_go_together_as_the_driver_has_it() {
    let possible = |xccs: u32| {
        let of = |memory: MemoryPartition| {
            let modes = ComputePartition::ALL.into_iter();
            let fit = modes.filter(|mode| check_mode(*mode, memory, xccs).is_ok());
            let words: Vec<String> = fit.map(|mode| mode.to_string()).collect();
            format!("{memory}: {}", words.join(" "))
        };
        MemoryPartition::ALL.map(of).join(", ")
    };
    assert_eq!(possible(0), "NPS1: , NPS2: , NPS4: , NPS8: ");
    assert_eq!(possible(3), "NPS1: , NPS2: , NPS4: , NPS8: ");
    assert_eq!(
        possible(4),
        "NPS1: SPX DPX CPX, NPS2: DPX, NPS4: CPX, NPS8: "
    );
    assert_eq!(possible(6), "NPS1: SPX TPX CPX, NPS2: , NPS4: CPX, NPS8: ");
    assert_eq!(
        possible(8),
        "NPS1: SPX DPX QPX CPX, NPS2: DPX, NPS4: QPX CPX, NPS8: "
    );
    let (mode, memory) = (ComputePartition::Spx, MemoryPartition::Nps4);
    assert_eq!(
        check_mode(mode, memory, 8),
        Err(ModeError::Memory { mode, memory })
    );
    let mode = ComputePartition::Tpx;
    assert_eq!(
        check_mode(mode, memory, 8),
        Err(ModeError::Xccs { mode, xccs: 8 })
    );
}

proptest! {
    /// The command line, the annotation and the job's document carry asks as text.
    #[test]
    fn every_ask_reads_back_as_itself(ask in asks()) {
        let text = ask.to_string();
        prop_assert_eq!(text.parse::<Ask>().map_err(|error| error.to_string()), Ok(ask), "{}", text);
    }

    #[test]
    fn an_exact_amount_reads_back_as_itself(bytes in any::<u64>(), zeros in 0_u32..64) {
        let amount = Bytes(bytes >> zeros << zeros);
        prop_assert_eq!(amount.exact().to_string().parse::<Bytes>().ok(), Some(amount));
    }
}
