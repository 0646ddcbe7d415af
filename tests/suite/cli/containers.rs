//! `kerf run` and its kin with real containers.

use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use kerf_tests::world::kerfd::Settings;
use kerf_tests::world::{Containerd, IMAGE, Kerfd, busybox_image, leftovers};
use kerf_tests::{Capability, Scratch, poll, process, require};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::script::{self, World};

/// How long a container may take to do what a test waits for.
const LIMIT: Duration = Duration::from_secs(60);

/// A host with a containerd that has the busybox image; none where the machine has no containerd.
pub fn engine() -> Option<World> {
    engine_with("")
}

/// The same with more in kerfd's configuration.
pub fn engine_with(config: &str) -> Option<World> {
    if !require(Capability::Root)
        || !require(Capability::Containerd)
        || !require(Capability::Cgroup)
    {
        return None;
    }
    let scratch = Scratch::new("kc").expect("/tmp takes folders");
    let archive = scratch.join("busybox.tar");
    busybox_image(&archive, IMAGE).expect("the host's busybox makes an image");
    let containerd = Containerd::start(&scratch.join("c")).expect("containerd comes up");
    containerd
        .import(&archive)
        .expect("containerd takes the archive");
    let settings = Settings {
        folder: scratch.join("k"),
        machine: "h100x1".to_owned(),
        containerd: containerd.socket().to_path_buf(),
        namespace: containerd.namespace().to_owned(),
        config: format!("[host]\nname = \"node-1\"\n{config}"),
        peering: None,
        network: None,
    };
    let kerfd = Kerfd::start(settings).expect("kerfd comes up");
    let mut world = World::new(scratch, Some(kerfd));
    world.keep(containerd);
    Some(world)
}

impl World {
    /// What a `kerf` says that must succeed.
    pub fn says(&self, words: &[&str]) -> String {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        process::run(&mut self.kerf(&words)).expect("kerf succeeds")
    }

    /// What a `kerf` says that must fail.
    pub fn refuses(&self, words: &[&str]) -> String {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let output = process::output(&mut self.kerf(&words)).expect("kerf starts");
        assert!(!output.status.success(), "{words:?} succeeds");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }
}

/// `kerf run` of a shell command, with its output in pipes.
fn spawn(world: &World, flags: &[&str], shell: &str) -> Child {
    let fixed = ["run", "--image", IMAGE, "--grace", "1s"];
    let words = [fixed.as_slice(), flags, &["--", "sh", "-c", shell]].concat();
    let words: Vec<String> = words.into_iter().map(str::to_owned).collect();
    let mut command: Command = world.kerf(&words);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().expect("kerf starts")
}

/// What a stream has said so far; a thread reads it on.
struct Said(Arc<Mutex<String>>, JoinHandle<()>);

impl Said {
    fn by(stream: Option<impl Read + Send + 'static>) -> Self {
        let mut stream = stream.expect("a pipe");
        let said = Arc::new(Mutex::new(String::new()));
        let shared = Arc::clone(&said);
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = stream.read(&mut buffer) {
                let text = String::from_utf8_lossy(buffer.get(..count).unwrap_or_default());
                shared.lock().expect("no panic").push_str(&text);
            }
        });
        Self(said, reader)
    }

    fn until(&self, wanted: &str) {
        let said = || self.0.lock().expect("no panic").clone();
        let found = poll::until_true(wanted, LIMIT, || said().contains(wanted));
        found.unwrap_or_else(|error| panic!("{error:#}; it said {:?}", said()));
    }

    /// Everything that it said, once it has ended.
    fn all(self) -> String {
        self.1.join().expect("no panic");
        self.0.lock().expect("no panic").clone()
    }
}

/// Waits for the end of a kerf, which is killed when it does not come.
pub fn ended(child: Child) -> Output {
    let pid = i32::try_from(child.id()).expect("a process id");
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    let Ok(output) = receiver.recv_timeout(LIMIT) else {
        kill(Pid::from_raw(pid), Signal::SIGKILL).expect("kerf is there");
        panic!("kerf does not end within {LIMIT:?}");
    };
    output.expect("kerf is waited for")
}

pub fn prints(world: &World, words: &[&str], wanted: &str) {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    poll::until_true(wanted, LIMIT, || {
        process::run(&mut world.kerf(&words)).is_ok_and(|text| text.contains(wanted))
    })
    .expect("it is seen in time");
}

#[test]
fn jobs_run_in_containers() {
    if let Some(mut world) = engine() {
        script::play("run.txt", &mut world);
    }
}

#[test]
fn ctrl_c_ends_the_job() {
    let Some(world) = engine() else { return };
    let mut child = spawn(&world, &[], "echo begun; sleep 600");
    let stdout = Said::by(child.stdout.take());
    stdout.until("begun\n");
    prints(&world, &["jobs"], "running");
    let pid = i32::try_from(child.id()).expect("a process id");
    kill(Pid::from_raw(pid), Signal::SIGINT).expect("kerf takes a signal");
    let output = ended(child);
    let stderr = String::from_utf8_lossy(&output.stderr);
    // A shell ended by SIGTERM may have a code of its own; a job without one ends as shells say.
    assert!(
        matches!(output.status.code(), Some(130 | 137 | 143)),
        "{} {stderr}",
        output.status
    );
    assert_eq!(output.status.signal(), None);
    assert_eq!(stdout.all(), "begun\n");
    assert!(stderr.contains("asked to end"), "{stderr}");
    prints(&world, &["jobs", "--all"], "cancelled");
}

#[test]
fn a_kerfd_that_is_killed_is_waited_for_and_no_output_is_lost() {
    let Some(mut world) = engine() else { return };
    // Ten lines while kerfd is there, ten while it is not, ten when it is back: each with a gate before.
    let shell = "gate() { while ! [ -e $1 ]; do sleep 0.05; done; }\n\
                 ten() { for i in 0 1 2 3 4 5 6 7 8 9; do echo line $1$i; done; }\n\
                 ten 0; gate /down; ten 1; : >/said; gate /up; ten 2; exit 3";
    let mut child = spawn(&world, &[], shell);
    let (stdout, stderr) = (Said::by(child.stdout.take()), Said::by(child.stderr.take()));
    stdout.until("line 09\n");
    prints(&world, &["jobs"], "running");
    let init = leftovers::processes_in_cgroup(world.namespace())
        .into_iter()
        .min()
        .expect("the container");
    let root = PathBuf::from(format!("/proc/{init}/root"));
    world.kerfd().kill9().expect("kerfd goes");
    stderr.until("waiting for it");
    std::fs::write(root.join("down"), "").expect("the container goes on");
    poll::until_true("ten lines", LIMIT, || root.join("said").exists()).expect("it writes them");
    world.kerfd().restart().expect("kerfd comes back");
    std::fs::write(root.join("up"), "").expect("the container goes on");
    let output = ended(child);
    assert_eq!(output.status.code(), Some(3), "{}", stderr.all());
    let expected: String = (0..30).map(|line| format!("line {line:02}\n")).collect();
    assert_eq!(stdout.all(), expected);
}

#[test]
fn a_job_whose_output_nobody_reads_any_more_is_ended() {
    let Some(world) = engine() else { return };
    let mut child = spawn(&world, &[], "while echo line; do sleep 0.1; done");
    prints(&world, &["jobs"], "running");
    drop(child.stdout.take());
    prints(&world, &["jobs", "--all"], "cancelled");
    assert_eq!(ended(child).status.code(), Some(141));
}
