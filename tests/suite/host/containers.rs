//! Containers of a host, through containerd's own `ctr` and kerf-runtime as its OCI runtime.

use std::path::{Path, PathBuf};
use std::process::Command;

use kerf_tests::world::{Containerd, IMAGE, leftovers};
use kerf_tests::{ChildGuard, poll, process};

use super::world::{LIMIT, World, names};

/// What a command that ended said, on both of its streams.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub text: String,
}

impl Ended {
    /// The text of a command that must have failed.
    pub fn error(&self) -> &str {
        assert!(self.code.is_some_and(|code| code != 0), "{self:?}");
        &self.text
    }

    /// The text of a command that must have succeeded.
    pub fn ok(&self) -> &str {
        assert_eq!(self.code, Some(0), "{}", self.text);
        &self.text
    }
}

/// Runs a command to its end with its output in a file: the first process of a container that it makes
/// keeps the streams, and a pipe would never end.
pub fn run(command: &mut Command, log: &Path) -> Ended {
    drop(std::fs::remove_file(log));
    let mut child = ChildGuard::spawn("command", command, log).expect("it starts");
    let status = child.wait(LIMIT);
    let text = std::fs::read_to_string(log).expect("a log");
    match status {
        Ok(status) => Ended {
            code: status.code(),
            text,
        },
        Err(error) => panic!("{error:#}\n{}\n{text}", process::shell_line(command)),
    }
}

impl World {
    pub fn engine(&self) -> &Containerd {
        self.containerd.as_ref().expect("a host with containers")
    }

    pub fn namespace(&self) -> &str {
        self.engine().namespace()
    }

    /// `ctr run` of a shell script with annotations, detached or to its end.
    pub fn ctr_run(&self, detach: bool, id: &str, asks: &[(&str, &str)], script: &str) -> Ended {
        let mut command = self.engine().ctr_run();
        command.arg("--runc-binary").arg(self.kerfd.runtime());
        for (key, value) in asks {
            command.args(["--annotation", &format!("{key}={value}")]);
        }
        if detach {
            let log = format!("file://{}", self.log(id).display());
            command.args(["--detach", "--log-uri", &log]);
        } else {
            command.arg("--rm");
        }
        command.args([IMAGE, id, "sh", "-c", script]);
        run(&mut command, &self.scratch.join(format!("{id}.ctr")))
    }

    /// Starts a container with an accelerator ask that sleeps.
    pub fn start(&self, id: &str, ask: &str) {
        let asks = [("kerf.dev/accelerator", ask)];
        self.ctr_run(true, id, &asks, "exec sleep 600").ok();
    }

    /// Tries to start one that must be refused; returns the error.
    pub fn refuse(&self, id: &str, asks: &[(&str, &str)]) -> String {
        let ended = self.ctr_run(false, id, asks, "echo it ran");
        assert!(!ended.text.contains("it ran"), "{}", ended.text);
        ended.error().to_owned()
    }

    fn log(&self, id: &str) -> PathBuf {
        self.scratch.join(format!("{id}.log"))
    }

    /// Runs a script in a running container; returns what it printed.
    pub fn exec(&self, id: &str, script: &str) -> String {
        let mut command = self.engine().ctr();
        command.args(["tasks", "exec", "--fifo-dir"]);
        command.arg(self.scratch.join("fifo"));
        command.args(["--exec-id", "probe", id, "sh", "-c", script]);
        let log = self.scratch.join(format!("{id}.exec"));
        run(&mut command, &log).ok().to_owned()
    }

    /// The first process of a running container.
    pub fn pid(&self, id: &str) -> u32 {
        let tasks = self.ctr(&["tasks", "list"]);
        let line = tasks
            .lines()
            .find(|line| line.split_whitespace().next() == Some(id));
        let pid = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
        pid.unwrap_or_else(|| panic!("{id} is not in\n{tasks}"))
    }

    /// Kills a container and removes everything of it.
    pub fn end(&self, id: &str) {
        self.ctr(&["tasks", "kill", "--signal", "SIGKILL", id]);
        poll::until_true("the end of the task", LIMIT, || {
            let tasks = self.ctr(&["tasks", "list"]);
            let mut lines = tasks.lines();
            !lines.any(|line| line.starts_with(&format!("{id} ")) && !line.contains("STOPPED"))
        })
        .expect("it ends");
        self.ctr(&["tasks", "delete", id]);
        self.ctr(&["containers", "delete", id]);
    }

    pub fn ctr(&self, arguments: &[&str]) -> String {
        process::run(self.engine().ctr().args(arguments)).expect("ctr answers")
    }

    /// The bundle of a running container.
    pub fn bundle(&self, id: &str) -> PathBuf {
        let tasks = self.scratch.join("c/state/io.containerd.runtime.v2.task");
        tasks.join(self.namespace()).join(id)
    }

    /// No container, task, process or state of runc is left. `ctr` leaves the record of a container
    /// whose create failed, which is `ctr`'s own and no part of what is asked here.
    pub fn assert_no_containers(&self) {
        assert_eq!(self.ctr(&["tasks", "list", "-q"]), "");
        let state = Path::new("/run/containerd/runc").join(self.namespace());
        assert_eq!(names(&state), Vec::<String>::new());
        let inside = leftovers::processes_in_cgroup(self.namespace());
        assert_eq!(inside, Vec::<u32>::new());
    }
}
