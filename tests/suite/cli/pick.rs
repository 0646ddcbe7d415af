//! `kerf topology pick` of a machine under a folder: what is lost or gone takes nothing else with it.

use std::process::{Command, Stdio};

use kerf_tests::{Scratch, bins};
use nvidia_ml::control::{FaultRequest, fault};
use serde_json::Value;

use super::bare::Bare;
use crate::host::said::Said;

fn pick(bare: &Bare, words: &[&str]) -> Said {
    bare.run(&[&["topology", "pick", "-o", "json"], words].concat())
}

fn picked(said: &Said) -> Value {
    said.json(&[0])
}

#[test]
fn a_lost_gpu_is_left_out_and_one_that_is_gone_has_no_name() {
    let bare = Bare::new("h100x8");
    let all = picked(&pick(&bare, &["-n", "8"]));
    assert_eq!(all["ring_gbps"], 360.0);
    let third = all["addresses"][3].as_str().expect("an address").to_owned();
    fault(&bare.info.dir, FaultRequest::Lost { gpu: 3 }).expect("the machine");
    let seven = picked(&pick(&bare, &["-n", "7"]));
    assert_eq!(seven["gpus"], serde_json::json!([0, 1, 2, 4, 5, 6, 7]));
    pick(&bare, &["-n", "8"]).refuses(&["asked for 8, and 7 can be had; not well: 3"]);

    fault(&bare.info.dir, FaultRequest::Gone { gpu: 3 }).expect("the machine");
    let gone = picked(&pick(&bare, &["-n", "7"]));
    assert_eq!(gone["numa_nodes"], serde_json::json!([0, 1]));
    // Nobody lists it, so numbers have moved; its address is nobody's.
    let unknown = pick(&bare, &["-n", "1", "--include", &third]);
    let words = format!("there is no accelerator {third}");
    assert!(
        unknown.code == Some(2) && unknown.err.contains(&words),
        "{unknown:?}"
    );
}

#[test]
fn amds_gpus_are_chosen_by_what_their_kernel_says() {
    let all = picked(&pick(&Bare::new("mi300x8"), &["-n", "2"]));
    // One xGMI link between any two.
    assert_eq!(all["ring_gbps"], 20.0);
    let graph = picked(&pick(&Bare::new("mi250x4"), &["-n", "4"]));
    let addresses = [
        "0000:c1:00.0",
        "0000:c5:00.0",
        "0000:c9:00.0",
        "0000:cd:00.0",
    ];
    assert_eq!(graph["addresses"], serde_json::json!(addresses));
    assert_eq!(graph["ring_gbps"], 20.0);
}

fn kerf(words: &[&str]) -> Said {
    let mut command = Command::new(bins::kerf().expect("kerf is built"));
    command.args(words);
    Said::by(command)
}

#[test]
fn what_is_no_pci_function_is_named_by_its_id() {
    let bare = Bare::new("trn2x16");
    let two = picked(&pick(&bare, &["-n", "2"]));
    let expected = serde_json::json!(["neuron0", "neuron1"]);
    assert_eq!(
        (&two["ids"], &two["addresses"]),
        (&expected, &serde_json::json!([]))
    );
    let table = bare.run(&["topology", "pick", "-n", "2"]).ends(0);
    assert!(table.contains("neuron0, neuron1"), "{table}");
}

#[test]
fn a_root_that_is_none_is_said_before_a_worker_is_started() {
    let scratch = Scratch::new("kp").expect("/tmp takes folders");
    let file = scratch.join("file");
    std::fs::write(&file, "").expect("a file");
    let absent = scratch.join("absent");
    for (root, why) in [(&file, "not a directory"), (&absent, "No such file")] {
        let root = root.to_str().expect("a plain path");
        let verbs: [&[&str]; 4] = [
            &["topology"],
            &["topology", "pick", "-n", "1"],
            &["discover"],
            &["doctor"],
        ];
        for verb in verbs {
            let words = [verb, &["--sysroot", root, "--nvml", "none"]].concat();
            let said = kerf(&words);
            let what = format!("kerf: cannot look at the machine under {root}\n  because: {why}");
            assert!(said.err.starts_with(&what), "{said:?}");
            said.refuses(&["hint: --sysroot is the folder that stands for /"]);
            let failed = kerf(&[&words[..], &["-o", "json"]].concat());
            let document: Value = serde_json::from_str(&failed.err).expect("a document alone");
            assert_eq!(document["schema"], "kerf.v1.Error");
        }
    }
}

#[test]
fn a_library_that_is_named_and_is_none_fails() {
    let bare = Bare::new("mi300x8");
    let root = bare.info.sysroot.to_str().expect("a plain path");
    let scratch = Scratch::new("kp").expect("/tmp takes folders");
    let text = scratch.join("text.so");
    std::fs::write(&text, "no library").expect("a file");
    for library in [text, scratch.join("absent.so")] {
        let library = library.to_str().expect("a plain path");
        let machine = ["--sysroot", root, "--nvml", library];
        let what = format!("kerf: cannot use the driver library {library}");
        let verbs: [&[&str]; 2] = [&["topology"], &["topology", "pick", "-n", "1"]];
        for verb in verbs {
            kerf(&[verb, &machine].concat()).refuses(&[&what, "because: ", "hint: give --nvml"]);
        }
        // Those that tell what is there, and what is wrong, tell that too.
        let found = kerf(&[&["discover", "-o", "json"], &machine[..]].concat()).json(&[0]);
        assert_eq!(found["problems"].as_array().map(Vec::len), Some(1));
        kerf(&[&["doctor"], &machine[..]].concat()).ends(3);
    }
    assert_eq!(
        kerf(&["topology", "--sysroot", root, "--nvml", "none"]).code,
        Some(0)
    );
}

#[test]
fn a_file_without_text_or_gpus_is_as_wrong_as_one_that_is_no_xml() {
    let scratch = Scratch::new("kp").expect("/tmp takes folders");
    let (bytes, empty) = (scratch.join("bytes.xml"), scratch.join("empty.xml"));
    std::fs::write(&bytes, [0xff, 0xfe, b'<']).expect("a file");
    std::fs::write(&empty, "<system version=\"1\"/>").expect("a file");
    let wrong = [
        (bytes, "is not UTF-8"),
        (scratch.path().to_owned(), "is a folder"),
        (empty, "kerf: there is no GPU in "),
    ];
    for (file, why) in wrong {
        let file = file.to_str().expect("a plain path");
        let said = kerf(&["topology", "pick", "-n", "1", "--nccl-xml", file]);
        let is_said = said.err.contains(why) && said.err.contains("hint: NCCL writes such a file");
        assert!(said.code == Some(2) && is_said, "{said:?}");
    }
}

#[test]
fn a_partitioner_whose_reader_is_gone_ends_in_silence() {
    let bare = Bare::new("mi300x8");
    let mut command = Command::new(
        bins::kerf()
            .expect("kerf is built")
            .with_file_name("kerf-partitioner"),
    );
    command.args(["discover", "-o", "json", "--nvml", "none", "--sysroot"]);
    command.arg(&bare.info.sysroot);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the partitioner is built");
    drop(child.stdout.take());
    let ended = child.wait_with_output().expect("it ends");
    let err = String::from_utf8_lossy(&ended.stderr);
    assert!(
        ended.status.success() && !err.contains("Broken pipe"),
        "{err}"
    );
}
