//! Where one field differs, the program names that field and exits 1.

use nvidia_ml::control::{FaultRequest, fault};

use crate::fake::Fake;
use crate::texts;
use crate::world::{Ran, Slice, World, run};

fn run_with(world: &World, fake: &Fake) -> Ran {
    let program = fake.install(world).join("nvidia-smi");
    run(world.gpu_check().arg("--nvidia-smi").arg(program))
}

fn check(world: &World, change: impl FnOnce(&mut Fake), expected: &[&str]) {
    let mut fake = texts::of(world);
    change(&mut fake);
    let ran = run_with(world, &fake);
    assert_eq!(ran.different(), expected, "{}{}", ran.out, ran.errors);
    assert_eq!(ran.code, Some(1));
}

#[test]
fn what_never_moves() {
    let world = World::new("h100x1");
    check(
        &world,
        |fake| fake.set(0, "serial", "1234567890123"),
        &["GPU0 serial"],
    );
    check(
        &world,
        |fake| fake.set(0, "memory.total", "81560"),
        &["GPU0 memory.total"],
    );
    check(
        &world,
        |fake| fake.set(0, "pcie.link.gen.max", "[N/A]"),
        &["GPU0 pcie.link.gen.max"],
    );
    check(
        &world,
        |fake| fake.replace("q", "Minor Number     : 0", "Minor Number     : 1"),
        &["GPU0 minor"],
    );
    check(
        &world,
        |fake| fake.replace("nvlink", "Link 3: <inactive>", "Link 3: 26.562 GB/s"),
        &["GPU0 nvlinks up"],
    );
    check(
        &world,
        |fake| fake.replace("topo", "PHB", "PIX"),
        &["GPU0 topology"],
    );
    check(
        &world,
        |fake| fake.replace("lgipp", "{0,4}:4", "{0}:4"),
        &["GPU0 profile 9"],
    );
}

#[test]
fn what_moves_too_far() {
    let world = World::new("h100x1");
    check(
        &world,
        |fake| fake.set(0, "temperature.gpu", "60"),
        &["GPU0 temperature.gpu"],
    );
    check(
        &world,
        |fake| fake.set(0, "ecc.errors.corrected.volatile.total", "1"),
        &["GPU0 ecc.errors.corrected.volatile.total"],
    );
}

#[test]
fn a_value_between_before_and_after_is_near() {
    let world = World::new("h100x1");
    let mut fake = texts::of(&world);
    fake.later = fake.facts.clone();
    fake.set(0, "power.draw", "20.00");
    fake.later[0].insert("power.draw".to_owned(), "300.00".to_owned());
    let ran = run_with(&world, &fake);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.errors);
    let row = ran.row("GPU0", "power.draw").expect("a row");
    assert_eq!((row[3], row[4]), ("20.00 W .. 300.00 W", "near"));
}

#[test]
fn a_gpu_that_only_one_side_sees() {
    let world = World::new("h100x8");
    let mut fake = texts::of(&world);
    fake.facts.pop();
    let ran = run_with(&world, &fake);
    assert_eq!(ran.code, Some(1));
    assert_eq!(ran.different(), ["GPU7 present"], "{}", ran.out);
}

#[test]
fn a_slice_of_another_name_or_place() {
    let world = World::new("h100x1");
    world.cut(&[Slice {
        profile: 19,
        place: (6, 1),
        compute: &[0],
    }]);
    check(
        &world,
        |fake| fake.replace("L", "UUID: MIG-", "UUID: MIG-0"),
        &["GPU0 gi 13 ci 0 uuid"],
    );
    check(
        &world,
        |fake| fake.replace("lgi", "6:1", "5:1"),
        &["GPU0 gi 13 -lgi"],
    );
    check(
        &world,
        |fake| {
            let nothing = "No compute instances found: Not Found\n".to_owned();
            fake.texts.insert("lci", (nothing, 6));
        },
        &["GPU0 gi 13 ci 0 -lci"],
    );
}

/// The worker that hangs is left behind; the program does not wait for it.
#[test]
fn a_gpu_that_hangs_for_kerf_alone() {
    let world = World::new("h100x1");
    let program = texts::of(&world).install(&world).join("nvidia-smi");
    fault(&world.info.dir, FaultRequest::Hang { gpu: 0 }).expect("a machine");
    let mut command = world.gpu_check();
    command.arg("--nvidia-smi").arg(program);
    let ran = run(command.args(["--deadline-ms", "500"]));
    fault(&world.info.dir, FaultRequest::Clear { gpu: 0 }).expect("a machine");
    assert_eq!(ran.code, Some(1), "{}", ran.errors);
    let said = "kerf could not read: GPU 0: no answer within 500 ms";
    assert!(ran.out.contains(said), "{}", ran.out);
    assert!(
        ran.different().contains(&"GPU0 temperature.gpu"),
        "{}",
        ran.errors
    );
    let row = ran.row("GPU0", "uuid").expect("a row");
    assert_eq!(row.last(), Some(&"same"), "the kernel driver names it");
}
