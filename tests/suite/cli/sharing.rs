//! `kerf sim` and the vendor's tools: clients of an MPS control daemon, one user at a time, and tools that go wrong.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use kerf_tests::capability::{Capability, require};
use kerf_tests::{ChildGuard, Scratch, bins, poll, process};
use nix::sys::signal::Signal;

/// Far more than it takes, so that a busy machine fails no test.
const PATIENCE: Duration = Duration::from_secs(60);

/// A machine and the daemon of its one GPU.
struct Place {
    scratch: Scratch,
    machine: PathBuf,
    pipe: PathBuf,
}

impl Place {
    fn new() -> Self {
        bins::simulator_tools().expect("the simulator's tools");
        let scratch = Scratch::new("ks").expect("/tmp takes folders");
        let machine = scratch.join("m");
        let mut create = kerf(["sim", "create", "h100x1"]);
        process::run(create.arg(&machine).args(["--seed", "1"])).expect("a machine");
        Self {
            pipe: scratch.join("pipe"),
            machine,
            scratch,
        }
    }

    fn control(&self) -> Command {
        let tool = "root/usr/bin/nvidia-cuda-mps-control";
        let mut command = Command::new(self.machine.join(tool));
        command
            .env("CUDA_MPS_PIPE_DIRECTORY", &self.pipe)
            .env("CUDA_MPS_LOG_DIRECTORY", self.scratch.join("log"));
        command
    }

    fn daemon(&self) -> ChildGuard {
        let log = self.scratch.join("daemon.out");
        let child = ChildGuard::spawn("the MPS daemon", self.control().arg("-f"), &log);
        let child = child.expect("it starts");
        let answers = || self.ask("get_server_list").is_some();
        poll::until_true("the MPS daemon", PATIENCE, answers).expect("it answers");
        child
    }

    /// What the daemon answers, where it does.
    fn ask(&self, line: &str) -> Option<String> {
        let mut command = self.control();
        let input = self.scratch.join("input");
        std::fs::write(&input, format!("{line}\n")).expect("our folder");
        let input = std::fs::File::open(&input).expect("our file");
        let output = command
            .stdin(Stdio::from(input))
            .output()
            .expect("it starts");
        let text = String::from_utf8(output.stdout).expect("text");
        output.status.success().then_some(text)
    }

    fn client(&self, name: &str, uid: &str) -> (ChildGuard, PathBuf) {
        let log = self.scratch.join(name);
        let mut command = kerf(["sim", "mps-client", "--memory", "256MiB", "--uid", uid]);
        let child = ChildGuard::spawn(name, command.arg(&self.pipe), &log);
        (child.expect("it starts"), log)
    }
}

fn kerf<const N: usize>(arguments: [&str; N]) -> Command {
    let mut command = Command::new(bins::kerf().expect("kerf is built"));
    command.args(arguments);
    command
}

fn says(log: &PathBuf, words: &str) -> bool {
    std::fs::read_to_string(log).is_ok_and(|text| text.contains(words))
}

#[test]
fn a_server_has_the_clients_of_one_user() {
    if !require(Capability::Root) {
        return;
    }
    let place = Place::new();
    let mut daemon = place.daemon();
    let (mut first, log) = place.client("first", "1000");
    poll::until_true("a client", PATIENCE, || says(&log, "client ")).expect("it is in");
    let shown = process::run(kerf(["sim", "show"]).arg(&place.machine)).expect("a machine");
    let own = format!("{} 100% 256MiB", first.pid());
    assert!(shown.contains(&own), "{own} is not in\n{shown}");
    let before = place.ask("get_server_list").expect("a daemon");
    let (mut second, other) = place.client("second", "1001");
    let log_of_daemon = place.scratch.join("log/control.log");
    assert!(!says(&other, "client "), "the server is another user's");
    first.signal(Signal::SIGTERM).expect("it runs");
    first.wait(PATIENCE).expect("it ends");
    poll::until_true("the next client", PATIENCE, || says(&other, "client ")).expect("it is in");
    assert_ne!(place.ask("get_server_list").expect("a daemon"), before);
    assert!(says(&log_of_daemon, "connected"));

    let mut fault = kerf(["sim", "mps-client", "--uid", "1001", "--fault"]);
    let output = process::output(fault.arg(&place.pipe)).expect("it starts");
    assert_eq!(output.status.code(), Some(1));
    let status = second.wait(PATIENCE).expect("it ends with the other");
    assert_eq!(status.code(), Some(1));
    assert!(says(&other, "the MPS server is gone"));
    assert_eq!(place.ask("quit").as_deref(), Some(""));
    let status = daemon.wait(PATIENCE).expect("it ends");
    assert!(status.success(), "{status}");
}

#[test]
fn tools_go_wrong_as_they_are_told_to() {
    let place = Place::new();
    let fault = |words: [&str; 2]| {
        let mut command = kerf(["sim", "fault"]);
        process::run(command.arg(&place.machine).args(words)).expect("a machine");
    };
    fault(["--mps", "start=refuse,1"]);
    fault(["--smi", "list=garble"]);
    let shown = process::run(kerf(["sim", "show"]).arg(&place.machine)).expect("a machine");
    assert!(
        shown.contains("nvidia-cuda-mps-control start is refused, once more"),
        "{shown}"
    );
    assert!(
        shown.contains("nvidia-smi list answers nonsense"),
        "{shown}"
    );
    let output = process::output(place.control().arg("-f")).expect("it starts");
    assert_eq!(output.status.code(), Some(1));
    fault(["--smi", "clear"]);
    let mut list = Command::new(place.machine.join("root/usr/bin/nvidia-smi"));
    let said = process::run(list.args(["compute-policy", "--list"])).expect("it answers");
    assert!(said.contains("Timeslice    Default"), "{said}");
    let mut lost = kerf(["sim", "mps-client"]);
    let output = process::output(lost.arg(&place.pipe)).expect("it starts");
    assert_eq!(output.status.code(), Some(1));
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        words.contains("no MPS control daemon answers in"),
        "{words}"
    );
    assert!(words.contains("pipe directory of a running"), "{words}");
}
