//! The end of a private containerd: containers first, then containerd, then what both leave behind.
//!
//! It goes on after each failure, and only touches what names this containerd: its socket, its
//! folder, its namespace.

use std::path::Path;
use std::time::Duration;

use super::super::leftovers;
use super::Containerd;
use crate::{poll, process};

/// How long it may take to end after SIGTERM.
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// How long shims and containers may take to be gone after they were killed.
const GONE_LIMIT: Duration = Duration::from_secs(60);

/// Where runc keeps the state of containers unless a client says otherwise.
const RUNC_ROOT: &str = "/run/containerd/runc";

/// The program that holds a container for containerd.
const SHIM: &str = "containerd-shim-runc-v2";

impl Containerd {
    /// Goes on after each failure and returns the list of what could not be undone.
    pub(super) fn teardown(&mut self) -> Vec<String> {
        self.stopped = true;
        let mut remains = Vec::new();
        let sockets = self.shim_sockets();
        let mut namespaces = self.end_containers(&mut remains);
        if let Err(error) = self.child.terminate(STOP_LIMIT) {
            remains.push(format!("{error:#}"));
        }
        if !namespaces.contains(&self.namespace) {
            namespaces.push(self.namespace.clone());
        }
        remains.extend(self.end_processes());
        for namespace in &namespaces {
            leftovers::remove_cgroups(namespace);
            // Holds nothing once every container is deleted; where it does, the folder stays.
            drop(std::fs::remove_dir(Path::new(RUNC_ROOT).join(namespace)));
        }
        for socket in sockets {
            // A shim that was killed leaves it; one that ended has removed it.
            drop(std::fs::remove_file(socket));
        }
        remains.extend(leftovers::unmount_below(&self.folder));
        remains
    }

    /// Deletes all tasks and containers through containerd, the orderly way; returns the namespaces.
    fn end_containers(&mut self, remains: &mut Vec<String>) -> Vec<String> {
        // After `kill9` nobody answers, and shims are ended by their process ids.
        if !matches!(self.child.exited(), Ok(None)) {
            return Vec::new();
        }
        let namespaces = self.told(&self.namespace, &["namespaces", "list", "-q"], remains);
        for namespace in &namespaces {
            for task in self.told(namespace, &["tasks", "list", "-q"], remains) {
                self.told(namespace, &["tasks", "delete", "--force", &task], remains);
            }
            for container in self.told(namespace, &["containers", "list", "-q"], remains) {
                self.told(namespace, &["containers", "delete", &container], remains);
            }
        }
        namespaces
    }

    /// The lines that `ctr` prints; a failure is added to `remains`.
    fn told(&self, namespace: &str, words: &[&str], remains: &mut Vec<String>) -> Vec<String> {
        match process::run(self.ctr_in(namespace).args(words)) {
            Ok(text) => text.lines().map(str::to_owned).collect(),
            Err(error) => {
                remains.push(format!("{error:#}"));
                Vec::new()
            }
        }
    }

    /// Kills the shims of this containerd and the containers of its own namespace, which can only
    /// have been left by a shim that was killed.
    fn end_processes(&self) -> Option<String> {
        let socket = self.socket.display().to_string();
        let running = || {
            let mut pids = leftovers::programs_naming(SHIM, &socket);
            pids.extend(leftovers::processes_in_cgroup(&self.namespace));
            pids
        };
        let gone = poll::until_true("the end of shims and containers", GONE_LIMIT, || {
            let pids = running();
            leftovers::kill_all(&pids);
            pids.is_empty()
        });
        leftovers::delete_runc_state(&Path::new(RUNC_ROOT).join(&self.namespace));
        gone.err().map(|_| format!("processes {:?}", running()))
    }
}
