//! Tools that go wrong on demand.

use std::process::{Command, Stdio};

use nvidia_ml::control::{self, FaultRequest};
use nvidia_ml::model::tool::{Tool, ToolTrouble};

use crate::world::{World, ended, goes_on};

#[test]
fn a_start_fails_as_often_as_it_was_told_to() {
    let world = World::new("h100x1");
    world.trouble(Tool::MpsControl, "start", ToolTrouble::Refuse, Some(2));
    let pipe = world.pipe("pipe");
    for _ in 0..2 {
        let failed = ended(world.control(&pipe).arg("-f"));
        let text = "Failed to start the MPS control daemon\n".to_owned();
        assert_eq!(failed, (Some(1), text));
    }
    world.daemon("pipe", &world.uuid(0));
}

#[test]
fn commands_are_refused_forgotten_and_garbled() {
    let world = World::new("h100x1");
    let daemon = world.daemon("pipe", &world.uuid(0));
    let set = "set_default_active_thread_percentage";
    let line = format!("{set} 25");
    world.trouble(Tool::MpsControl, set, ToolTrouble::Refuse, Some(1));
    world.trouble(Tool::MpsControl, set, ToolTrouble::Ignore, Some(1));
    world.trouble(Tool::MpsControl, set, ToolTrouble::Garble, Some(1));
    let shown = world.shown().misbehaviours;
    let expected = format!("nvidia-cuda-mps-control {set} is refused, once more");
    assert_eq!(shown.first(), Some(&expected));
    let refused = daemon.ask(&line);
    assert_eq!(refused, (Some(1), "Operation not permitted\n".to_owned()));
    assert_eq!(daemon.done(&line), "");
    assert_eq!(
        daemon.done("get_default_active_thread_percentage"),
        "100.0\n"
    );
    assert_eq!(daemon.done(&line), "\u{1}?!\n");
    assert_eq!(daemon.done(&line), "25.0\n");
}

#[test]
fn what_hangs_goes_on_when_it_is_mended() {
    let world = World::new("h100x1");
    let daemon = world.daemon("pipe", &world.uuid(0));
    world.trouble(Tool::MpsControl, "get_server_list", ToolTrouble::Hang, None);
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| daemon.ask("get_server_list"));
        let other = daemon.done("get_default_active_thread_percentage");
        assert_eq!(other, "100.0\n");
        assert!(!asked.is_finished());
        world.mend(Tool::MpsControl);
        assert_eq!(asked.join().expect("no panic"), (Some(0), String::new()));
    });
}

#[test]
fn a_version_may_be_nonsense() {
    let world = World::new("h100x1");
    let version = || ended(world.control(&world.pipe("pipe")).arg("-v"));
    assert_eq!(
        version(),
        (Some(0), "CUDA MPS Control version 13.1\n".to_owned())
    );
    world.trouble(Tool::MpsControl, "version", ToolTrouble::Garble, Some(1));
    assert_eq!(version(), (Some(0), "segmentation violation\n".to_owned()));
    assert_eq!(
        version(),
        (Some(0), "CUDA MPS Control version 13.1\n".to_owned())
    );
}

#[test]
fn nvidia_smi_goes_wrong_with_the_gpu() {
    let world = World::new("h100x1");
    let uuid = world.uuid(0);
    let list = ["compute-policy", "-i", uuid.as_str(), "--list"];
    let fault = |request| control::fault(&world.machine.dir, request).expect("a machine");
    fault(FaultRequest::Lost { gpu: 0 });
    assert_eq!(world.smi(&list).0, Some(15));
    fault(FaultRequest::Hang { gpu: 0 });
    let mut asked = Command::new(world.tool("nvidia-smi"))
        .args(list)
        .stdout(Stdio::null())
        .spawn()
        .expect("it starts");
    goes_on(&mut asked, "--list");
    fault(FaultRequest::Clear { gpu: 0 });
    assert_eq!(asked.wait().expect("our own child").code(), Some(0));
    world.trouble(Tool::Smi, "set-timeslice", ToolTrouble::Refuse, Some(1));
    let set = [
        "compute-policy",
        "-i",
        uuid.as_str(),
        "--set-timeslice",
        "1",
    ];
    assert_eq!(world.smi(&set).0, Some(4));
    assert_eq!(world.smi(&set).0, Some(0));
}
