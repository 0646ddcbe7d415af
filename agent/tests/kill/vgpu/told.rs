//! What is told of vGPUs: the history of who made and took away what, refusals that leave nothing, damaged records.

use kerf_agent::host::vgpu::{OldVgpu, VgpuWish};
use kerf_agent::host::{Command, HostError, HostHandle};
use nvidia_ml::kernel::Errno;
use nvidia_ml::kernel::state::FaultKind;
use serde_json::Value;

use super::picture::Picture;
use super::scenes::{KEEP, create};
use super::world::World;
use super::{USER, carry_out};

const H200: &str = "h200x8";

async fn delete(host: &HostHandle, name: &str) -> Result<(), HostError> {
    let wish = OldVgpu {
        name: name.to_owned(),
        fence: None,
        disable_sriov: false,
        by: USER,
    };
    let gone = host.ask(|reply| Command::vgpu(VgpuWish::Delete(wish), reply));
    gone.await.map(drop)
}

/// The words of an entry's steps.
fn steps(entry: &Value) -> Vec<&str> {
    let steps = entry["steps"].as_array().expect("steps").iter();
    steps
        .map(|step| step["step"].as_str().expect("words"))
        .collect()
}

#[test]
fn the_history_tells_who_made_and_took_away_what() {
    let world = World::new(H200);
    world.live(async |host| {
        carry_out(host, create("H200X-70C")).await.expect("room");
        carry_out(host, create("NOPE")).await.expect_err("no type");
        world.set_fault(FaultKind::Fail(Errno::EBUSY), Some(1));
        carry_out(host, KEEP).await.expect_err("in use");
        carry_out(host, KEEP).await.expect("it goes");
    });
    let history = world.history();
    let outcomes: Vec<(&str, &str)> = history
        .iter()
        .map(|entry| {
            let text = |name: &str| entry[name].as_str().expect("a word");
            (text("kind"), text("outcome"))
        })
        .collect();
    let expected = [
        ("vgpu_create", "done"),
        ("vgpu_create", "refused"),
        ("vgpu_delete", "failed"),
        ("vgpu_delete", "done"),
    ];
    assert_eq!(outcomes, expected, "{history:#?}");
    let there = "vGPU NVIDIA H200X-70C on ";
    for (nth, entry) in history.iter().enumerate() {
        assert_eq!(entry["by"]["uid"], USER.uid);
        assert_eq!(entry["plan"]["gpus"][0], world.gpu.as_str());
        let read = entry["readback"][0]["slices"].as_array().expect("a list");
        let is_there = read
            .iter()
            .any(|one| one.as_str().is_some_and(|one| one.starts_with(there)));
        assert_eq!(is_there, nth < 3, "{entry:#}");
        assert_eq!(steps(entry).len(), usize::from(nth != 1), "{entry:#}");
    }
    assert_eq!(history[1]["holder"], "vGPU NOPE on GPU 0");
    let why = history[1]["why"].as_str().expect("why");
    assert!(why.contains("no vGPU type"), "{why}");
}

#[test]
fn a_refused_vgpu_leaves_virtual_functions_as_they_were() {
    let world = World::new(H200);
    let functions = || Picture::take(&world.lane).functions();
    for (before, now) in [("2", 2), ("0", 0)] {
        world.write("sriov_numvfs", "0");
        world.write("sriov_numvfs", before);
        world.live(async |host| {
            carry_out(host, create("NOPE")).await.expect_err("no type");
        });
        assert_eq!(functions(), now);
    }
    let history = world.history();
    let last = steps(history.last().expect("an entry"));
    assert_eq!(last.len(), 2, "on and off: {last:?}");
    world.live(async |host| {
        carry_out(host, create("H200X-70C")).await.expect("room");
        carry_out(host, KEEP).await.expect("it goes");
    });
    assert_eq!(functions(), 16, "what was granted keeps them");
}

#[test]
fn a_mediated_device_goes_by_its_name_in_either_case() {
    let world = World::new("a100-40x8");
    world.live(async |host| {
        carry_out(host, create("A100X-20C")).await.expect("room");
        let picture = Picture::take(&world.lane);
        let name = picture.records[0]["uuid"].as_str().expect("a UUID");
        let upper = name.to_uppercase();
        assert_ne!(upper, name);
        delete(host, &upper).await.expect("it is ours");
        host.drain().await;
        let error = delete(host, &upper).await.expect_err("it ends");
        assert!(matches!(error, HostError::Draining | HostError::Ended));
    });
    assert_eq!(world.states(), [""; 0]);
}

#[test]
fn a_record_that_does_not_read_is_told() {
    let world = World::new(H200);
    world.live(async |host| {
        carry_out(host, create("H200X-70C")).await.expect("room");
    });
    let damage = "UPDATE vgpus SET document = '{}'";
    world.store().execute(damage, []).expect("written");
    world.live(async |host| {
        let view = host.refresh().await;
        let entry = view.degraded.get("vgpu records").expect("an entry");
        assert!(entry.why.contains("cannot be read"), "{}", entry.why);
        let picture = Picture::take(&world.lane);
        let function = &picture.vgpus[0].0;
        delete(host, function).await.expect_err("nobody's");
        assert_eq!(Picture::take(&world.lane).vgpus.len(), 1);
    });
}
