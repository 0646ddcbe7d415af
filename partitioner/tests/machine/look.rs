//! The program's verbs that only look, as programs read them.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use nvidia_ml::control::{FaultRequest, fault};
use serde_json::Value;

use crate::world::{PATIENCE, World, program};

fn look(world: &World, verb: &str, arguments: &[&str]) -> String {
    let output = Command::new(program())
        .args([verb, "--nvml"])
        .arg(&world.info.library)
        .arg("--sysroot")
        .arg(&world.info.sysroot)
        .args(arguments)
        .output()
        .expect("started");
    assert!(output.status.success(), "{}", output.status);
    String::from_utf8(output.stdout).expect("text")
}

fn document(world: &World, verb: &str, arguments: &[&str]) -> Value {
    let arguments = [&["-o", "json"], arguments].concat();
    serde_json::from_str(&look(world, verb, &arguments)).expect("JSON")
}

#[test]
fn the_topology_document_has_a_row_for_each_device() {
    let world = World::new("h100x8");
    let topology = document(&world, "topology", &[]);
    assert_eq!(topology["schema"], "kerf.v1.Topology");
    let devices = topology["devices"].as_array().expect("devices");
    let rows = topology["rows"].as_array().expect("rows");
    assert_eq!((devices.len(), rows.len()), (16, 16));
    let first = &rows[0];
    assert_eq!(first["device"], "GPU0");
    assert_eq!(
        (&first["links"][0], &first["links"][1]),
        (&"X".into(), &"NV18".into())
    );
    assert_eq!(
        (&first["links"][8], &first["links"][9]),
        (&"PIX".into(), &"PXB".into())
    );
    assert_eq!(
        (&first["cpu_affinity"], &first["numa_node"]),
        (&"0-47,96-143".into(), &0.into())
    );
    let inventory = document(&world, "discover", &[]);
    assert_eq!(first["pci"], inventory["gpus"][0]["pci"]);
    assert_eq!(rows[15]["pci"], inventory["nics"][7]["bdf"]);
    let table = look(&world, "topology", &[]);
    assert!(
        table.lines().nth(1).expect("GPU0").starts_with("GPU0  X "),
        "{table}"
    );
    assert!(
        table.lines().last().expect("NIC7").starts_with("NIC7"),
        "{table}"
    );
}

#[test]
fn the_samples_document_has_a_reading_of_each_gpu() {
    let world = World::new("h100x1");
    let samples = document(&world, "sample", &[]);
    assert_eq!(samples["schema"], "kerf.v1.Samples");
    assert_eq!(samples["problems"], Value::Array(Vec::new()));
    let sample = &samples["samples"][0];
    assert_eq!(
        (&sample["index"], &sample["ecc_corrected"]),
        (&0.into(), &0.into())
    );
    // The second of two readings, so a difference is known too.
    assert_eq!(sample["sm_activity_ratio"], 0.0);
    assert!(
        sample["taken_at"]
            .as_str()
            .is_some_and(|time| time.ends_with('Z'))
    );
    let inventory = document(&world, "discover", &[]);
    assert_eq!(sample["gpu"], inventory["gpus"][0]["uuid"]);
    let table = look(&world, "sample", &[]);
    assert!(table.starts_with("GPU  UUID"), "{table}");
    assert!(table.contains("345 MHz"), "{table}");
}

#[test]
fn a_gpu_that_hangs_is_a_problem_and_not_a_reading() {
    let world = World::new("h100x8");
    fault(&world.info.dir, FaultRequest::Hang { gpu: 3 }).expect("a machine");
    let samples = document(&world, "sample", &["--deadline-ms", "700"]);
    fault(&world.info.dir, FaultRequest::Clear { gpu: 3 }).expect("a machine");
    let read: Vec<_> = samples["samples"]
        .as_array()
        .expect("readings")
        .iter()
        .collect();
    assert!(read.iter().all(|sample| sample["index"] != 3));
    assert_eq!(read.len(), 7, "{:?}", samples["problems"]);
    let problem = samples["problems"][0].as_str().expect("a problem");
    assert!(problem.starts_with("GPU 3: no answer within"), "{problem}");
}

/// Processes whose command line names a folder.
fn processes_of(folder: &Path) -> Vec<String> {
    let name = folder.to_str().expect("a name");
    let line = |entry: std::fs::DirEntry| std::fs::read(entry.path().join("cmdline")).ok();
    let entries = std::fs::read_dir("/proc").expect("processes").flatten();
    let lines = entries.filter_map(line);
    let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    lines.filter(|line| line.contains(name)).collect()
}

#[test]
fn a_look_at_a_gpu_that_hangs_leaves_no_process_and_no_stream_open() {
    let world = World::new("h100x8");
    fault(&world.info.dir, FaultRequest::Hang { gpu: 1 }).expect("a machine");
    for verb in ["discover", "sample"] {
        // Its standard error is read to the end, which a worker that holds it would never let come.
        let document = document(&world, verb, &["--deadline-ms", "700"]);
        assert_ne!(document["problems"], Value::Array(Vec::new()), "{verb}");
        let begun = Instant::now();
        while !processes_of(&world.info.dir).is_empty() {
            let left = processes_of(&world.info.dir);
            assert!(begun.elapsed() < PATIENCE, "{verb} leaves {left:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    fault(&world.info.dir, FaultRequest::Clear { gpu: 1 }).expect("a machine");
}
