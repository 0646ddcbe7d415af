//! The simulated machine of a state folder: made once, made whole, never another one.

use std::fs;

use clap::Parser;
use nvidia_ml::model::tables;

use super::{Args, simulated};

#[test]
fn a_machine_is_made_once_and_found_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let made = simulated("h100x1", folder.path(), Some(1)).expect("made");
    assert!(tables::machine(&made.name).is_some());
    let state = fs::read(made.dir.join("machine.state")).expect("its state");
    assert_eq!(
        simulated("h100x1", folder.path(), Some(2)).expect("found"),
        made
    );
    assert_eq!(
        fs::read(made.dir.join("machine.state")).expect("its state"),
        state
    );
}

#[test]
fn another_machine_is_not_taken_for_the_one_that_was_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    simulated("h100x8", folder.path(), Some(1)).expect("made");
    let error = simulated("a100x1", folder.path(), Some(1)).expect_err("another one");
    let text = error.to_string();
    assert!(
        text.contains("holds the simulated machine h100x8, and a100x1 was asked for"),
        "{text}"
    );
}

#[test]
fn a_machine_that_was_half_made_is_made_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let made = simulated("h100x1", folder.path(), Some(1)).expect("made");
    // As a maker leaves it that is killed after the library and before the state.
    fs::write(made.dir.join("machine.making"), "").expect("a writable folder");
    fs::remove_file(made.dir.join("machine.state")).expect("its state");
    fs::remove_dir_all(made.sysroot.join("proc")).expect("its tree");
    assert_eq!(
        simulated("h100x1", folder.path(), Some(1)).expect("made"),
        made
    );
    assert!(made.sysroot.join("proc/driver/nvidia/version").is_file());
}

#[test]
fn only_the_command_line_says_that_hosts_meet_without_certificates() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("kerf.toml");
    fs::write(
        &file,
        "[peers]\nlisten = \"127.0.0.1:9451\"\njoin = [\"a:1\"]\n",
    )
    .expect("a file");
    let load = |words: &[&str]| {
        let file = file.to_str().expect("a path in UTF-8");
        let fixed = ["kerfd", "--config", file, "--nvml", "none", "--host", "n"];
        let args = Args::parse_from(fixed.iter().chain(words));
        args.load().map(|(loaded, _)| loaded.config.peers)
    };
    let found = load(&[]).expect("it listens once it is a member of a cluster");
    assert!(found.listen.is_some() && !found.insecure_dev);
    let off = load(&["--peers", "none"]).expect("nothing listens");
    assert_eq!(off.listen, None);
    let found = load(&[
        "--insecure-dev",
        "--peers",
        "0.0.0.0:0",
        "--advertise",
        "127.0.0.1",
        "--join",
        "b:1",
        "--join",
        "c:2",
        "--cluster",
        "x",
    ]);
    let found = found.expect("it was said");
    assert_eq!(found.listen, "0.0.0.0:0".parse().ok());
    assert_eq!(found.advertise, "127.0.0.1:0".parse().ok());
    assert_eq!(
        (found.join.join(" ").as_str(), found.cluster.as_str()),
        ("b:1 c:2", "x")
    );
}
