//! The cgroup of a container, in every hierarchy that it may be in, and the end of everything in it.
//!
//! Under v2 there is one folder; under v1, and where both are mounted, one in each hierarchy, and which of them a
//! runtime uses is known only once they are there. Nothing here follows a path that a container controls.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::sys;

/// Folders of one container.
#[derive(Debug)]
pub struct Cgroup {
    folders: Vec<PathBuf>,
}

impl Cgroup {
    /// These folders, which need not exist.
    pub fn new(folders: Vec<PathBuf>) -> Self {
        Self { folders }
    }

    /// Whether a process is in one of them or below.
    pub fn is_populated(&self) -> bool {
        let mut folders = self.folders.iter();
        folders.any(|folder| !processes(folder).is_empty())
    }

    /// One round: whoever is there now gets SIGKILL. Some may have come meanwhile, and some take time to go.
    pub fn kill(&self) {
        for folder in &self.folders {
            // v2 since Linux 5.14: all at once, below it too, and nobody forks away.
            put(&folder.join("cgroup.kill"), "1");
            // The freezer of v1 keeps them from forking meanwhile. Afterwards it must let go, also of a container
            // that was paused: there a frozen process does not die.
            let freezer = folder.join("freezer.state");
            put(&freezer, "FROZEN");
            kill_all(folder);
            put(&freezer, "THAWED");
        }
    }
}

/// Writes to a file of a cgroup that is there; one that is not is of another kind of hierarchy.
fn put(file: &Path, word: &str) {
    let opened = fs::OpenOptions::new().write(true).open(file);
    if let Ok(mut file) = opened {
        // What came of it is seen at the next look.
        drop(file.write_all(word.as_bytes()));
    }
}

/// A pid may be another process's by the time of the signal. So all are held first, and only those that are in
/// the cgroup still are meant: such a one is what its handle holds, or that has ended.
fn kill_all(folder: &Path) {
    let held: Vec<_> = processes(folder).into_iter().map(sys::hold).collect();
    let still = processes(folder);
    for target in held.iter().filter(|target| still.contains(&target.pid())) {
        target.kill();
    }
}

/// The processes in a folder and below it. 0 stands for one of another PID namespace, which cannot be named here.
fn processes(folder: &Path) -> BTreeSet<i32> {
    let mut found = BTreeSet::new();
    let mut left = vec![folder.to_owned()];
    while let Some(folder) = left.pop() {
        let pids = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
        let pids = pids.lines().filter_map(|pid| pid.parse::<i32>().ok());
        found.extend(pids.filter(|pid| *pid > 0));
        let below = fs::read_dir(&folder).into_iter().flatten().flatten();
        let below = below.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        left.extend(below.map(|entry| entry.path()));
    }
    found
}
