//! Members that find each other by what kerf tells them: an exchange over TCP of all with all, on two hosts with an
//! address each.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;

use kerf_tests::bins;
use kerf_tests::world::Fleet;
use serde_json::{Value, json};

use super::spec::Spec;
use super::world::{
    all_see, config, empty, hosts_of, is_empty, job, measured, out, until, until_so, verdict,
};

/// A machine of four GPUs.
const FOUR: &str = "h100nvl-94x4";

/// Two hosts of four GPUs each at 127.0.0.1 and 127.0.0.2, which give jobs their network, and a third at 127.0.0.3 that
/// does not.
fn fleet() -> Option<Fleet> {
    let mut fleet = empty()?;
    for (number, machine) in [(1, FOUR), (2, FOUR), (3, "h100x8")] {
        let mut config = config(&fleet);
        if number < 3 {
            config = config.replacen("[launch]\n", "[launch]\nhost_network = true\n", 1);
        }
        let settings = fleet.settings(&format!("node-{number}"), machine, &config);
        let mut settings = settings.expect("containerd takes the image");
        let peering = settings.peering.as_mut().expect("a host with peers");
        peering.listen = SocketAddr::from(([127, 0, 0, number], 0));
        fleet.start(settings).expect("a host comes up");
    }
    all_see(&fleet, 3);
    let program = out(&fleet, "kerf-alltoall");
    std::fs::copy(bins::alltoall().expect("it was built"), &program).expect("the folder is ours");
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&program, mode).expect("it is ours");
    Some(fleet)
}

/// Four members of two GPUs each, who leave what they are told in files of this name.
fn gang(script: &str, name: &str) -> Spec {
    let script = format!(
        "env > /out/{name}.$RANK.$KERF_ATTEMPT; cat $KERF_HOSTFILE > /out/{name}.hosts.$RANK; {script}"
    );
    let spec = Spec::new(&script).asks("gpu:2").with("members", 4);
    spec.with("network", "host")
        .with("communication", "all_to_all")
}

#[test]
fn members_on_two_hosts_exchange_with_each_other() {
    let Some(fleet) = fleet() else {
        return;
    };
    all_exchange(&fleet);
    the_rest_ends_with_one_that_dies(&fleet);
    all_begin_again_with_a_new_port(&fleet);
    the_jobs_own_words_count(&fleet);
    a_volume_cannot_hide_what_is_told(&fleet);
    one_member_is_told_its_job_alone(&fleet);
    nobody_gets_a_network_that_is_not_given(&fleet);
    for number in 1..=3 {
        is_empty(&fleet, number);
    }
    fleet.stop().expect("nothing is left");
}

fn all_exchange(fleet: &Fleet) {
    let id = gang("exec /out/kerf-alltoall", "all").submit(fleet, 1);
    let ended = until_so(fleet, 1, &id, "over", |job| {
        job["state"] == "succeeded" || job["state"] == "failed"
    });
    for rank in 0..4 {
        let said = fleet.says(1, &["logs", "--member", &rank.to_string(), &id]);
        let expected =
            format!("rank {rank} of 4: 8388608 bytes from each of 3 others, every byte right\n");
        assert_eq!(said.expect("logs"), expected, "{ended}");
        measured(expected.trim_end());
    }
    assert_eq!(ended["state"], "succeeded", "{ended}");
    let hosts = hosts_of(&ended);
    assert_eq!(hosts[0], hosts[1], "members of one host are neighbours");
    assert_eq!(hosts[2], hosts[3], "{hosts:?}");
    assert_ne!(hosts[1], hosts[2], "{hosts:?}");
    let address = |host: &str| format!("127.0.0.{}", &host["node-".len()..]);
    let (first, second) = (address(&hosts[0]), address(&hosts[2]));
    for (rank, local, host) in [(0, 0, 0), (1, 1, 0), (2, 0, 1), (3, 1, 1)] {
        let told = told(fleet, "all", rank);
        let is = |name: &str, value: &str| assert_eq!(told[name], value, "{name} of rank {rank}");
        for name in ["RANK", "ROLE_RANK"] {
            is(name, &rank.to_string());
        }
        for name in ["WORLD_SIZE", "ROLE_WORLD_SIZE"] {
            is(name, "4");
        }
        is("LOCAL_RANK", &local.to_string());
        is("LOCAL_WORLD_SIZE", "2");
        is("GROUP_RANK", &host.to_string());
        is("NODE_RANK", &host.to_string());
        is("GROUP_WORLD_SIZE", "2");
        is("MASTER_ADDR", &first);
        is(
            "KERF_MEMBERS",
            &format!("{first},{first},{second},{second}"),
        );
        is("KERF_JOB_ID", &id);
        let lines = std::fs::read_to_string(out(fleet, &format!("all.hosts.{rank}")));
        let expected = format!("{first} slots=2\n{second} slots=2\n");
        assert_eq!(lines.expect("the hosts"), expected);
    }
}

/// What a member was told, by name, in each attempt that ran.
fn told_each(fleet: &Fleet, name: &str, rank: u32) -> Vec<BTreeMap<String, String>> {
    let file = |attempt: u32| out(fleet, &format!("{name}.{rank}.{attempt}"));
    let pair = |line: &str| {
        let (name, value) = line.split_once('=')?;
        Some((name.to_owned(), value.to_owned()))
    };
    // Some never ran: their owners refused them.
    let texts = (1..20).filter_map(|attempt| std::fs::read_to_string(file(attempt)).ok());
    texts
        .map(|text| text.lines().filter_map(pair).collect())
        .collect()
}

/// The same of the last one.
fn told(fleet: &Fleet, name: &str, rank: u32) -> BTreeMap<String, String> {
    let mut each = told_each(fleet, name, rank);
    each.pop().expect("the member has run")
}

/// Rank 1 dies the first time that it runs, the others as they wait for it.
fn dies_once(name: &str) -> Spec {
    let script = format!(
        "if [ $RANK = 1 ] && ! [ -e /out/{name}.died ]; then touch /out/{name}.died; exit 7; fi; \
         exec /out/kerf-alltoall"
    );
    gang(&script, name)
}

fn the_rest_ends_with_one_that_dies(fleet: &Fleet) {
    let id = dies_once("dies").submit(fleet, 1);
    let ended = until(fleet, 1, &id, "failed");
    assert_eq!(ended["exit_code"], 7, "{ended}");
    assert_eq!(ended["restarts"], 0, "{ended}");
    for number in 1..=2 {
        is_empty(fleet, number);
    }
}

fn all_begin_again_with_a_new_port(fleet: &Fleet) {
    let spec = dies_once("again").with("restart", json!({ "on_failure": { "max": 1 } }));
    let id = spec.submit(fleet, 1);
    let ended = until_so(fleet, 1, &id, "over", |job| {
        job["state"] == "succeeded" || job["state"] == "failed"
    });
    assert_eq!(ended["state"], "succeeded", "{ended}");
    assert_eq!(ended["restarts"], 1, "{ended}");
    let [before, after] = &told_each(fleet, "again", 1)[..] else {
        panic!("rank 1 ran another number of times than twice");
    };
    assert_ne!(before["MASTER_PORT"], after["MASTER_PORT"]);
    assert_ne!(before["KERF_ATTEMPT"], after["KERF_ATTEMPT"]);
}

fn the_jobs_own_words_count(fleet: &Fleet) {
    let own = json!({ "MASTER_PORT": "31337" });
    let id = gang("exit 0", "own").with("env", own).submit(fleet, 1);
    until(fleet, 1, &id, "succeeded");
    let told = told(fleet, "own", 3);
    assert_eq!(told["MASTER_PORT"], "31337");
    assert_eq!(told["WORLD_SIZE"], "4");
}

fn a_volume_cannot_hide_what_is_told(fleet: &Fleet) {
    for path in ["/run", "/run/kerf/x"] {
        let volumes = json!([{ "name": "out", "path": path, "writable": true }]);
        let spec = gang("exit 0", "hides").with("volumes", volumes);
        let ended = until(fleet, 1, &spec.submit(fleet, 1), "failed");
        let reason = ended["reason"].as_str().unwrap_or_default();
        assert!(reason.contains("cannot be mounted"), "{reason}");
    }
}

fn one_member_is_told_its_job_alone(fleet: &Fleet) {
    let id = Spec::new("env").on(&[1]).submit(fleet, 1);
    until(fleet, 1, &id, "succeeded");
    let said = fleet.says(1, &["logs", &id]).expect("logs");
    assert!(said.contains(&format!("KERF_JOB_ID={id}\n")), "{said}");
    assert!(!said.contains("RANK="), "{said}");
    assert!(!said.contains("KERF_HOSTFILE="), "{said}");
}

/// The third host has eight free GPUs and keeps its network; `none` is had everywhere.
fn nobody_gets_a_network_that_is_not_given(fleet: &Fleet) {
    let spec = Spec::new("exit 0").asks("gpu:5");
    let id = spec.clone().with("network", "host").submit(fleet, 1);
    until_so(fleet, 1, &id, "waiting", |job| {
        job["state"] == "pending" && job["reason"] != Value::Null
    });
    until_so(fleet, 1, &id, "explained", |_| {
        verdict(fleet, 1, &id, "node-3")["refusal"]["constraint"] == "network"
    });
    let said = verdict(fleet, 1, &id, "node-3");
    let text = said["refusal"]["text"].as_str().unwrap_or_default();
    assert!(text.contains("launch.host_network"), "{said}");
    fleet.says(1, &["cancel", &id]).expect("it is ours");
    until(fleet, 1, &id, "cancelled");
    let id = spec.submit(fleet, 1);
    assert_eq!(hosts_of(&until(fleet, 1, &id, "succeeded")), ["node-3"]);
    let alone = Spec::new("ls /sys/class/net")
        .on(&[1])
        .with("network", "none");
    let id = alone.submit(fleet, 1);
    until(fleet, 1, &id, "succeeded");
    assert_eq!(fleet.says(1, &["logs", &id]).expect("logs"), "lo\n");
    assert_eq!(job(fleet, 1, &id)["state"], "succeeded");
}
