//! Where both sides say the same, the program says so and exits 0.

use nvidia_ml::control::{LoadRequest, load};

use crate::texts;
use crate::world::{Slice, World, run};

#[test]
fn eight_gpus_with_switches_and_interfaces() {
    let world = World::new("h100x8");
    let folder = texts::of(&world).install(&world);
    let path = std::env::var("PATH").expect("a path");
    let ran = run(world
        .gpu_check()
        .env("PATH", format!("{}:{path}", folder.display())));
    assert_eq!(
        (ran.code, ran.errors.as_str()),
        (Some(0), ""),
        "{}",
        ran.out
    );
    assert!(ran.out.contains(" 0 different, "), "{}", ran.out);
    let row = ran.row("GPU7", "uuid").expect("the last GPU's UUID");
    assert_eq!((row[2], row.last()), (row[3], Some(&"same")));
    for (of, field) in [
        ("host", "driver version"),
        ("host", "nvml version"),
        ("GPU0", "serial"),
        ("GPU0", "pcie.link.gen.max"),
        ("GPU0", "nvlinks up"),
        ("GPU0", "minor"),
        ("GPU7", "topology"),
        ("GPU7", "cpu affinity"),
        ("mlx5_7", "topology"),
        ("GPU3", "profile 19"),
        ("GPU3", "temperature.gpu"),
        ("GPU3", "processes"),
    ] {
        let row = ran.row(of, field).unwrap_or_else(|| panic!("{of} {field}"));
        assert!(matches!(row.last(), Some(&"same" | &"near")), "{row:?}");
    }
}

/// Two slices, and an instance with nothing in it yet.
#[test]
fn a_gpu_in_slices() {
    let world = World::new("h100x1");
    world.cut(&[
        Slice {
            profile: 9,
            place: (4, 4),
            compute: &[2],
        },
        Slice {
            profile: 14,
            place: (0, 2),
            compute: &[1],
        },
        Slice {
            profile: 19,
            place: (2, 1),
            compute: &[],
        },
    ]);
    let folder = texts::of(&world).install(&world);
    let program = folder.join("nvidia-smi");
    let ran = run(world.gpu_check().arg("--nvidia-smi").arg(program));
    assert_eq!(
        (ran.code, ran.errors.as_str()),
        (Some(0), ""),
        "{}",
        ran.out
    );
    for (of, field) in [
        ("GPU0", "mig.mode.current"),
        ("GPU0 gi 2", "-lgi"),
        ("GPU0 gi 9", "-lgi"),
        ("GPU0 gi 2 ci 0", "-lci"),
        ("GPU0 gi 2 ci 0", "uuid"),
        ("GPU0 gi 2 ci 0", "name"),
        ("GPU0 gi 3 ci 0", "multiprocessors"),
        ("GPU0 gi 3 ci 0", "memory.total"),
    ] {
        let row = ran.row(of, field).unwrap_or_else(|| panic!("{of} {field}"));
        assert_eq!(row.last(), Some(&"same"), "{row:?}");
    }
    let row = ran.row("GPU0", "nvlinks up").expect("links");
    assert_eq!(
        row.last(),
        Some(&"not compared: nvidia-smi does not ask in MIG mode")
    );
}

#[test]
fn a_field_that_this_nvidia_smi_does_not_know_is_left_out() {
    let world = World::new("a100x1");
    let mut fake = texts::of(&world);
    fake.facts[0].remove("clocks_event_reasons.active");
    let program = fake.install(&world).join("nvidia-smi");
    let ran = run(world.gpu_check().arg("--nvidia-smi").arg(program));
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.errors);
    let row = ran
        .row("GPU0", "clocks_event_reasons.active")
        .expect("a row");
    assert_eq!(
        row.last(),
        Some(&"not compared: unknown to this nvidia-smi")
    );
}

#[test]
fn a_process_and_its_memory() {
    let world = World::new("h100x1");
    let request = LoadRequest {
        gpu: 0,
        gi: None,
        ci: None,
        sm_percent: 0,
        memory_bytes: 3 << 30,
        pid: std::process::id(),
    };
    load(&world.info.dir, request).expect("a process");
    let program = texts::of(&world).install(&world).join("nvidia-smi");
    let ran = run(world.gpu_check().arg("--nvidia-smi").arg(program));
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.errors);
    let pid = std::process::id().to_string();
    let row = ran.row("GPU0", "processes").expect("a row");
    assert_eq!(row[2..], [pid.as_str(), pid.as_str(), "same"]);
    let row = ran.row("GPU0", "memory.used").expect("a row");
    assert_eq!(row[2..], ["3072 MiB", "3072 MiB", "same"]);
}
