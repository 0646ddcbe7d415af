//! Peers of a fleet that is made up.

use super::peers;
use crate::fleet::summary::tests::fleet;

#[test]
fn peers_are_the_other_hosts_and_there_are_none_for_a_host_alone() {
    let mut fleet = fleet();
    let others = peers(&fleet).expect("it listens");
    insta::assert_snapshot!(serde_json::to_string_pretty(&others).expect("it writes"), @r#"
    [
      {
        "name": "node-2",
        "address": "10.0.0.2:9451",
        "state": "alive",
        "since_at": "1970-01-01T00:00:05.000Z",
        "gpus": "5 x NVIDIA H100 80GB HBM3",
        "gpus_ok": 4,
        "held": 2,
        "free": 2,
        "jobs": 3,
        "open": true
      },
      {
        "name": "node-2",
        "address": "10.0.0.3:9451",
        "state": "suspect",
        "since_at": "1970-01-01T00:00:05.000Z",
        "gpus": null,
        "gpus_ok": null,
        "held": null,
        "free": null,
        "jobs": null,
        "open": null
      }
    ]
    "#);
    fleet.listens = false;
    assert_eq!(peers(&fleet), None);
}
