//! Machines without a GPU, recordings, and what is refused.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::known::Known;
use crate::texts;
use crate::world::{World, run};

#[test]
fn without_an_nvidia_smi_that_answers_there_is_no_gpu() {
    let world = World::new("h100x1");
    let mut fake = texts::of(&world);
    let sick = "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n";
    fake.texts.insert("L", (sick.to_owned(), 9));
    let program = fake.install(&world).join("nvidia-smi");
    let ran = run(world.gpu_check().arg("--nvidia-smi").arg(&program));
    assert_eq!(ran.code, Some(0), "{}", ran.errors);
    let said = "there is no NVIDIA GPU to compare with";
    assert!(ran.out.starts_with(said), "{}", ran.out);
    assert!(ran.out.contains("couldn't communicate"), "{}", ran.out);
    fake.texts
        .insert("L", ("No devices found.\n".to_owned(), 0));
    fake.install(&world);
    let ran = run(world.gpu_check().arg("--nvidia-smi").arg(&program));
    assert_eq!(ran.code, Some(0), "{}", ran.errors);
    assert!(ran.out.starts_with(said), "{}", ran.out);
}

#[test]
fn a_program_or_library_that_is_named_must_be_there() {
    let world = World::new("h100x1");
    let absent = world.scratch.join("absent");
    let ran = run(world.gpu_check().arg("--nvidia-smi").arg(&absent));
    assert_eq!(ran.code, Some(1));
    assert!(ran.errors.contains("cannot start"), "{}", ran.errors);
    let program = texts::of(&world).install(&world).join("nvidia-smi");
    fs::rename(&world.info.library, world.scratch.join("moved.so")).expect("moved");
    let ran = run(world.gpu_check().arg("--nvidia-smi").arg(program));
    assert_eq!(ran.code, Some(1));
    assert!(ran.errors.contains("does not exist"), "{}", ran.errors);
}

#[test]
fn a_recording_names_no_machine_unless_that_is_wanted() {
    let world = World::new("h100x1");
    let program = texts::of(&world).install(&world).join("nvidia-smi");
    let known = Known::new(&world.info.dir);
    let secrets = [
        known.gpus[0].serial.clone(),
        known.gpus[0].uuid.to_string(),
        "d52bae2e458244e2".to_owned(),
    ];
    let record = |folder: &Path, more: &[&str]| {
        let mut command = world.gpu_check();
        command.arg("--nvidia-smi").arg(&program);
        run(command.arg("--record").arg(folder).args(more))
    };
    let folder = world.scratch.join("recording");
    let ran = record(&folder, &[]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.errors);
    let files = files(&folder);
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "inventory.json",
            "manifest.json",
            "nvidia-smi/L.txt",
            "nvidia-smi/mig-lci.txt",
            "nvidia-smi/mig-lgi.txt",
            "nvidia-smi/mig-lgip.txt",
            "nvidia-smi/mig-lgipp.txt",
            "nvidia-smi/nvlink-s.txt",
            "nvidia-smi/q.after.txt",
            "nvidia-smi/q.before.txt",
            "nvidia-smi/query-gpu.after.csv",
            "nvidia-smi/query-gpu.before.csv",
            "nvidia-smi/topo-m.txt",
            "nvidia-smi/version.txt",
            "nvml.json",
            "samples.json",
            "topology.json",
        ]
    );
    for (name, text) in &files {
        let told = secrets.iter().find(|secret| text.contains(*secret));
        assert_eq!(told, None, "{name}");
    }
    let manifest: Value = serde_json::from_str(&files[1].1).expect("JSON");
    assert_eq!(manifest["driver_version"], nvidia_ml::DRIVER_VERSION);
    let day = manifest["recorded_at"].as_str().expect("a time");
    assert!(day.len() >= 20 && day.ends_with('Z'), "{day}");
    let ran = record(&folder, &[]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.errors.contains("is not empty"), "{}", ran.errors);
    let open = world.scratch.join("open");
    assert_eq!(record(&open, &["--with-serials"]).code, Some(0));
    let text = fs::read_to_string(open.join("nvidia-smi/q.before.txt")).expect("a file");
    assert!(secrets.iter().all(|secret| text.contains(secret)), "{text}");
}

/// Every file below a folder, by name.
fn files(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).expect("inside").display();
            let text = fs::read_to_string(&path).expect("text");
            found.push((name.to_string(), text));
        }
    }
    found.sort();
    found
}
