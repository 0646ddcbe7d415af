//! What a container learns and gets by where its devices are: memory beside them, the names of what is nearest, and
//! the file that describes them to NCCL.

use std::collections::BTreeSet;

use kerf_tests::process;
use kerf_tests::world::IMAGE;
use serde_json::Value;

use super::containers::run;
use super::isolation::lease_of;
use super::world::{World, names};

const NCCL: &str = "[launch]\nnccl_topology = true\n";
const PLACE: &str = "/var/run/nvidia-topologyd/virtualTopology.xml";

fn environment(world: &World, id: &str) -> BTreeSet<String> {
    let mut env = String::new();
    // The process may be about to become the container's program.
    world.until("its environment", || {
        env = world.exec(id, "tr '\\0' '\\n' < /proc/1/environ");
        !env.is_empty()
    });
    env.lines().map(str::to_owned).collect()
}

#[test]
fn nccl_is_told_of_the_devices_of_the_lease_alone() {
    let Some(mut world) = World::new("h100x8", NCCL) else {
        return;
    };
    world.start("two", "gpu:2");
    let lease = lease_of(&world, "two");
    let env = environment(&world, "two");
    let nearest = format!("KERF_NICS={}", lease.nearest_nics.join(","));
    assert!(
        !lease.nearest_nics.is_empty() && env.contains(&nearest),
        "{lease:?} {env:?}"
    );
    let nvme = format!("KERF_NVME={}", lease.nearest_nvme.join(","));
    assert_eq!(
        env.contains(&nvme),
        !lease.nearest_nvme.is_empty(),
        "{lease:?} {env:?}"
    );
    assert!(env.contains(&format!("NCCL_TOPO_FILE={PLACE}")), "{env:?}");
    let told = world.exec("two", &format!("cat {PLACE}"));
    assert_eq!(told.matches("<gpu ").count(), 2, "{told}");
    let mut kerf = world.kerfd.kerf().expect("the command");
    let arguments = ["topology", "-o", "nccl-xml", "--lease", &lease.id];
    let printed = process::run(kerf.args(arguments)).expect("a picture");
    assert_eq!(told.trim(), printed.trim());
    let written = world.exec("two", &format!("( : >{PLACE} ) 2>&1; true"));
    assert!(written.contains("Read-only file system"), "{written}");
    // A kerfd that was killed has left the file of a lease that is no more, and half of another.
    let folder = world.kerfd.folder().join("run/nccl");
    let own = vec![format!("{}.xml", lease.id)];
    assert_eq!(names(&folder), own);
    world.kerfd.kill9().expect("it goes");
    for name in ["0198c0de-0000-7000-8000-000000000001.xml", ".x.xml.7.tmp"] {
        std::fs::write(folder.join(name), "left").expect("written");
    }
    // What was nearest when it was granted is kept with it, although the interfaces have gone since.
    let class = world.kerfd.sysroot().join("sys/class/infiniband");
    for nic in &lease.nearest_nics {
        std::fs::remove_file(class.join(nic)).expect("ours");
    }
    world.kerfd.restart().expect("kerfd comes back");
    world.until("what is left to go", || names(&folder) == own);
    let kept = lease_of(&world, "two");
    assert_eq!(
        (&kept.nearest_nics, &kept.nearest_nvme),
        (&lease.nearest_nics, &lease.nearest_nvme)
    );
    world.end("two");
    world.until_no_leases();
    assert_eq!(names(&folder), Vec::<String>::new());
}

#[test]
fn a_container_that_describes_its_devices_itself_keeps_that() {
    let Some(world) = World::new("h100x1", NCCL) else {
        return;
    };
    let file = world.scratch.join("own.xml");
    std::fs::write(&file, "own\n").expect("written");
    let mount = format!(
        "type=bind,src={},dst={PLACE},options=rbind:ro",
        file.display()
    );
    let script = format!("echo \"is ${{NCCL_TOPO_FILE-unset}}\"; cat {PLACE} 2>&1; true");
    let ended = |id: &str, option: [&str; 2]| {
        let mut command = world.engine().ctr_run();
        command.arg("--runc-binary").arg(world.kerfd.runtime());
        command.args(["--annotation", "kerf.dev/accelerator=1g.10gb", "--rm"]);
        command.args(option).args([IMAGE, id, "sh", "-c", &script]);
        run(&mut command, &world.scratch.join(id)).ok().to_owned()
    };
    let by_variable = ended("variable", ["--env", "NCCL_TOPO_FILE=/own.xml"]);
    assert!(by_variable.starts_with("is /own.xml\n"), "{by_variable}");
    assert!(by_variable.contains("No such file"), "{by_variable}");
    assert_eq!(ended("mount", ["--mount", &mount]), "is unset\nown\n");
    let usual = ended("usual", ["--env", "OTHER=1"]);
    assert!(
        usual.starts_with(&format!("is {PLACE}\n<system")),
        "{usual}"
    );
    world.until_no_leases();
}

#[test]
fn memory_of_a_gpu_is_no_memory_of_a_container() {
    let Some(world) = World::new("gh200x1", "") else {
        return;
    };
    world.start("grace", "gpu:1");
    let text = std::fs::read_to_string(world.bundle("grace").join("config.json"));
    let spec: Value = serde_json::from_str(&text.expect("a bundle")).expect("JSON");
    assert_eq!(spec["linux"]["resources"]["cpu"]["mems"], "0");
    let env = environment(&world, "grace");
    assert!(
        !env.iter().any(|entry| entry.starts_with("NCCL_")),
        "{env:?}"
    );
    let mounts = world.exec("grace", "cat /proc/1/mounts");
    assert!(!mounts.contains("topologyd"), "{mounts}");
    world.end("grace");
    world.until_no_leases();
    assert_eq!(
        names(&world.kerfd.folder().join("run/nccl")),
        Vec::<String>::new()
    );
}
