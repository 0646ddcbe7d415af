//! A program that does not return is left behind, one that fails is heard.

use std::path::PathBuf;
use std::time::Duration;

use kerf_tests::{Scratch, executable};

use super::{Presence, Smi};

fn script(scratch: &Scratch, body: &str) -> PathBuf {
    let path = scratch.join("nvidia-smi");
    executable::script(&path, &format!("#!/bin/sh\n{body}\n")).expect("written");
    path
}

#[test]
fn a_call_that_does_not_return_is_given_up() {
    let scratch = Scratch::new("kerf-smi").expect("a folder");
    // It ends by itself, long after the test has given it up. Had it been waited for, there would be an
    // answer.
    let program = script(&scratch, "exec sleep 20");
    let answer = Smi { program }.ask_within(&["-q"], Duration::from_millis(200));
    let error = answer.expect_err("no answer").to_string();
    assert!(
        error.starts_with("nvidia-smi -q has not returned"),
        "{error}"
    );
}

#[test]
fn both_streams_and_the_code_are_heard() {
    let scratch = Scratch::new("kerf-smi").expect("a folder");
    let program = script(
        &scratch,
        "echo; echo \"asked $*\"; echo trouble >&2; exit 6",
    );
    let answer = Smi { program }.ask(&["mig", "-lgi"]).expect("an answer");
    assert_eq!(answer.arguments, "mig -lgi");
    assert_eq!(answer.text, "\nasked mig -lgi\ntrouble\n");
    assert_eq!((answer.code, answer.succeeded()), (Some(6), false));
    assert_eq!(answer.first_line(), "asked mig -lgi");
}

#[test]
fn fields_are_dropped_until_the_query_is_answered() {
    let scratch = Scratch::new("kerf-smi").expect("a folder");
    let body = r#"case "$1" in
        *serial*) echo 'Field "serial" is not a valid field to query.'; exit 2 ;;
        *vbios_version*) echo 'Field "vbios_version" is not a valid field to query.'; exit 2 ;;
        *) echo 'the answer' ;;
        esac"#;
    let smi = Smi {
        program: script(&scratch, body),
    };
    let (fields, answer) = smi.query().expect("an answer");
    assert_eq!(answer.text, "the answer\n");
    assert_eq!(fields.len(), super::FIELDS.len() - 2);
    assert!(!fields.contains(&"serial") && !fields.contains(&"vbios_version"));
    let sick = Smi {
        program: script(&scratch, "echo Unknown Error; exit 255"),
    };
    let error = sick.query().expect_err("no answer").to_string();
    assert_eq!(error, "nvidia-smi --query-gpu says: Unknown Error");
}

#[test]
fn a_list_that_is_not_understood_is_an_error() {
    let scratch = Scratch::new("kerf-smi").expect("a folder");
    let program = script(&scratch, "echo 'GPU 0 is there'");
    let found = Smi::find(Some(&program));
    let error = found.expect_err("no list").to_string();
    assert!(error.contains("not understood"), "{error}");
    let program = script(&scratch, "echo 'GPU 0: A (UUID: GPU-1)'");
    let Ok(Presence::Here(_, gpus)) = Smi::find(Some(&program)) else {
        panic!("a GPU")
    };
    assert_eq!(gpus[0].uuid, "GPU-1");
}

#[test]
fn no_driver_is_no_gpu_and_a_sick_one_is_an_error() {
    let scratch = Scratch::new("kerf-smi").expect("a folder");
    for code in [6, 9, 12] {
        let program = script(&scratch, &format!("echo nothing here; exit {code}"));
        let found = Smi::find(Some(&program)).expect("an answer");
        let Presence::NoGpu(why) = found else {
            panic!("{code}: {found:?}")
        };
        assert!(why.ends_with("says: nothing here"), "{why}");
    }
    // Insufficient permissions, interrupt, lost, killed, unknown.
    for code in ["exit 4", "exit 8", "exit 15", "kill -9 $$", "exit 255"] {
        let program = script(&scratch, &format!("echo trouble; {code}"));
        let error = Smi::find(Some(&program)).expect_err(code).to_string();
        assert!(error.starts_with("the driver is sick: "), "{error}");
        assert!(error.contains("trouble"), "{error}");
    }
}
