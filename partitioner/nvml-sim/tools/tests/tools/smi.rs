//! Compute policy and compute mode.

use crate::world::World;

fn row(world: &World, gpu: &str) -> String {
    let (code, text) = world.smi(&["compute-policy", "-i", gpu, "--list"]);
    assert_eq!(code, Some(0), "{text}");
    let rows: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("Timeslice"))
        .collect();
    assert_eq!(rows.len(), 1, "{text}");
    rows[0].to_owned()
}

#[test]
fn a_time_slice_is_set_for_one_gpu_and_lasts() {
    let world = World::new("h100x8");
    let uuid = world.uuid(2);
    assert_eq!(
        row(&world, &uuid),
        "|   2     Timeslice    Default        |"
    );
    let set = world.smi(&["compute-policy", "-i", &uuid, "--set-timeslice", "2"]);
    assert_eq!(set.0, Some(0), "{}", set.1);
    assert_eq!(row(&world, "2"), "|   2     Timeslice    Medium         |");
    assert_eq!(row(&world, "1"), "|   1     Timeslice    Default        |");
    let (_, all) = world.smi(&["compute-policy", "--list"]);
    assert_eq!(all.matches("Timeslice").count(), 8);
    nvidia_ml::control::reload(&world.machine.dir).expect("idle");
    assert_eq!(row(&world, "2"), "|   2     Timeslice    Default        |");
}

#[test]
fn what_cannot_be_is_refused_with_nvmls_code() {
    let world = World::new("h100x1");
    let uuid = world.uuid(0);
    let cases: [(&[&str], Option<i32>); 6] = [
        (
            &["compute-policy", "-i", &uuid, "--set-timeslice", "4"],
            Some(2),
        ),
        (
            &["compute-policy", "-i", &uuid, "--set-timeslice", "short"],
            Some(2),
        ),
        (&["compute-policy", "-i", "GPU-none", "--list"], Some(6)),
        (&["-i", &uuid, "-c", "SOMETIMES"], Some(2)),
        (&["-i", &uuid, "--dance"], Some(1)),
        (&["-i", &uuid, "-c", "3"], Some(0)),
    ];
    for (arguments, code) in cases {
        let (found, text) = world.smi(arguments);
        assert_eq!(found, code, "{arguments:?}: {text}");
    }
}
