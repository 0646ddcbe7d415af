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
        peers_address: "10.0.0.7:9451".to_owned(),
        ..v1::Status::default()
    }
}

#[test]
fn a_host_that_is_well() {
    insta::assert_snapshot!(status::render(&Status::from(&well()), PLAIN), @"
    node-1  kerfd 0.1.0, up 2h 2m
    everything is well
      GPUs     8 of 8 well
      slices   14, 3 leased
      leases   3
      jobs     2 active
      store    epoch 1, generation 42
      metrics  http://127.0.0.1:9450/metrics
      peers    10.0.0.7:9451
    ");
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
            degradation(
                "gpu 3 (0000:5d:00.0)",
                "fallen off the bus",
                "reset the GPU",
            ),
            degradation("containerd", "does not answer", ""),
        ],
        gpus_ok: 7,
        draining: true,
        simulated: Some("h100x8".to_owned()),
        metrics_address: String::new(),
        peers_address: String::new(),
        ..well()
    };
    insta::assert_snapshot!(status::render(&Status::from(&sick), PLAIN), @"
    node-1  kerfd 0.1.0, up 2h 2m, simulated h100x8
    DRAINING: kerfd is about to end and takes no new work
    DEGRADED: 2 things are not well
      gpu 3 (0000:5d:00.0): fallen off the bus
        hint: reset the GPU
        since 2026-11-25T12:00:00.000Z
      containerd: does not answer
        since 2026-11-25T12:00:00.000Z
      GPUs     7 of 8 well
      slices   14, 3 leased
      leases   3
      jobs     2 active
      store    epoch 1, generation 42
      metrics  off
      peers    off
    ");
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
    insta::assert_snapshot!(events::render(&Events::from_iter(&all), PLAIN), @"
        9  2026-11-25T12:00:00.000Z  gpu     gpu 3 (0000:5d:00.0): lost
    12345  2026-11-25T12:00:00.000Z  config  reload: taken
    ");
}
