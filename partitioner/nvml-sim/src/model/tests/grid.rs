//! Placements: legality, the driver's own choice, ids by place, media engines.

use super::*;

/// Creates the profiles in order by the driver's own choice, as far as they go.
fn by_default(profiles: &[u32]) -> (String, Option<Status>) {
    let mut machine = mig_machine("h100x1");
    let refused = profiles
        .iter()
        .find_map(|&id| create(&mut machine, id, None).err());
    (layout(&machine), refused)
}

#[test]
fn the_drivers_own_choice_is_the_documented_trap() {
    let trap = by_default(&[19, 19, 14, 9]);
    assert_eq!(
        trap,
        (
            "19@6#13 19@4#11 14@0#3".to_owned(),
            Some(Status::InsufficientResources)
        )
    );
    let works = by_default(&[9, 19, 14, 19]);
    assert_eq!(works, ("9@4#2 19@0#7 14@2#4 19@1#8".to_owned(), None));
}

#[test]
fn the_drivers_own_choice_gives_the_ids_of_the_h100_capture() {
    // The capture's host was cut with 9,14,19,19 and shows GI 2, 3, 9 and 10.
    assert_eq!(
        by_default(&[9, 14, 19, 19]).0,
        "9@4#2 14@0#3 19@2#9 19@3#10"
    );
}

#[test]
fn single_slices_fill_the_gpu_in_the_drivers_order() {
    let (layout, refused) = by_default(&[19; 8]);
    assert_eq!(
        layout,
        "19@6#13 19@4#11 19@5#12 19@0#7 19@1#8 19@2#9 19@3#10"
    );
    assert_eq!(refused, Some(Status::InsufficientResources));
}

#[test]
fn every_start_is_legal_or_an_invalid_argument() {
    let product = machine("h100x1").product().expect("a product");
    for profile in product.gi_profiles {
        for start in 0..9 {
            let made = create(&mut mig_machine("h100x1"), profile.id, Some(start));
            match profile.starts.contains(&start) {
                true => assert!(made.is_ok(), "{} at {start}", profile.name),
                false => assert_eq!(
                    made,
                    Err(Status::InvalidArgument),
                    "{} at {start}",
                    profile.name
                ),
            }
        }
    }
}

#[test]
fn a_taken_place_and_a_full_count_are_insufficient_resources() {
    let mut machine = mig_machine("h100x1");
    create(&mut machine, 14, Some(2)).expect("room");
    assert_eq!(
        create(&mut machine, 9, Some(0)),
        Err(Status::InsufficientResources)
    );
    assert_eq!(
        create(&mut machine, 19, Some(3)),
        Err(Status::InsufficientResources)
    );
    create(&mut machine, 20, Some(0)).expect("the one with media engines");
    assert_eq!(
        create(&mut machine, 20, Some(1)),
        Err(Status::InsufficientResources)
    );
    assert_eq!(
        create(&mut machine, 99, Some(0)),
        Err(Status::InvalidArgument)
    );
    assert_eq!(layout(&machine), "14@2#4 20@0#7");
}

#[test]
fn remaining_capacity_counts_free_places_up_to_the_limit() {
    let mut machine = mig_machine("h100x1");
    let left = |machine: &Machine| {
        let product = machine.product().expect("a product");
        let profiles = product.gi_profiles.iter();
        profiles
            .map(|profile| machine.gpus[0].remaining_gi(product, profile))
            .collect::<Vec<_>>()
    };
    // In the order 19, 20, 15, 14, 9, 5, 0.
    assert_eq!(left(&machine), [7, 1, 4, 3, 2, 1, 1]);
    create(&mut machine, 20, Some(5)).expect("room");
    assert_eq!(left(&machine), [6, 0, 3, 2, 1, 1, 0]);
    create(&mut machine, 9, Some(0)).expect("room");
    assert_eq!(left(&machine), [2, 0, 1, 0, 0, 0, 0]);
}

#[test]
fn an_a30_has_its_media_engines_once() {
    let mut machine = mig_machine("a30x4");
    create(&mut machine, 21, Some(3)).expect("1g+me");
    let product = machine.product().expect("a product");
    let half = product.gi_profile(6).expect("2g+me");
    assert_eq!(machine.gpus[0].remaining_gi(product, half), 0);
    assert_eq!(
        create(&mut machine, 6, Some(0)),
        Err(Status::InsufficientResources)
    );
    create(&mut machine, 5, Some(0)).expect("a half without them");
    create(&mut machine, 14, None).expect("a quarter");
    assert_eq!(layout(&machine), "21@3#6 5@0#1 14@2#5");
}

#[test]
fn an_instance_with_all_media_engines_leaves_room_only_for_those_without() {
    let mut machine = mig_machine("rtxpro6000x4");
    create(&mut machine, 65, Some(9)).expect("1g+me.all");
    let refused = [14, 21, 47, 5, 35, 64].map(|id| create(&mut machine, id, Some(0)));
    assert_eq!(refused, [Err(Status::InsufficientResources); 6]);
    create(&mut machine, 66, Some(0)).expect("2g-me");
    create(&mut machine, 67, None).expect("1g-me");
    assert_eq!(layout(&machine), "65@9#6 66@0#1 67@6#5");
    let half = machine.gpus[0].instance(1).expect("the half").serial;
    let gi = InstanceRef {
        gpu: 0,
        serial: half,
    };
    machine.create_ci(gi, 0, None, START_US).expect("1c");
    machine.create_ci(gi, 0, None, START_US).expect("another");
    let full = machine.create_ci(gi, 1, None, START_US);
    assert_eq!(full, Err(Status::InsufficientResources));
}

#[test]
fn compute_instances_fill_a_gpu_instance() {
    let mut machine = mig_machine("h100x1");
    let gi = create(&mut machine, 9, Some(4)).expect("room");
    machine.create_ci(gi, 1, None, START_US).expect("2c");
    let third = machine
        .create_ci(gi, 0, None, START_US)
        .expect("1c behind it");
    assert_eq!(machine.gpus[0].ci(third).expect("it is there").1.start, 2);
    let full = machine.create_ci(gi, 0, None, START_US);
    assert_eq!(full, Err(Status::InsufficientResources));
    // 4c does not exist in a 3g, and 2c lies at 0 only.
    assert_eq!(
        machine.create_ci(gi, 3, None, START_US),
        Err(Status::InvalidArgument)
    );
    assert_eq!(
        machine.create_ci(gi, 1, Some(1), START_US),
        Err(Status::InvalidArgument)
    );
}
