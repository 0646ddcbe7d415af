//! The install script against an apt of our own, which notes what it was asked and whether a
//! policy stood while it ran.

use std::fs;
use std::path::Path;

use kerf_tests::{Scratch, executable, process};

use super::{NEEDS, WANTS, line, script};

/// Puts `apt-get` and `apt-cache` into the folder; `fails` is the number of installs that fail.
fn fake_apt(scratch: &Scratch, known: &str, fails: u32) {
    let at = scratch.path().display();
    let get = format!(
        "#!/bin/sh\ncase \"$*\" in *' -o DPkg::Lock::Timeout=300'*) lock=waits;; esac\n\
         echo \"$1 $(test -e $POLICY && echo policy) $lock\" >> {at}/log\n\
         [ \"$1\" = install ] || exit 0\necho x >> {at}/installs\n\
         [ $(wc -l < {at}/installs) -gt {fails} ]\n"
    );
    let cache = format!("#!/bin/sh\n[ \"$2\" = {known} ]\n");
    for (name, text) in [("apt-get", get), ("apt-cache", cache)] {
        executable::script(&scratch.join(name), &text).expect("a folder of our own takes files");
    }
}

/// What apt was asked, and whether everything went well.
fn install(scratch: &Scratch, policy: &Path) -> (Vec<String>, bool) {
    let path = format!("{}:/usr/bin:/bin", scratch.path().display());
    let mut command = script(&["runc"], policy);
    let done = process::output(command.env("PATH", path)).expect("sh starts");
    let log = fs::read_to_string(scratch.join("log")).unwrap_or_default();
    (
        log.lines().map(str::to_owned).collect(),
        done.status.success(),
    )
}

#[test]
fn no_service_starts_and_nothing_stays_behind() {
    let scratch = Scratch::new("kx").expect("/tmp takes folders");
    fake_apt(&scratch, "runc", 0);
    let policy = scratch.join("policy-rc.d");
    assert_eq!(
        install(&scratch, &policy),
        (vec!["install policy waits".to_owned()], true)
    );
    assert!(!policy.exists());
}

#[test]
fn a_policy_of_the_operator_stays() {
    let scratch = Scratch::new("kx").expect("/tmp takes folders");
    fake_apt(&scratch, "runc", 0);
    let policy = scratch.join("policy-rc.d");
    fs::write(&policy, "mine").expect("a folder of our own takes files");
    assert!(install(&scratch, &policy).1);
    assert_eq!(fs::read_to_string(&policy).ok().as_deref(), Some("mine"));
}

#[test]
fn lists_are_fetched_when_a_package_is_unknown() {
    let scratch = Scratch::new("kx").expect("/tmp takes folders");
    fake_apt(&scratch, "nothing", 0);
    let (log, ok) = install(&scratch, &scratch.join("policy-rc.d"));
    assert_eq!(
        (log, ok),
        (
            vec![
                "update policy waits".to_owned(),
                "install policy waits".to_owned()
            ],
            true
        )
    );
}

#[test]
fn stale_lists_are_fetched_once_and_a_second_failure_is_final() {
    let scratch = Scratch::new("kx").expect("/tmp takes folders");
    let policy = scratch.join("policy-rc.d");
    fake_apt(&scratch, "runc", 1);
    let (log, ok) = install(&scratch, &policy);
    assert!(ok);
    assert_eq!(
        log,
        [
            "install policy waits",
            "update policy waits",
            "install policy waits"
        ]
    );
    fake_apt(&scratch, "runc", 9);
    assert!(!install(&scratch, &policy).1);
    assert!(!policy.exists());
}

#[test]
fn the_line_for_somebody_else_can_be_typed() {
    assert_eq!(
        line(&["runc", "containerd"]),
        "apt-get update && apt-get install --yes --no-install-recommends runc containerd"
    );
}

#[test]
fn every_package_is_named_once() {
    let all = NEEDS.iter().chain(&WANTS);
    let mut names: Vec<&str> = all.map(|need| need.package).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), NEEDS.len() + WANTS.len());
}
