//! Containers with a slice: what they see, what is measured, and that the slice comes back.

use anyhow::{Context, Result};
use kerf_tests::world::IMAGE;
use kerf_tests::{poll, process};

use super::super::answers;
use super::super::hosts::Hosts;
use super::super::stage::Stage;
use super::{LIMIT, slices, until_state};

/// The slice that the containers ask for.
const ASK: &str = "1g.10gb";

/// Time between SIGTERM and SIGKILL: sleep, as the first process of its container, ignores the former.
const GRACE: &str = "2s";

/// The family that only a measured slice has.
const MEASURED: &str = "kerf_slice_memory_total_bytes{";

/// The code that the container exits with, to see that it arrives.
const CODE: i32 = 7;

/// Opens every NVIDIA node of the container, then one that it makes itself: the node of GPU 7.
///
/// The simulated nodes have majors without a driver. So `open()` answers "No such device or
/// address" when the device cgroup let it through to the missing driver, and "Operation not
/// permitted" when the cgroup refused.
const LOOK_AROUND: &str = r#"
for node in /dev/nvidia* /dev/nvidia-caps/*; do
    [ -c "$node" ] && echo "own $( ( : < "$node" ) 2>&1 )"
done
mknod /tmp/other c $((0x$(stat -c %t /dev/nvidiactl))) 7
echo "other $( ( : < /tmp/other ) 2>&1 )"
exit 7
"#;

const ALLOWED: &str = "No such device or address";
const REFUSED: &str = "Operation not permitted";

/// What `open()` answers where not even the node could be made.
const NOT_MADE: &str = "no such file";

/// Nodes that every NVIDIA container has: control, the parent GPU, and two for unified memory.
const COMMON_NODES: usize = 4;

/// Nodes that make a slice: its GPU instance and its compute instance.
const SLICE_NODES: usize = 2;

/// A short container: its `/dev`, what `open()` answers there, and its exit code.
pub fn isolation(stage: &mut Stage, hosts: &mut Hosts) -> Result<()> {
    let arguments = [
        "run",
        "--accel",
        ASK,
        "--image",
        IMAGE,
        "--",
        "sh",
        "-c",
        LOOK_AROUND,
    ];
    let (code, text) = stage.run_any(&mut hosts.kerf(&arguments)?)?;
    stage.check("kerf run returns the container's exit code", code == CODE)?;
    let own: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("own "))
        .collect();
    stage.check(
        "the container has the six nodes of one slice",
        is_one_slice(&own),
    )?;
    let allowed = own.iter().all(|line| line.ends_with(ALLOWED));
    stage.check("the device cgroup lets it open each of them", allowed)?;
    let other: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("other "))
        .collect();
    let refused = other
        .iter()
        .all(|line| line.ends_with(REFUSED) || line.ends_with(NOT_MADE));
    let refused = refused && other.len() == 1;
    stage.check("another GPU is refused", refused)?;
    poll::until_true("free slices", LIMIT, || count(hosts, "free") == Some(4))?;
    stage.check("the slice is free again", true)
}

fn is_one_slice(nodes: &[&str]) -> bool {
    let caps = nodes
        .iter()
        .filter(|line| line.contains("/dev/nvidia-caps/"))
        .count();
    caps == SLICE_NODES && nodes.len() == COMMON_NODES + SLICE_NODES
}

/// A job that holds its slice until it is told to end.
pub fn submit(stage: &mut Stage, hosts: &mut Hosts) -> Result<()> {
    let arguments = [
        "submit", "--accel", ASK, "--image", IMAGE, "--grace", GRACE, "--", "sleep", "600",
    ];
    let job = stage.run(&mut hosts.kerf(&arguments)?)?.trim().to_owned();
    until_state(hosts, 1, &job, "running")?;
    stage.run(&mut hosts.kerf(&["jobs"])?)?;
    stage.run(&mut hosts.kerf(&["slices"])?)?;
    let all = slices(hosts)?;
    let leased = all
        .iter()
        .find(|slice| slice.state == "leased")
        .context("no slice is leased")?;
    stage.check(
        "one slice of the asked profile is leased",
        leased.profile == ASK,
    )?;
    hosts.slice.clone_from(&leased.uuid);
    hosts.job = Some(job);
    Ok(())
}

/// The lines of `/metrics` that name the slice.
pub fn metrics(stage: &mut Stage, hosts: &mut Hosts) -> Result<()> {
    let uuid = hosts.slice.clone().context("no step has leased a slice")?;
    let address = hosts.kerfd(1)?.metrics_address();
    stage.say(&format!("$ curl -s http://{address}/metrics | grep {uuid}"));
    let mut text = String::new();
    // A slice is listed at once and measured with the next sample of its GPU.
    poll::until_true("a sample of the slice", LIMIT, || {
        text = hosts
            .kerfd(1)
            .and_then(|kerfd| kerfd.metrics())
            .unwrap_or_default();
        text.lines()
            .any(|line| line.starts_with(MEASURED) && line.contains(&uuid))
    })?;
    let lines: Vec<&str> = text.lines().filter(|line| line.contains(&uuid)).collect();
    stage.print(&lines.join("\n"));
    let has = |name: &str| lines.iter().any(|line| line.starts_with(name));
    stage.check("its memory is measured", has(MEASURED))?;
    let leased = lines
        .iter()
        .any(|line| line.starts_with("kerf_slice_leased{") && line.ends_with(" 1"));
    stage.check("it is shown as leased", leased)
}

/// Ends the job and waits for its slice.
pub fn free(stage: &mut Stage, hosts: &mut Hosts) -> Result<()> {
    let job = hosts.job.clone().context("no step has submitted a job")?;
    stage.run(&mut hosts.kerf(&["cancel", &job])?)?;
    poll::until_true("free slices", LIMIT, || count(hosts, "free") == Some(4))?;
    stage.run(&mut hosts.kerf(&["slices"])?)?;
    stage.check("all four slices are free", true)?;
    let text = process::run(&mut hosts.kerf(&["lease", "list", "-o", "json"])?)?;
    let leases = answers::document(&text, "Leases")?;
    let held = answers::list(&leases, "leases")?.iter();
    let held =
        held.filter(|lease| answers::text(lease, "state").as_deref().ok() != Some("released"));
    stage.check("no lease is held", held.count() == 0)
}

/// Number of slices in a state, or none while kerfd cannot say.
fn count(hosts: &Hosts, state: &str) -> Option<usize> {
    Some(
        slices(hosts)
            .ok()?
            .iter()
            .filter(|slice| slice.state == state)
            .count(),
    )
}
