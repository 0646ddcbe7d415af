//! The leg in a mount namespace of its own, where the cgroup tree is version 2 alone: crun refuses a tree of both kinds
//! while the second one has a controller, as on many hosts of either.

use std::process::Command;

use crate::lives::{self, Programs};
use crate::report;

/// Gives this program such a tree, and runs it there.
const VIEW: &str =
    "umount -R /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec \"$@\"";

/// By how much kerf over crun is faster than plain runc there; none where it cannot be tried.
pub fn leg(programs: &Programs, rounds: usize) -> Option<f64> {
    if programs.crun.is_none() {
        eprintln!("skipped: no crun here");
        return None;
    }
    let own = std::env::current_exe().expect("this program");
    let output = Command::new("unshare")
        .args([
            "--mount",
            "--propagation",
            "private",
            "sh",
            "-c",
            VIEW,
            "sh",
        ])
        .arg(own)
        .args(["--bench", "--leg", "pure", "--rounds", &rounds.to_string()])
        .arg("--shim")
        .arg(&programs.shim)
        .output()
        .expect("unshare");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let speedup = said.lines().last().and_then(|line| line.parse().ok());
    if speedup.is_none() {
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        eprintln!("skipped: no pure cgroup v2 here: {}", error.trim());
    }
    speedup
}

/// The same, in the view.
pub fn speedup(programs: &Programs, rounds: usize) -> f64 {
    let crun = programs.crun.as_deref().expect("a leg with crun");
    let [runc, kerf] = lives::over_crun(programs, crun, rounds);
    report::speedup(&runc, &kerf)
}
