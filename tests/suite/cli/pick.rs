//! `kerf topology pick` of a machine under a folder: what is lost or gone takes nothing else with it.

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
