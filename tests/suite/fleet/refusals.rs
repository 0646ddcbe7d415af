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

/// A record tells nothing of UUIDs and network interfaces. So a host is asked that cannot hold the job, says why, and the
/// job goes where it can be held.
#[test]
fn a_job_that_names_a_gpu_goes_to_the_host_that_has_it() {
    let Some(mut fleet) = empty() else { return };
    for machine in ["h100x1", "h100x1", "a100x8"] {
        let more = config(&fleet);
        fleet.add(machine, &more).expect("a host comes up");
    }
    all_see(&fleet, 3);
    let inventory = fleet.says(2, &["inventory", "-o", "json"]);
    let inventory: serde_json::Value =
        serde_json::from_str(&inventory.expect("an inventory")).expect("JSON");
    let uuid = inventory["gpus"][0]["uuid"].as_str().expect("a UUID");
    let spec = Spec::new("exit 5").asks(&format!("gpu,nic=node,include={uuid}"));
    let id = spec.submit(&fleet, 3);
    let ended = until(&fleet, 3, &id, "failed");
    assert_eq!(ended["exit_code"], 5, "{ended}");
    assert_eq!(hosts_of(&ended), ["node-2"], "{ended}");
    // The host that took it in is the nearest, so it was asked first.
    let refused = verdict(&fleet, 3, &id, "node-3");
    assert_eq!(refused["refusal"]["constraint"], "said_no", "{refused}");
    let text = refused["refusal"]["text"].as_str().expect("a text");
    let expected = format!("there is no GPU {uuid}, which must be among them");
    assert!(text.contains(&expected), "{text}");
    // What a record tells rules hosts out without asking them.
    let id = Spec::new("exit 6").asks("gpu,include=7").submit(&fleet, 1);
    let ended = until(&fleet, 1, &id, "failed");
    assert_eq!(hosts_of(&ended), ["node-3"], "{ended}");
    let refused = verdict(&fleet, 1, &id, "node-1");
    assert_eq!(refused["refusal"]["constraint"], "impossible", "{refused}");
    fleet.stop().expect("nothing is left");
}
