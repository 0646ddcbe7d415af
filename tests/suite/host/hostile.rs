//! Images and processes that would have something of the host: what they get is their slice or no start, the
//! host's files stay as they were, and the lease ends.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use kerf_tests::engines::Suite;
use kerf_tests::world::Image;
use kerf_tests::{note, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::bundle::Bundles;
use super::containers::run;
use super::isolation::{expected, lease_of, own, probe};
use super::world::World;

const ACCELERATOR: &str = "kerf.dev/accelerator";

/// A lease is over this long after its container's end, as far as kerfd can hear of it.
const AFTER_EXIT: Duration = Duration::from_secs(1);

/// And this long after the shim that held it was killed.
const AFTER_SHIM: Duration = Duration::from_secs(5);

/// Host files that a container must never change, with all that can be seen of a change.
struct Canary(PathBuf);

/// Kind and mode, size, owner, time of change, and the text of a file.
type Facts = (u32, u64, u32, i64, Vec<u8>);

impl Canary {
    fn new(folder: PathBuf) -> Self {
        for name in ["dev/nvidia-caps", "etc/ld.so.conf.d", "run/cdi", "usr/lib"] {
            let folder = folder.join(name);
            std::fs::create_dir_all(&folder).expect("a folder");
            std::fs::write(folder.join("file"), "of the host").expect("a file");
        }
        Self(folder)
    }

    fn facts(&self) -> BTreeMap<PathBuf, Facts> {
        let mut all = BTreeMap::new();
        gather(&self.0, &mut all);
        all
    }
}

fn gather(path: &Path, all: &mut BTreeMap<PathBuf, Facts>) {
    let facts = path.symlink_metadata().expect("it is there");
    let text = match facts.is_file() {
        true => std::fs::read(path).expect("a file"),
        false => Vec::new(),
    };
    let changed = facts.ctime() * 1_000_000_000 + facts.ctime_nsec();
    let of = (facts.mode(), facts.size(), facts.uid(), changed, text);
    all.insert(path.to_owned(), of);
    if facts.is_dir() {
        for entry in std::fs::read_dir(path).expect("a folder").flatten() {
            gather(&entry.path(), all);
        }
    }
}

#[test]
fn an_image_whose_folders_lead_to_the_host_changes_nothing_there() {
    let config = "[launch]\nnccl_topology = true\n";
    let Some(world) = World::of_suite(Suite::Sid, "h100x8", config, false) else {
        return;
    };
    // The runc of Debian 12 (1.1.5) makes the usual links of `/dev` where an image's link leads, also without kerf.
    let runc = Suite::Sid.program("runc").expect("runc");
    world.has_runtime(&runc);
    let canary = Canary::new(world.scratch.join("canary"));
    let host = canary.0.display().to_string();
    let up = format!("../../../../../../../../../../../..{host}");
    let before = canary.facts();
    let mut started = 0;
    for (number, (folder, below)) in [
        ("dev", "dev"),
        ("etc/ld.so.conf.d", "etc/ld.so.conf.d"),
        ("etc", "etc"),
        ("run", "run"),
        ("usr/lib", "usr/lib"),
    ]
    .into_iter()
    .enumerate()
    {
        for (kind, root) in [("absolute", &host), ("upwards", &up)] {
            let id = format!("{kind}{number}");
            let name = format!("{id}:kerf");
            let target = format!("{root}/{below}");
            let image = Image {
                links: &[(folder, &target)],
                env: &[
                    "LD_PRELOAD=/evil.so",
                    "LD_AUDIT=/evil.so",
                    "LD_LIBRARY_PATH=/evil",
                ],
                labels: &[(ACCELERATOR, "gpu:8")],
                ..Image::named(&name)
            };
            let archive = world.scratch.join("hostile.tar");
            image.write(&archive).expect("an image");
            world.engine().import(&archive).expect("it is taken");
            let mut command = world.engine().ctr_run();
            command.arg("--runc-binary").arg(world.kerfd.runtime());
            command.args(["--annotation", "kerf.dev/accelerator=1g.10gb"]);
            command.args(["--detach", "--null-io", &name, &id, "sleep", "600"]);
            let ended = run(&mut command, &world.scratch.join("hostile.ctr"));
            if ended.code == Some(0) {
                started += 1;
                let lease = lease_of(&world, &id);
                let seen = own(&probe(&world, &id, &world.nodes()));
                assert_eq!(seen, expected(&world, &lease), "{id}: {folder} -> {target}");
                world.end(&id);
            } else {
                note(&format!(
                    "{folder} -> {target}: no start: {}",
                    ended.text.trim()
                ));
            }
            world.until_no_leases();
            assert_eq!(canary.facts(), before, "{folder} -> {target}");
        }
    }
    assert!(started > 0, "nothing was shown");
    world.assert_untouched();
}

#[test]
fn labels_of_an_image_ask_for_nothing() {
    let Some(world) = World::new("h100x1", "") else {
        return;
    };
    let image = Image {
        labels: &[(ACCELERATOR, "gpu:1"), ("kerf.dev/lease", "x")],
        env: &["NVIDIA_VISIBLE_DEVICES=all", "KERF_LEASE=x"],
        ..Image::named("greedy:kerf")
    };
    let archive = world.scratch.join("greedy.tar");
    image.write(&archive).expect("an image");
    world.engine().import(&archive).expect("it is taken");
    let mut command = world.engine().ctr_run();
    command.arg("--runc-binary").arg(world.kerfd.runtime());
    command.args([
        "--detach",
        "--null-io",
        "greedy:kerf",
        "greedy",
        "sleep",
        "600",
    ]);
    run(&mut command, &world.scratch.join("greedy.ctr")).ok();
    assert!(own(&probe(&world, "greedy", &world.nodes())).is_empty());
    world.assert_untouched();
    world.end("greedy");
}

/// How long it takes until no lease is left, from now.
fn until_free(world: &World) -> Duration {
    let began = Instant::now();
    world.until_no_leases();
    began.elapsed()
}

#[test]
fn a_lease_ends_with_its_container_in_time() {
    let Some(world) = World::new("h100x1", "") else {
        return;
    };
    // A machine under load may be late once; the promise is of one that is not.
    let mut best = [Duration::MAX; 2];
    for round in 0..3 {
        let id = format!("exits{round}");
        world.start(&id, "1g.10gb");
        let init = i32::try_from(world.pid(&id)).expect("a pid");
        kill(Pid::from_raw(init), Signal::SIGKILL).expect("it goes");
        best[0] = best[0].min(until_free(&world));
        let id = format!("shim{round}");
        world.start(&id, "1g.10gb");
        let init = world.pid(&id);
        let status = std::fs::read_to_string(format!("/proc/{init}/status")).expect("a status");
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
        let shim = parent
            .and_then(|pid| pid.trim().parse().ok())
            .expect("a shim");
        kill(Pid::from_raw(shim), Signal::SIGKILL).expect("it goes");
        best[1] = best[1].min(until_free(&world));
        if best[0] <= AFTER_EXIT && best[1] <= AFTER_SHIM {
            break;
        }
    }
    let [exit, shim] = best;
    note(&format!(
        "a lease ends {exit:?} after an exit, {shim:?} after the shim is killed"
    ));
    assert!(exit <= AFTER_EXIT, "{exit:?}");
    assert!(shim <= AFTER_SHIM, "{shim:?}");
    world.assert_untouched();
}

/// A process of ours under a chosen id: the kernel gives the next one after the last.
fn under(pid: u32) -> Option<std::process::Child> {
    for _ in 0..200 {
        std::fs::write("/proc/sys/kernel/ns_last_pid", (pid - 1).to_string()).ok()?;
        let mut child = Command::new("sleep")
            .arg("600")
            .stdin(Stdio::null())
            .spawn()
            .expect("sleep starts");
        if child.id() == pid {
            return Some(child);
        }
        child.kill().expect("it goes");
        child.wait().expect("it went");
    }
    None
}

#[test]
fn an_id_that_another_process_has_now_holds_no_lease() {
    let Some(mut world) = World::bare("h100x1", "") else {
        return;
    };
    if !kerf_tests::require(kerf_tests::Capability::Cgroup) {
        return;
    }
    let bundles = Bundles::new(&world);
    let mut spec = bundles.spec("c0", "exec sleep 600");
    spec["annotations"] = serde_json::json!({ ACCELERATOR: "1g.10gb" });
    let bundle = bundles.write("c0", spec.to_string().as_bytes());
    let runtime = world.kerfd.runtime();
    bundles
        .run(&runtime, "c0", &bundle, &["run", "--detach"])
        .ok();
    let pid = std::fs::read_to_string(bundle.join("pid")).expect("a pid");
    let pid: u32 = pid.trim().parse().expect("a number");
    world.until("its first process", || world.lease().init_pid == Some(pid));
    world.kerfd.kill9().expect("kerfd goes");
    bundles.end("c0");
    poll::until_true("its end", super::world::LIMIT, || {
        !Path::new(&format!("/proc/{pid}")).exists()
    })
    .expect("it ends");
    let Some(mut other) = under(pid) else {
        note(&format!("skipped: {pid} could not be had again"));
        return;
    };
    world.kerfd.restart().expect("kerfd comes back");
    world.until_no_leases();
    // It ended for want of its process, and nothing was done to the other one.
    assert_eq!(other.try_wait().expect("its state"), None);
    other.kill().expect("it goes");
    other.wait().expect("it went");
    world.assert_untouched();
}
