//! A fleet of hosts with one containerd, and what tests ask of it.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use kerf_tests::world::Fleet;
use kerf_tests::{Capability, Scratch, poll, process, require};
use serde_json::Value;

/// How long something may take that a test waits for.
pub const LIMIT: Duration = Duration::from_secs(60);

/// Whose jobs write to the folder of all hosts: root is an admin on its own host alone, and as root nobody else may.
const USER: u32 = 54_321;

/// Hosts on these machines, which see each other; none where the machine has no containerd.
pub fn of(machines: &[&str]) -> Option<Fleet> {
    let mut fleet = empty()?;
    for machine in machines {
        let config = config(&fleet);
        fleet.add(machine, &config).expect("a host comes up");
    }
    all_see(&fleet, machines.len());
    Some(fleet)
}

/// A containerd and no host yet.
pub fn empty() -> Option<Fleet> {
    let needed = [Capability::Root, Capability::Containerd, Capability::Cgroup];
    if !needed.into_iter().all(require) {
        return None;
    }
    let scratch = Scratch::new("kf").expect("/tmp takes folders");
    std::fs::create_dir(scratch.join("out")).expect("it is ours");
    permit(scratch.path(), 0o755);
    permit(&scratch.join("out"), 0o777);
    Some(Fleet::new(scratch).expect("containerd comes up"))
}

/// What the next host is configured with: a label with its number, and for jobs of [`USER`] a folder of all hosts.
pub fn config(fleet: &Fleet) -> String {
    format!(
        "labels = {{ number = \"{}\" }}\n[access]\nsubmit = [\"{USER}\"]\n[launch]\nuser = \"submitter\"\n\
         [launch.volumes.out]\npath = {:?}\nwritable = true\n[peers]\nsame_users = true\n",
        fleet.hosts().len() + 1,
        out(fleet, "")
    )
}

/// A `kerf` of [`USER`] on a host.
pub fn kerf_of_user(fleet: &Fleet, number: usize) -> Command {
    let host = fleet.host(number).expect("a host");
    permit(&host.socket(), 0o666);
    let mut kerf = host.kerf().expect("kerf");
    kerf.uid(USER).gid(USER);
    kerf
}

fn permit(path: &Path, mode: u32) {
    let mode = std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(path, mode).expect("it is ours");
}

/// A file in the folder that jobs have at `/out`.
pub fn out(fleet: &Fleet, name: &str) -> PathBuf {
    fleet.folder().join("out").join(name)
}

/// Lets jobs go on that wait at this gate.
pub fn open(fleet: &Fleet, gate: &str) {
    std::fs::write(out(fleet, gate), "").expect("the folder is ours");
}

/// Tells a number or a seed to whoever looks: at a test that failed, or with `--nocapture`.
#[expect(
    clippy::print_stdout,
    reason = "the test's own output, which libtest shows"
)]
pub fn measured(what: &str) {
    println!("{what}");
}

/// Waits until every host sees so many that are alive and have a record.
pub fn all_see(fleet: &Fleet, count: usize) {
    for number in 1..=fleet.hosts().len() {
        waits(fleet, number, "a view of all hosts", |fleet| {
            let nodes = nodes(fleet, number);
            let there = |node: &&Value| node["presence"] == "alive" && !node["record"].is_null();
            nodes.iter().filter(there).count() == count
        });
    }
}

/// Waits until something is so on a host; says what the host's log ends with when it is not in time.
pub fn waits(fleet: &Fleet, number: usize, what: &str, is_so: impl Fn(&Fleet) -> bool) {
    let seen = poll::until_true(what, LIMIT, || is_so(fleet));
    if let Err(error) = seen {
        let log = fleet.host(number).expect("a host").log_tail();
        panic!("host {number}: {error:#}\n{log}");
    }
}

/// A document of `kerf` on a host.
pub fn document(fleet: &Fleet, number: usize, words: &[&str]) -> Value {
    let words = [words, &["-o", "json"]].concat();
    let text = fleet.says(number, &words).expect("kerf answers");
    serde_json::from_str(&text).expect("JSON")
}

/// `kerf nodes` of a host.
pub fn nodes(fleet: &Fleet, number: usize) -> Vec<Value> {
    let document = document(fleet, number, &["nodes"]);
    document["nodes"].as_array().cloned().expect("a list")
}

/// How a host sees the only one of this name.
pub fn node(fleet: &Fleet, number: usize, name: &str) -> Value {
    let nodes = nodes(fleet, number);
    let node = nodes.into_iter().find(|node| node["name"] == name);
    node.unwrap_or_default()
}

/// Leases on a host.
pub fn leases(fleet: &Fleet, number: usize) -> Vec<Value> {
    let document = document(fleet, number, &["lease", "list"]);
    document["leases"].as_array().cloned().expect("a list")
}

/// Containers on a host, whatever they do.
pub fn containers(fleet: &Fleet, number: usize) -> Vec<String> {
    let namespace = &fleet.host(number).expect("a host").settings().namespace;
    let mut list: Command = fleet.containerd().ctr_in(namespace);
    let text = process::run(list.args(["containers", "list", "-q"])).expect("a list");
    text.lines().map(str::to_owned).collect()
}

/// A job as its host tells it.
pub fn job(fleet: &Fleet, number: usize, id: &str) -> Value {
    document(fleet, number, &["jobs", id])
}

/// The same where it is not sure that the host knows it.
pub fn known(fleet: &Fleet, number: usize, id: &str) -> Option<Value> {
    let text = fleet.says(number, &["jobs", id, "-o", "json"]).ok()?;
    serde_json::from_str(&text).ok()
}

/// Names of the hosts that have a job's members.
pub fn hosts_of(job: &Value) -> Vec<String> {
    let members = job["members"].as_array().expect("a list");
    let host = |member: &Value| member["host"].as_str().expect("a name").to_owned();
    members.iter().map(host).collect()
}

/// What was said of a host when a job was last placed, in the words of `kerf.v1.Explanation`.
pub fn verdict(fleet: &Fleet, number: usize, id: &str, host: &str) -> Value {
    let document = document(fleet, number, &["explain", id]);
    let hosts = document["explanation"]["hosts"].as_array().cloned();
    let mut hosts = hosts.unwrap_or_default().into_iter();
    hosts.find(|said| said["name"] == host).unwrap_or_default()
}

/// Waits until a job is in this state.
pub fn until(fleet: &Fleet, number: usize, id: &str, state: &str) -> Value {
    until_so(fleet, number, id, state, |job| job["state"] == state)
}

/// Waits until a job is so.
pub fn until_so(
    fleet: &Fleet,
    number: usize,
    id: &str,
    what: &str,
    is_so: impl Fn(&Value) -> bool,
) -> Value {
    let seen = poll::until(&format!("job {id} to be {what}"), LIMIT, || {
        Some(job(fleet, number, id)).filter(&is_so)
    });
    seen.unwrap_or_else(|error| {
        let log = fleet.host(number).expect("a host").log_tail();
        panic!("{error:#}: {:#}\n{log}", job(fleet, number, id))
    })
}

/// Waits until nothing of any job is left on a host: no lease and no container.
pub fn is_empty(fleet: &Fleet, number: usize) {
    waits(fleet, number, "no lease and no container", |fleet| {
        leases(fleet, number).is_empty() && containers(fleet, number).is_empty()
    });
}
