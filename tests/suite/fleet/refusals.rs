//! A host that promises nothing since it could start nothing: its containerd is away.

use super::spec::Spec;
use super::world::{all_see, config, empty, hosts_of, node, until, verdict, waits};

#[test]
fn a_job_goes_elsewhere_when_containerd_is_away_where_it_fits_best() {
    let Some(mut fleet) = empty() else { return };
    let more = config(&fleet);
    let mut settings = fleet.settings("node-1", "h100x1", &more).expect("settings");
    settings.containerd = fleet.folder().join("no.sock");
    fleet
        .start(settings)
        .expect("it comes up without containerd");
    for _ in [2, 3] {
        let more = config(&fleet);
        fleet.add("h100x1", &more).expect("a host comes up");
    }
    all_see(&fleet, 3);
    // A GPU in MIG mode with room is better than one whose mode would have to change.
    let taken = ["lease", "create", "1g.10gb", "--ttl", "1h"];
    fleet.says(1, &taken).expect("it has room");
    waits(&fleet, 3, "the slice in the record of host 1", |fleet| {
        node(fleet, 3, "node-1")["record"]["leased"] == 1
    });
    let spec = Spec::new("exit 5").asks("1g.10gb");
    let id = spec.on(&[1, 2]).submit(&fleet, 3);
    let ended = until(&fleet, 3, &id, "failed");
    assert_eq!(ended["exit_code"], 5, "{ended}");
    assert_eq!(hosts_of(&ended), ["node-2"], "{ended}");
    let refused = verdict(&fleet, 3, &id, "node-1");
    assert_eq!(refused["refusal"]["constraint"], "said_no", "{refused}");
    let text = refused["refusal"]["text"].as_str().expect("a text");
    assert!(text.contains("containerd does not answer"), "{text}");
    fleet.stop().expect("nothing is left");
}
