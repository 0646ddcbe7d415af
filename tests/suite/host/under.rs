//! Bare processes under a lease: what they can open, how long the lease lasts, and who may.
//!
//! As for containers, a node of the simulated machine answers ENXIO where the kernel lets it be opened, and EPERM where
//! not.

use std::collections::BTreeSet;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, Output};

use kerf_tests::{ChildGuard, process};
use nix::sys::signal::Signal;

use super::isolation::expected;
use super::makers::{make_verbs, may_lock_all};
use super::world::{LIMIT, World};

fn exec(world: &World, words: &[&str]) -> Command {
    let mut command = world.kerfd.kerf().expect("kerf is built");
    command.args(["lease", "exec"]).args(words);
    command
}

fn run(world: &World, words: &[&str]) -> Output {
    process::output(&mut exec(world, words)).expect("it starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Whether this host keeps devices by a list, which is what the kernel is asked about here.
fn has_list() -> bool {
    let is_there = Path::new("/sys/fs/cgroup/devices/devices.list").exists();
    if !is_there {
        kerf_tests::skip(
            kerf_tests::Capability::Cgroup,
            "no devices cgroup of version 1",
        );
    }
    is_there
}

/// A script that writes the nodes that it could open, and what it finds in its environment.
fn probe(world: &World) -> String {
    let mut script = String::new();
    for node in world.nodes() {
        let path = world.kerfd.sysroot().join("dev").join(&node.name);
        script.push_str(&format!(
            "said=$( {{ : <>{}; }} 2>&1 ); case $said in *'No such device'*) echo own {};; *'not permitted'*) ;; \
             *) echo odd {} $said;; esac\n",
            path.display(),
            node.name,
            node.name
        ));
    }
    script
        + "echo lease $KERF_LEASE $CUDA_VISIBLE_DEVICES $NVIDIA_VISIBLE_DEVICES\n: >/dev/null && echo null\nkerf_wait=$(cat)\nexit 7"
}

#[test]
fn a_bare_process_has_its_own_devices_and_no_others() {
    let Some(world) = World::bare("h100x8", "") else {
        return;
    };
    if !has_list() {
        return;
    }
    let script = probe(&world);
    let mut command = exec(&world, &["--ask", "1g.10gb", "--", "sh", "-c", &script]);
    command.stdin(std::process::Stdio::piped());
    command.stdout(std::process::Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    world.until("its lease", || {
        world
            .client
            .leases()
            .iter()
            .any(|lease| lease.state == "active")
    });
    let lease = world.lease();
    assert_eq!(
        (lease.init_pid, lease.isolated),
        (Some(child.id()), Some(true))
    );
    let wanted: BTreeSet<String> = expected(&world, &lease);
    drop(child.stdin.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(7));
    let said = text(&output.stdout);
    let own: BTreeSet<String> = said
        .lines()
        .filter_map(|line| line.strip_prefix("own "))
        .map(str::to_owned)
        .collect();
    assert_eq!(own, wanted, "{said}");
    let uuid = said
        .lines()
        .find_map(|line| line.strip_prefix(&format!("lease {} ", lease.id)));
    let (cuda, nvidia) = uuid
        .and_then(|both| both.split_once(' '))
        .expect("variables");
    assert!(cuda.starts_with("MIG-") && cuda == nvidia, "{said}");
    assert!(said.contains("null") && !said.contains("odd "), "{said}");
    world.until_no_leases();
    assert_eq!(world.instances(), Vec::<String>::new());
    let name = format!("kerf-lease-{}", lease.id);
    let left = kerf_tests::world::leftovers::processes_in_cgroup(&name);
    assert!(left.is_empty());
    let find = process::run(Command::new("find").args(["/sys/fs/cgroup/devices", "-name", &name]));
    assert_eq!(find.expect("find"), "");
}

#[test]
fn a_lease_lasts_as_long_as_what_it_was_given_to() {
    let Some(mut world) = World::bare("h100x1", "") else {
        return;
    };
    // What the command leaves behind has the lease on.
    let script = "sleep 600 >/dev/null 2>&1 & echo $!";
    let output = run(&world, &["--ask", "1g.10gb", "--", "sh", "-c", script]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let left: i32 = text(&output.stdout).trim().parse().expect("a pid");
    assert_eq!(world.lease().state, "active");
    // Also for the next kerfd.
    world.kerfd.kill9().expect("it goes");
    world.kerfd.restart().expect("it comes back");
    assert_eq!(world.lease().state, "active");
    let left = nix::unistd::Pid::from_raw(left);
    nix::sys::signal::kill(left, Signal::SIGKILL).expect("it runs");
    world.until_no_leases();
    // Signals are the command's own, and so is its end.
    let log = world.scratch.join("log");
    let mut command = exec(&world, &["--ask", "1g.10gb", "--", "sleep", "600"]);
    let mut child = ChildGuard::spawn("exec", &mut command, &log).expect("it starts");
    world.until("its lease", || {
        world
            .client
            .leases()
            .iter()
            .any(|lease| lease.state == "active")
    });
    child.signal(Signal::SIGTERM).expect("it runs");
    assert_eq!(child.wait(LIMIT).expect("it ends").signal(), Some(15));
    world.until_no_leases();
    for (command, code) in [("/does/not/exist", 127), ("/etc", 126)] {
        let output = run(&world, &["--ask", "1g.10gb", "--", command]);
        assert_eq!(output.status.code(), Some(code), "{}", text(&output.stderr));
    }
    world.until_no_leases();
}

#[test]
fn nothing_is_given_that_is_not_the_callers_to_have() {
    let config = "[access]\nsubmit = [\"54321\"]\n[launch.asks]\n\"\" = [\"1g.*\"]\n";
    let Some(world) = World::bare("h100x1", config) else {
        return;
    };
    let socket = world.kerfd.socket();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    std::fs::set_permissions(&socket, open).expect("ours");
    process::run(
        Command::new("chmod")
            .arg("-R")
            .arg("o+rX")
            .arg(world.scratch.path()),
    )
    .expect("ours");
    let by_user = |words: &[&str]| {
        let mut command = exec(&world, words);
        command.uid(54_321).gid(54_321);
        process::output(&mut command).expect("it starts")
    };
    let refused = |output: Output, why: &str| {
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(125), "{said}");
        assert!(said.contains(why), "{said}");
    };
    refused(
        by_user(&["--ask", "2g.20gb", "--", "true"]),
        "launch.asks does not let namespace \"\" ask for \"2g.20gb\"",
    );
    let roots = world.client.lease("1g.10gb", "", "").expect("room");
    refused(
        by_user(&[&roots.id, "--", "true"]),
        "it was made for user 0",
    );
    let bound = world.client.lease("1g.10gb", "default", "c").expect("room");
    refused(
        run(&world, &[&bound.id, "--", "true"]),
        "it was made for container default/c",
    );
    let output = by_user(&["--ask", "1g.10gb", "--", "sh", "-c", "exit 3"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    world.until("the end of its lease", || world.client.leases().len() == 2);
    // One that was promised before, by the beginning of its id, and no second time.
    let short = &roots.id[..roots.id.len() - 1];
    let log = world.scratch.join("log");
    let mut command = exec(&world, &[short, "--", "sleep", "600"]);
    let mut child = ChildGuard::spawn("exec", &mut command, &log).expect("it starts");
    world.until("its lease", || {
        let leases = world.client.leases();
        leases
            .iter()
            .any(|lease| lease.init_pid == Some(child.pid()))
    });
    refused(run(&world, &[&roots.id, "--", "true"]), "has it");
    child.kill().expect("ours");
    world.until("the end of its lease", || world.client.leases().len() == 1);
}

/// A lease gives nothing that the cgroup around it forbids.
#[test]
fn a_lease_within_a_lease_reaches_no_further() {
    let Some(world) = World::bare("h100x1", "") else {
        return;
    };
    if !has_list() {
        return;
    }
    let kerf = world.kerfd.kerf().expect("kerf is built");
    let words: Vec<String> = std::iter::once(kerf.get_program())
        .chain(kerf.get_args())
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let mut nested = vec!["--ask", "1g.10gb", "--"];
    nested.extend(words.iter().map(String::as_str));
    nested.extend(["lease", "exec", "--ask", "1g.10gb", "--", "true"]);
    let output = run(&world, &nested);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(125), "{said}");
    assert!(
        said.contains("does not let it have /dev/nvidia-caps/"),
        "{said}"
    );
    world.until_no_leases();
}

/// What a command under a lease may lock, in KiB or without a bound, and what was said of it. `before` is done by the shell
/// that becomes kerf.
fn may_lock(world: &World, before: &str, ask: &str) -> (String, String) {
    let kerf = exec(world, &["--ask", ask, "--", "sh", "-c", "ulimit -S -l"]);
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{before} \"$@\""), "sh"]);
    command.arg(kerf.get_program()).args(kerf.get_args());
    let output = process::output(&mut command).expect("it starts");
    assert!(output.status.success(), "{}", text(&output.stderr));
    world.until_no_leases();
    (text(&output.stdout).trim().to_owned(), text(&output.stderr))
}

/// What programs map for RDMA and VFIO is locked in memory.
#[test]
fn a_command_with_interfaces_may_lock_what_the_hard_limit_allows() {
    let Some(world) = World::bare("h100x8", "") else {
        return;
    };
    make_verbs(&world);
    const LOW: &str = "ulimit -S -l 64; exec";
    const LEFT: &str = "can lock";
    let (plain, said) = may_lock(&world, LOW, "gpu:1");
    assert!(plain == "64" && !said.contains(LEFT), "{plain}: {said}");
    let (locked, said) = may_lock(&world, LOW, "gpu:1,nic=pix");
    if may_lock_all() {
        assert!(
            locked == "unlimited" && !said.contains(LEFT),
            "{locked}: {said}"
        );
    } else {
        let words = format!("{LEFT} {locked} KiB");
        assert!(locked != "64" && said.contains(&words), "{locked}: {said}");
    }
    // Whoever may go beyond a hard limit has none.
    let bound = "ulimit -l 128; exec setpriv --bounding-set -sys_resource --inh-caps -sys_resource";
    let (locked, said) = may_lock(&world, bound, "gpu:1,nic=pix");
    assert_eq!(locked, "128", "{said}");
    for words in ["can lock 128 KiB", "LimitMEMLOCK=infinity"] {
        assert!(said.contains(words), "{said}");
    }
}
