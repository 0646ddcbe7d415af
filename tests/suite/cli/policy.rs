//! What the host's configuration lets jobs have, and whom it lets have it.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::time::Duration;

use kerf_tests::world::{IMAGE, busybox_image};
use kerf_tests::{Capability, poll, process, require};
use nix::sys::signal::Signal;

use super::containers::{engine_with, prints};
use super::host_with;
use super::script::World;

/// A user of the host without a name there, to whom the configuration gives the role submit.
const USER: u32 = 54_321;

/// How long kerfd may take to see a change.
const LIMIT: Duration = Duration::from_secs(30);

/// What a `kerf` of [`USER`] says: whether it succeeded, and both of its streams.
fn as_user(world: &World, words: &[&str]) -> (bool, String) {
    let open = |path: &Path, mode| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(path, mode).expect("it is ours");
    };
    open(world.scratch().path(), 0o755);
    open(&world.scratch().join("k/run/kerf.sock"), 0o666);
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let mut command = world.kerf(&words);
    command.uid(USER).gid(USER);
    let output = process::output(&mut command).expect("kerf starts");
    let texts = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&texts).into_owned(),
    )
}

fn user_is_refused(world: &World, words: &[&str], why: &str) {
    let (succeeded, text) = as_user(world, words);
    assert!(!succeeded && text.contains(why), "{words:?}: {text}");
}

#[test]
fn jobs_ask_for_what_the_namespace_of_kerf_may_ask_for() {
    let asks = |jobs: &str| format!("[launch.asks]\nkerf-cli = [{jobs}]\n");
    let mut world = host_with("h100x1", &asks("\"1g.*\""));
    let submit = |ask| ["submit", "--accel", ask, "--image", IMAGE, "--", "true"];
    let refused = world.refuses(&submit("2g.20gb"));
    assert!(
        refused.contains("\"kerf-cli\", may not ask for \"2g.20gb\"")
            && refused.contains("launch.asks"),
        "{refused}"
    );
    // One that waits is bound as well, by what is in force when its turn comes.
    let lease = world.says(&[
        "lease",
        "create",
        "7g.80gb",
        "--namespace",
        "x",
        "--container",
        "x",
    ]);
    world.says(&submit("1g.10gb"));
    prints(&world, &["jobs"], "no room for 1g.10gb");
    let file = world.kerfd().folder().join("kerf.toml");
    let text = std::fs::read_to_string(&file).expect("the configuration");
    let mut reload = |text: &str| {
        std::fs::write(&file, text).expect("it is ours");
        world.kerfd().signal(Signal::SIGHUP).expect("it runs");
    };
    reload(&text.replace("\"1g.*\"", ""));
    prints(&world, &["events"], "taken");
    let lease = lease.split_whitespace().nth(1).expect("its id").to_owned();
    world.says(&["lease", "release", &lease]);
    prints(&world, &["jobs"], "may not ask for");
    let mut reload = |text: &str| {
        std::fs::write(&file, text).expect("it is ours");
        world.kerfd().signal(Signal::SIGHUP).expect("it runs");
    };
    reload(&text);
    prints(&world, &["jobs"], "containerd does not answer");
}

#[test]
fn a_job_is_its_submitter_on_the_host() {
    let folder = kerf_tests::Scratch::new("kv").expect("/tmp takes folders");
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o777)).expect("it is ours");
    let config = |user: &str| {
        format!(
            "[access]\nsubmit = [\"{USER}\"]\n[launch]\nuser = \"{user}\"\n\
             [launch.volumes.out]\npath = {:?}\nwritable = true\n",
            folder.path()
        )
    };
    let writes = |name: &str| {
        let script = format!("id -u; id -g; touch /out/{name}");
        let words = [
            "run",
            "--image",
            IMAGE,
            "-v",
            "out:/out:rw",
            "--",
            "sh",
            "-c",
        ];
        let mut words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        words.push(script);
        words
    };
    let owner = |name: &str| folder.join(name).metadata().expect("the job made it").uid();
    let Some(world) = engine_with(&config("submitter")) else {
        return;
    };
    let words = writes("own");
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (succeeded, text) = as_user(&world, &words);
    assert!(
        succeeded && text.contains(&format!("{USER}\n{USER}\n")),
        "{text}"
    );
    assert_eq!(owner("own"), USER);
    drop(world);
    // Root of the image would be root in the volume: for an admin, and for nobody else.
    let world = engine_with(&config("image")).expect("as before");
    let words = writes("root");
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    user_is_refused(
        &world,
        &words,
        "it would write as root to the volume at \"/out\", which only jobs of an admin may",
    );
    assert!(!folder.join("root").exists());
    assert_eq!(world.says(&words), "0\n0\n");
    assert_eq!(owner("root"), 0);
}

#[test]
fn a_submitter_replaces_nobodys_image() {
    let config = format!("[access]\nsubmit = [\"{USER}\"]\n");
    let Some(world) = engine_with(&config) else {
        return;
    };
    let archive = world.scratch().join("own.tar");
    let run = |image: &str| {
        busybox_image(&archive, image).expect("the host's busybox makes an image");
        std::fs::set_permissions(&archive, PermissionsExt::from_mode(0o644)).expect("it is ours");
        let archive = archive.display().to_string();
        as_user(
            &world,
            &["run", "--image-archive", &archive, "--", "echo", "mine"],
        )
    };
    // The same content under a name that is taken is no change.
    assert!(run(IMAGE).0);
    let (succeeded, text) = run("elsewhere.org/own:1");
    assert!(succeeded && text.contains("mine"), "{text}");
    let list = format!("{config}[launch]\nimages = [\"elsewhere.org/*\"]\n");
    drop(world);
    let world = engine_with(&list).expect("as before");
    let archive = archive.display().to_string();
    let fresh = world.scratch().join("fresh.tar");
    busybox_image(&fresh, "elsewhere.org/own:1").expect("an image");
    std::fs::set_permissions(&fresh, PermissionsExt::from_mode(0o644)).expect("it is ours");
    let fresh = fresh.display().to_string();
    drop(archive);
    let words = ["run", "--image-archive", &fresh, "--", "echo", "mine"];
    user_is_refused(&world, &words, "may be imported by an admin only");
    assert_eq!(world.says(&words), "mine\n");
}

#[test]
fn bounds_of_the_configuration_hold() {
    if !require(Capability::Root) {
        return;
    }
    let config = format!(
        "[access]\nsubmit = [\"{USER}\"]\n[launch]\nmax_jobs_per_user = 2\nmax_memory = \"1GiB\"\n\
         max_cpu_milli = 1500\nmax_pids = 64\n"
    );
    let world = host_with("h100x1", &config);
    let shown = world.says(&["config", "show"]);
    for line in [
        "max_jobs_per_user = 2",
        "max_memory = \"1GiB\"",
        "max_cpu_milli = 1500",
        "max_pids = 64",
        "user = \"submitter\"",
        "log_limit = \"64MiB\"",
    ] {
        assert!(shown.contains(line), "{line} is not in\n{shown}");
    }
    let submit = ["submit", "--image", IMAGE, "--", "true"];
    for _ in 0..2 {
        assert!(as_user(&world, &submit).0);
    }
    user_is_refused(
        &world,
        &submit,
        &format!("uid {USER} has 2 jobs that wait or run"),
    );
    // Another user's room is its own.
    world.says(&submit);
}

#[test]
fn bounds_reach_the_container_and_memory_is_named_as_the_reason() {
    let Some(world) = engine_with("[launch]\nmax_memory = \"32MiB\"\nmax_pids = 50\n") else {
        return;
    };
    let script = "cat /sys/fs/cgroup/pids.max /sys/fs/cgroup/pids/pids.max 2>/dev/null; exit 0";
    let run = |script| ["run", "--image", IMAGE, "--", "sh", "-c", script];
    let seen = world.says(&run(script));
    assert!(seen.is_empty() || seen.contains("50"), "{seen}");
    let greedy = world.refuses(&["run", "--image", IMAGE, "--memory", "64MiB", "--", "true"]);
    assert!(
        greedy.contains("64MiB of memory is outside of 8MiB to 32MiB"),
        "{greedy}"
    );
    world.refuses(&run("x=0123456789abcdef; while :; do x=$x$x; done"));
    poll::until_true("the reason", LIMIT, || {
        world.says(&["jobs", "--all"]).contains("out of memory")
    })
    .expect("the job says why it failed");
}
