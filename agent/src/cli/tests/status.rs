//! `kerf status` and `kerf events`.

use kerf_api::json::{Events, Status};
use kerf_api::v1;

use super::PLAIN;
use crate::cli::{events, status};

const NOON: u64 = 1_795_608_000_000;

fn well() -> v1::Status {
    v1::Status {
        host: "node-1".to_owned(),
        version: "0.1.0".to_owned(),
        started_ms: NOON,
        now_ms: NOON + 7_325_000,
        gpus: 8,
        gpus_ok: 8,
        slices: 14,
        slices_leased: 3,
        leases: 3,
        jobs_active: 2,
        store_epoch: 1,
        generation: 42,
        metrics_address: "127.0.0.1:9450".to_owned(),
        ..v1::Status::default()
    }
}

#[test]
fn a_host_that_is_well() {
    insta::assert_snapshot!(status::render(&Status::from(&well()), PLAIN), @"");
}

#[test]
fn what_is_wrong_comes_first() {
    let degradation = |what: &str, why: &str, hint: &str| v1::Degradation {
        what: what.to_owned(),
        why: why.to_owned(),
        hint: hint.to_owned(),
        since_ms: NOON,
    };
    let sick = v1::Status {
        degraded: vec![
            degradation("gpu 3 (0000:5d:00.0)", "fallen off the bus", "reset the GPU"),
            degradation("containerd", "does not answer", ""),
        ],
        gpus_ok: 7,
        draining: true,
        simulated: Some("h100x8".to_owned()),
        metrics_address: String::new(),
        ..well()
    };
    insta::assert_snapshot!(status::render(&Status::from(&sick), PLAIN), @"");
}

#[test]
fn events_are_a_line_each() {
    let event = |number, kind: &str, subject: &str, text: &str| v1::Event {
        number,
        time_ms: NOON,
        kind: kind.to_owned(),
        subject: subject.to_owned(),
        text: text.to_owned(),
    };
    let all = [
        event(9, "gpu", "gpu 3 (0000:5d:00.0)", "lost"),
        event(12_345, "config", "reload", "taken"),
    ];
    insta::assert_snapshot!(events::render(&Events::from_iter(&all), PLAIN), @"");
}
