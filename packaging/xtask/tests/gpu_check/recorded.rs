//! The simulator's tables against a recording that was made through the library's C ABI.

use std::fs;

use nvidia_ml::model::profile::{CI_PROFILES, GiProfile};
use serde_json::{Value, json};

use crate::known::Known;
use crate::texts;
use crate::world::{Slice, World, run};

/// What a recording of the machine holds about MIG.
fn recorded(world: &World) -> Value {
    let program = texts::of(world).install(world).join("nvidia-smi");
    let folder = world.scratch.join("recording");
    let mut command = world.gpu_check();
    command.arg("--nvidia-smi").arg(&program).arg("--record");
    let ran = run(command.arg(&folder));
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.errors);
    let text = fs::read_to_string(folder.join("nvml.json")).expect("a file");
    serde_json::from_str(&text).expect("JSON")
}

fn expected(profile: &GiProfile) -> Value {
    let engines = profile.engines;
    let places: Vec<[u32; 2]> = profile
        .starts
        .iter()
        .map(|start| [*start, profile.size])
        .collect();
    json!({
        "enumerator": profile.index,
        "id": profile.id,
        "name": format!("MIG {}", profile.name),
        "slice_count": profile.slices,
        "instance_count": profile.max_count,
        "multiprocessor_count": profile.multiprocessors,
        "engines": [engines.copy, engines.decoder, 0, engines.jpeg, engines.ofa],
        "memory_size_mib": profile.memory_mib,
        "placements": places,
    })
}

/// Every row of the table is in the recording, and every row of the recording in the table.
#[test]
fn the_tables_are_what_the_library_answers() {
    for machine in ["h100x1", "a100x1"] {
        let world = World::new(machine);
        let slice = |profile, place, compute| Slice {
            profile,
            place,
            compute,
        };
        world.cut(&[slice(9, (4, 4), &[2]), slice(19, (0, 1), &[0])]);
        let product = Known::new(&world.info.dir).product();
        let answers = recorded(&world);
        assert_eq!(answers["schema"], "kerf.v1.NvmlAnswers");
        assert_eq!(answers["driver_version"], nvidia_ml::DRIVER_VERSION);
        let gpu = &answers["gpus"][0];
        let mut profiles: Vec<&GiProfile> = product.gi_profiles.iter().collect();
        profiles.sort_by_key(|profile| profile.index);
        let wanted: Vec<Value> = profiles.iter().map(|profile| expected(profile)).collect();
        assert_eq!(gpu["profiles"], Value::from(wanted), "{machine}");
        // Holes of the enumeration are not supported (3), what lies beyond it is a wrong argument (2).
        let refused = gpu["refused"].as_object().expect("an object");
        assert_eq!(refused.len() + profiles.len(), 32);
        assert_eq!((&refused["5"], &refused["31"]), (&json!(3), &json!(2)));
        let compute = |slices: u32| {
            let fits = CI_PROFILES.iter().filter(|known| known.slices <= slices);
            fits.map(|known| json!([known.id, known.slices, slices / known.slices]))
                .collect::<Vec<Value>>()
        };
        for (at, slices, placement) in [(0, 1, [0, 1]), (1, 3, [4, 4])] {
            let instance = &gpu["instances"][at];
            assert_eq!(instance["placement"], json!(placement), "{machine}");
            assert_eq!(instance["compute_profiles"], Value::from(compute(slices)));
            let uuid = instance["compute"][0]["uuid"].as_str().expect("a UUID");
            assert!(uuid.starts_with("MIG-00000000-"), "not told: {uuid}");
        }
    }
}
