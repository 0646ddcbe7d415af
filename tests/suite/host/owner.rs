//! Another manager of GPUs on the host: kerf names it, cuts nothing beside it, and does so once it is told.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use kerf_tests::{ChildGuard, bins};
use nix::sys::signal::Signal;

use super::said::kerf;
use super::world::{LIMIT, World};

/// A process with the name of the manager, which sleeps.
fn manager(folder: &Path) -> ChildGuard {
    let program = folder.join("nvidia-mig-manager");
    std::fs::copy(bins::system("sleep").expect("coreutils"), &program).expect("copied");
    let log = folder.join("manager.log");
    let mut command = Command::new(&program);
    ChildGuard::spawn("nvidia-mig-manager", command.arg("600"), &log).expect("it starts")
}

const LAYOUT: [&str; 4] = ["--gpu", "0", "--slices", "1g.10gb:2"];

#[test]
fn gpus_that_another_manager_cuts_are_left_to_it_until_told() {
    let Some(mut world) = World::bare("h100x1", "") else {
        return;
    };
    let apply = |world: &World| kerf(world, &[&["apply"], &LAYOUT[..]].concat());
    let mut manager = manager(world.scratch.path());
    // A simulated machine has none of the real one's processes but those that its root shows.
    let pid = manager.pid().to_string();
    let proc = world.kerfd.sysroot().join("proc");
    std::fs::create_dir_all(&proc).expect("made");
    symlink(Path::new("/proc").join(&pid), proc.join(&pid)).expect("linked");

    let who = format!("nvidia-mig-manager (process {pid})");
    let refusal = format!("kerf does not cut the GPUs of this host: {who} cuts them");
    apply(&world).refuses(&[&refusal, "owner = \"kerf\""]);
    let status = kerf(&world, &["status"]).ends(0);
    assert!(status.contains("partitioning"), "{status}");
    assert!(
        status.contains(&format!("because others do: {who}")),
        "{status}"
    );
    let doctor = kerf(&world, &["doctor", "-o", "json"]).json(&[3]);
    let findings = doctor["findings"].as_array().expect("a list");
    let about = |what: &str| {
        let mut found = findings.iter().filter(|one| one["what"] == what);
        found
            .next()
            .map(|one| one["severity"].clone())
            .unwrap_or_default()
    };
    assert_eq!(
        (&about("nvidia-mig-manager"), &about("partitioning")),
        (&"warning".into(), &"warning".into())
    );
    // Plans are shown, what is there is leased, and no ask cuts.
    kerf(&world, &[&["plan"], &LAYOUT[..]].concat()).ends(0);
    let refused = world
        .client
        .lease("1g.10gb", "default", "c0")
        .expect_err("it needs a cut");
    assert!(
        refused
            .message()
            .contains(&format!("kerf does not cut: {who} cuts them")),
        "{refused}"
    );
    let gpu = world
        .client
        .lease("gpu", "default", "c1")
        .expect("a whole GPU needs none");
    world.client.release(&gpu.id).expect("it ends");
    world.assert_untouched();

    let file = world.kerfd.folder().join("kerf.toml");
    let config = std::fs::read_to_string(&file).unwrap_or_default();
    std::fs::write(&file, format!("{config}\n[partition]\nowner = \"kerf\"\n")).expect("written");
    world.kerfd.signal(Signal::SIGHUP).expect("it runs");
    world.until("the cut that was told", || apply(&world).code == Some(0));
    assert_eq!(world.instances().len(), 2);
    assert!(!kerf(&world, &["status"]).ends(0).contains("partitioning"));

    // By itself again, and the manager ends.
    std::fs::write(&file, config).expect("written");
    world.kerfd.signal(Signal::SIGHUP).expect("it runs");
    let off = ["apply", "--gpu", "0", "--slices", "none"];
    world.until("the old rule", || kerf(&world, &off).code == Some(1));
    manager.terminate(LIMIT).expect("it ends");
    kerf(&world, &off).ends(0);
    assert_eq!(world.instances(), Vec::<String>::new());
}
