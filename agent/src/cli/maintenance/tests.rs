//! How maintenance looks.

use kerf_api::json::Maintenance;
use kerf_api::v1;

use super::{render, verdict};
use crate::cli::Exit;
use crate::cli::fail::Failure;
use crate::cli::style::Style;

fn holder(pid: u32, command: &str, holds: &[&str]) -> v1::DriverHolder {
    v1::DriverHolder {
        pid,
        command: command.to_owned(),
        holds: holds.iter().map(|what| (*what).to_owned()).collect(),
    }
}

#[track_caller]
fn check(maintenance: &v1::Maintenance, expected: &str) {
    let plain = Style { color: false };
    assert_eq!(render(&Maintenance::from(maintenance), plain), expected);
}

#[test]
fn who_is_in_the_way_is_named() {
    let mut maintenance = v1::Maintenance {
        active: true,
        gpus: vec!["0000:1b:00.0".to_owned()],
        since_ms: 1_000,
        by: Some(0),
        others: vec![holder(7, "python", &["/dev/nvidia0"])],
        unread: (10..15).map(|pid| holder(pid, "init", &[])).collect(),
        modules: vec!["nvidia (used 3 times)".to_owned()],
        ..v1::Maintenance::default()
    };
    check(
        &maintenance,
        "IN MAINTENANCE: GPU 0000:1b:00.0
  since 1970-01-01T00:00:01.000Z, by uid 0
  the driver is closed: no process of kerf has it open
  in the way, and not kerf's to end:
    python (process 7) holds /dev/nvidia0
  kerfd may not see what 5 programs have open: init (process 10), init (process 11), init (process 12) and 2 more
  loaded: nvidia (used 3 times)
",
    );
    let exit = verdict(&Maintenance::from(&maintenance)).expect("kerf is out of the way");
    assert_eq!(exit, Exit::Differs);
    maintenance.whole_host = true;
    maintenance.ours = vec![holder(
        9,
        "kerf-partitioner",
        &["nothing that is seen, and still runs"],
    )];
    (maintenance.others, maintenance.unread) = (Vec::new(), Vec::new());
    check(
        &maintenance,
        "IN MAINTENANCE: the whole host
  since 1970-01-01T00:00:01.000Z, by uid 0
  kerf still has the driver open
    kerf-partitioner (process 9) holds nothing that is seen, and still runs
  loaded: nvidia (used 3 times)
",
    );
    let held = verdict(&Maintenance::from(&maintenance)).expect_err("kerf has it open");
    assert!(
        matches!(&held, Failure::DriverHeld(by) if by.len() == 1),
        "{held}"
    );
}

#[test]
fn what_is_not_well_after_leaving_is_told() {
    let over = v1::Maintenance {
        unwell: vec!["driver: it is not loaded".to_owned()],
        ..v1::Maintenance::default()
    };
    check(
        &over,
        "nothing is in maintenance: the driver is in use
  not well: driver: it is not loaded
",
    );
}
