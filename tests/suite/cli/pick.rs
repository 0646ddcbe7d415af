//! `kerf topology pick` of a machine under a folder: what is lost or gone takes nothing else with it.

use std::path::PathBuf;
use std::process::Command;

use kerf_tests::{Scratch, bins};
use nvidia_ml::MachineInfo;
use nvidia_ml::control::{FaultRequest, fault};
use serde_json::Value;

use crate::host::said::Said;

/// A machine without a kerfd.
struct Bare {
    info: MachineInfo,
    _scratch: Scratch,
}

impl Bare {
    fn new(machine: &str) -> Self {
        let scratch = Scratch::new("kp").expect("/tmp takes folders");
        let library = nvidia_ml::find_library().expect("cargo has built the simulator");
        let options = nvidia_ml::CreateOptions { seed: Some(1) };
        let info = nvidia_ml::create(machine, &scratch.join("m"), &library, &options);
        Self {
            info: info.expect("a machine"),
            _scratch: scratch,
        }
    }

    fn pick(&self, words: &[&str]) -> Said {
        let mut command = Command::new(bins::kerf().expect("kerf is built"));
        let nvml = match self.info.library.exists() {
            true => self.info.library.clone(),
            false => PathBuf::from("none"),
        };
        command.args(["topology", "pick", "-o", "json", "--sysroot"]);
        command.arg(&self.info.sysroot).arg("--nvml").arg(nvml);
        command.args(words);
        Said::by(command)
    }
}

fn picked(said: &Said) -> Value {
    said.json(&[0])
}

#[test]
fn a_lost_gpu_is_left_out_and_one_that_is_gone_has_no_name() {
    let bare = Bare::new("h100x8");
    let all = picked(&bare.pick(&["-n", "8"]));
    assert_eq!(all["ring_gbps"], 360.0);
    let third = all["addresses"][3].as_str().expect("an address").to_owned();
    fault(&bare.info.dir, FaultRequest::Lost { gpu: 3 }).expect("the machine");
    let seven = picked(&bare.pick(&["-n", "7"]));
    assert_eq!(seven["gpus"], serde_json::json!([0, 1, 2, 4, 5, 6, 7]));
    bare.pick(&["-n", "8"])
        .refuses(&["asked for 8, and 7 can be had; not well: 3"]);

    fault(&bare.info.dir, FaultRequest::Gone { gpu: 3 }).expect("the machine");
    let gone = picked(&bare.pick(&["-n", "7"]));
    assert_eq!(gone["numa_nodes"], serde_json::json!([0, 1]));
    // Nobody lists it, so numbers have moved; its address is nobody's.
    let unknown = bare.pick(&["-n", "1", "--include", &third]);
    let words = format!("there is no accelerator {third}");
    assert!(
        unknown.code == Some(2) && unknown.err.contains(&words),
        "{unknown:?}"
    );
}

#[test]
fn gpus_whose_links_nobody_reads_are_not_ranked() {
    let refused = Bare::new("mi300x8").pick(&["-n", "2"]);
    refused.refuses(&["8 AMD GPUs are there", "--nccl-xml"]);
}
