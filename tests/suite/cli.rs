//! `kerf` against a real kerfd on a simulated machine: each verb before and after something has changed.
//!
//! The scripts in `fixtures/cli` are transcripts: a command, and what it prints. See [`script`] for how they are
//! written, run, and brought up to date with `KERF_BLESS=1`.

mod bare;
mod containers;
mod endings;
mod import;
mod map;
mod mount;
mod normal;
mod output;
mod pick;
mod policy;
mod script;
mod setup;
mod sharing;
mod terminal;

use kerf_tests::world::Kerfd;
use kerf_tests::world::kerfd::Settings;
use kerf_tests::{Scratch, bins, process};
use script::World;

/// Deadlines so short that a driver that hangs is noticed while a test waits for it. A healthy GPU can miss
/// them on a machine under load, so no other test has them.
const QUICK: &str = "[driver]\ncall_deadline_ms = 1000\nopen_deadline_ms = 1000\n";

/// A kerfd that finds no containerd: most of what it does needs none.
fn host(machine: &str) -> World {
    host_with(machine, "")
}

/// The same with more in its configuration.
fn host_with(machine: &str, config: &str) -> World {
    let scratch = Scratch::new("kc").expect("/tmp takes folders");
    let settings = Settings {
        folder: scratch.join("k"),
        machine: machine.to_owned(),
        containerd: scratch.join("none.sock"),
        namespace: "kerf-cli".to_owned(),
        config: format!("[host]\nname = \"node-1\"\n{config}"),
        peering: None,
        network: None,
    };
    let kerfd = Kerfd::start(settings).expect("kerfd comes up");
    World::new(scratch, Some(kerfd))
}

#[test]
fn a_fresh_host_is_described() {
    script::play("hardware.txt", &mut host("h100x8"));
}

#[test]
fn layouts_are_planned_and_applied() {
    script::play("layout.txt", &mut host("h100x8"));
}

#[test]
fn machines_that_others_wrote_down_are_made() {
    let scratch = Scratch::new("kc").expect("/tmp takes folders");
    script::play("imports.txt", &mut World::new(scratch, None));
}

#[test]
fn mig_parted_files_are_layouts() {
    script::play("mig_parted.txt", &mut host("a100x1"));
}

#[test]
fn leases_are_made_listed_and_released() {
    script::play("lease.txt", &mut host("h100x1"));
}

#[test]
fn jobs_wait_and_are_cancelled() {
    script::play("jobs.txt", &mut host("h100x1"));
}

#[test]
fn a_configuration_is_checked_shown_and_reloaded() {
    script::play("config.txt", &mut host("h100x1"));
}

#[test]
fn faults_are_named_and_heal() {
    script::play("faults.txt", &mut host_with("h100x8", QUICK));
}

#[test]
fn a_killed_kerfd_comes_back_with_everything() {
    script::play("restart.txt", &mut host("h100x1"));
}

#[test]
fn what_needs_no_kerfd_works_without_one() {
    let scratch = Scratch::new("kc").expect("/tmp takes folders");
    script::play("offline.txt", &mut World::new(scratch, None));
}

#[test]
fn a_reader_that_goes_away_ends_kerf_quietly() {
    let kerf = bins::kerf().expect("kerf is built");
    let mut command = std::process::Command::new("sh");
    command
        .args(["-c", "\"$0\" schema job | head -n 1"])
        .arg(kerf);
    let output = process::output(&mut command).expect("sh starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        (output.stdout.as_slice(), stderr.as_ref()),
        (b"{\n".as_slice(), "")
    );
}
