//! What a person sees of simulated machines without a kerfd: inventory, tree, drawing, and what the doctor says.

use std::fs;
use std::process::Command;

use kerf_tests::{bins, drawing, tree};
use nvidia_ml::control::{FaultRequest, fault};

use super::bare::Bare;
use crate::host::said::Said;

/// Its accelerators with vendor and architecture, and the kinds of their links.
#[test]
fn every_vendors_machine_is_found_with_nothing_odd() {
    let machines = [
        ("mi300x8", 8, "amd", "gfx942", "xgmi"),
        ("mi250x4", 8, "amd", "gfx90a", "xgmi"),
        ("gaudi3x8", 8, "habana", "gaudi3", "PIX"),
        ("trn2x16", 16, "aws", "trn2", "neuronlink"),
        ("tpu-v5e-8", 8, "google", "v5e", "PHB"),
        ("alveo-u55cx2", 2, "amd", "ultrascale+", "NODE"),
        ("max1550x4", 4, "intel", "xe-hpc", "NODE"),
        ("h100x8", 8, "nvidia", "hopper", "nvlink"),
    ];
    for (machine, count, vendor, architecture, link) in machines {
        let found = Bare::new(machine)
            .run(&["discover", "-o", "json"])
            .json(&[0]);
        let accelerators = found["accelerators"].as_array().expect("a list");
        assert_eq!(accelerators.len(), count, "{machine}");
        for one in accelerators {
            assert_eq!(one["vendor"], vendor, "{machine}");
            assert_eq!(one["architecture"], architecture, "{machine}");
            let capabilities = one["capabilities"].as_object().expect("an object");
            assert!(!capabilities.is_empty(), "{machine}: {one}");
        }
        let links = found["links"].as_array().expect("a list");
        assert!(
            links.iter().any(|one| one["kind"] == link),
            "{machine}: {links:?}"
        );
        for empty in ["oddities", "problems"] {
            assert_eq!(found[empty], serde_json::json!([]), "{machine}");
        }
    }
}

/// The node of a Grace machine's GPU is told to be the GPU's.
#[test]
fn memory_of_a_gpu_is_told_from_the_hosts() {
    let bare = Bare::new("gh200x1");
    let found = bare.run(&["discover", "-o", "json"]).json(&[0]);
    let nodes = found["numa_nodes"].as_array().expect("a list");
    let of_gpu = nodes
        .iter()
        .filter(|node| node["accelerator"] == "0009:01:00.0");
    assert_eq!(of_gpu.count(), 1, "{nodes:?}");
    let matrix = bare.run(&["topology", "-o", "json"]).json(&[0]);
    assert_eq!(matrix["rows"][0]["gpu_numa_id"], 1);
}

/// The README shows these drawings.
#[test]
fn drawings_of_the_readme_are_those_of_the_machines() {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").expect("a name");
    for machine in ["h100x8", "mi300x8"] {
        let said = Bare::new(machine).run(&["topology", "-o", "svg"]);
        assert_eq!(said.code, Some(0), "{said:?}");
        let name = host.trim();
        let drawn = said.out.replace(&format!(">{name}  "), ">host  ");
        let drawn = drawn.replace(&format!(">{name}<"), ">host<");
        let path = tree::fixtures_dir().join(format!("topology/{machine}.svg"));
        if std::env::var_os("KERF_BLESS").is_some() {
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(&path, &drawn).expect("a fixture");
        }
        let kept = fs::read_to_string(&path).expect("run with KERF_BLESS=1 to make it");
        assert!(
            drawn == kept,
            "{} is not what kerf draws: KERF_BLESS=1",
            path.display()
        );
    }
}

/// By a measure that shares no code with what draws.
#[test]
fn the_drawing_of_every_machine_can_be_read() {
    for (machine, _) in nvidia_ml::machines() {
        let said = Bare::new(machine).run(&["topology", "-o", "svg"]);
        assert_eq!(said.code, Some(0), "{said:?}");
        let wrong = drawing::complaints(&said.out).expect("a drawing");
        assert!(wrong.is_empty(), "{machine}: {}", wrong.join("\n"));
        // Nor is any product's name too long for its box.
        assert!(!said.out.contains('…'), "{machine}: {}", said.out);
    }
}

#[test]
fn the_doctor_names_what_is_sick_and_what_to_do() {
    let bare = Bare::new("h100x8");
    let well = bare.run(&["doctor"]);
    assert!(
        well.code == Some(0) && well.out.contains("everything is well"),
        "{well:?}"
    );
    fault(&bare.info.dir, FaultRequest::Lost { gpu: 3 }).expect("the machine");
    let sick = bare.run(&["doctor", "-o", "json"]).json(&[3]);
    assert_eq!(sick["ok"], false);
    let findings = sick["findings"].as_array().expect("a list");
    let of_gpu = findings.iter().find(|one| one["what"] == "0000:41:00.0");
    let of_gpu = of_gpu.expect("the lost GPU");
    assert_eq!(of_gpu["severity"], "error");
    assert!(
        of_gpu["why"]
            .as_str()
            .is_some_and(|why| why.contains("lost")),
        "{of_gpu}"
    );
}

/// A tray of a rack: its cluster, its links to the processors, and what the doctor says of a fabric that is sick.
#[test]
fn a_fabric_and_its_health_are_told() {
    let bare = Bare::new("gb200x4");
    let found = bare.run(&["discover", "-o", "json"]).json(&[0]);
    let fabric = &found["gpus"][2]["fabric"];
    assert_eq!(fabric["state"], "completed");
    assert_eq!(
        (&fabric["status"], &fabric["clique"]),
        (&0.into(), &1.into())
    );
    assert!(fabric["cluster"].is_string(), "{fabric}");
    assert_eq!(fabric["health"]["degraded_bandwidth"], false);
    assert_eq!(fabric["complaints"], serde_json::json!([]));
    let links = found["links"].as_array().expect("a list");
    let to_cpu: Vec<&serde_json::Value> = links
        .iter()
        .filter(|link| link["kind"] == "nvlink-c2c")
        .collect();
    let told = to_cpu
        .iter()
        .map(|link| (&link["b"], &link["count"], &link["gbps"]));
    for (node, (b, count, gbps)) in ["cpu0", "cpu0", "cpu1", "cpu1"].iter().zip(told) {
        assert_eq!((b, count, gbps), (&(*node).into(), &5.into(), &223.into()));
    }
    assert_eq!(to_cpu.len(), 4);
    let joined = links.iter().filter(|link| link["kind"] == "nvlink");
    let joined: Vec<_> = joined.map(|link| (&link["b"], &link["count"])).collect();
    assert_eq!(
        joined,
        [(&"switch".into(), &18.into()); 4],
        "switches of the rack"
    );
    let matrix = bare.run(&["topology"]);
    let row = "GPU0  X     NV18  NV18  NV18 ";
    assert!(matrix.out.contains(row), "{}", matrix.out);
    let words = "GPU3  =  5 links of nvlink-c2c to the CPUs of node 1, 223 GB/s one way";
    assert!(matrix.out.contains(words), "{}", matrix.out);

    let mut break_it = Command::new(bins::kerf().expect("kerf is built"));
    break_it.args(["sim", "fault"]).arg(&bare.info.dir);
    break_it.args(["--gpu", "2", "fabric=degraded"]);
    let done = Said::by(break_it);
    assert_eq!(done.code, Some(0), "{done:?}");
    let sick = bare.run(&["doctor", "-o", "json"]).json(&[3]);
    let findings = sick["findings"].as_array().expect("a list");
    let whys: Vec<&str> = findings
        .iter()
        .filter_map(|one| one["why"].as_str())
        .collect();
    assert_eq!(whys, ["NVLink fabric: its bandwidth is degraded"]);
}

#[test]
fn only_a_topology_is_drawn() {
    let said = Bare::new("a100x1").run(&["discover", "-o", "svg"]);
    let words = "only kerf topology can be drawn";
    assert!(said.code == Some(2) && said.err.contains(words), "{said:?}");
}
