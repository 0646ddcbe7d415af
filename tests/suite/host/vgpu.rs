//! vGPUs as a person has them: real kerf, kerfd and worker on a simulated host of either framework.

mod leased;

use std::fs;

use nvidia_ml::kernel::Kernel;
use serde_json::Value;

use super::said::{Said, kerf, text};
use super::world::World;

/// One half of an H200, in time slices.
const HALF: &str = "H200X-70C";

/// What lies in its smallest GPU instance.
const BACKED: &str = "H200X-1-18C";

fn json(said: Said) -> Value {
    said.json(&[0])
}

/// What there is by now, also of others.
fn vgpus(world: &World) -> Vec<Value> {
    world.client.looked();
    let list = json(kerf(world, &["vgpu", "list", "-o", "json"]));
    assert_eq!(list["schema"], "kerf.v1.Vgpus");
    list["vgpus"].as_array().expect("a list").clone()
}

/// The text of a field.
#[track_caller]
fn field(document: &Value, name: &str) -> String {
    let text = document[name].as_str();
    text.unwrap_or_else(|| panic!("no {name} in {document}"))
        .to_owned()
}

fn create(world: &World, kind: &str, more: &[&str]) -> Value {
    let words = ["vgpu", "create", kind, "--gpu", "0", "-o", "json"];
    json(kerf(world, &[&words, more].concat()))
}

/// What the kernel shows of a function.
fn shown(world: &World, function: &str, name: &str) -> String {
    let root = world.kerfd.sysroot();
    let path = root.join(format!("sys/bus/pci/devices/{function}/nvidia/{name}"));
    let text = fs::read_to_string(&path);
    text.unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        .trim()
        .to_owned()
}

/// Another manager writes a type into a function.
fn write(world: &World, function: &str, kind: &str) {
    let kernel = Kernel::open(&world.kerfd.machine()).expect("the kernel");
    let path = format!("/sys/bus/pci/devices/{function}/nvidia/current_vgpu_type");
    let written = kernel.write(&path, kind.as_bytes());
    written.unwrap_or_else(|errno| panic!("{path}: {errno}"));
}

#[test]
fn a_vgpu_of_the_vendors_framework_from_types_to_delete() {
    let Some(world) = World::bare("h200x8", "") else {
        return;
    };
    let types = kerf(&world, &["vgpu", "types"]).ends(0);
    assert!(types.contains("SR-IOV off"), "{types}");
    assert_eq!(kerf(&world, &["vgpu", "list"]).ends(0), "no vGPUs\n");
    kerf(&world, &["vgpu", "create", HALF, "--gpu", "0"]).refuses(&["are off", "--enable-sriov"]);
    kerf(&world, &["vgpu", "create", HALF, "--gpu", "9"]).refuses(&["\"9\""]);
    let made = create(&world, HALF, &["--enable-sriov"]);
    assert_eq!(made["schema"], "kerf.v1.Vgpu");
    assert_eq!(made["made_by_kerf"]["uid"], 0);
    let (function, kind) = (field(&made, "function"), made["type_id"].to_string());
    assert_eq!(shown(&world, &function, "current_vgpu_type"), kind);
    let types = json(kerf(&world, &["vgpu", "types", "-o", "json"]));
    assert_eq!(types["schema"], "kerf.v1.VgpuTypes");
    assert_eq!(types["gpus"][0]["framework"], "vfio");
    let table = kerf(&world, &["vgpu", "list"]).ends(0);
    assert!(
        table.contains(&function) && table.contains("uid 0"),
        "{table}"
    );
    kerf(&world, &["vgpu", "create", "L40S-1B", "--gpu", "0"])
        .refuses(&["no vGPU type \"L40S-1B\"", HALF]);

    // Nobody else gets the GPU, and its mode stays.
    let refusal = world
        .client
        .lease("gpu:8", "", "")
        .expect_err("one is taken");
    assert!(refusal.message().contains("it carries vGPUs"), "{refusal}");
    let whole = ["apply", "--gpu", "0", "--slices", "7g.141gb"];
    let delete = format!("`kerf vgpu delete {function}`");
    kerf(&world, &whole).refuses(&["carrying vGPU", "of user 0", &delete, "no plan touches it"]);
    kerf(&world, &["maintenance", "enter", "--wait", "0s"]).refuses(&["carries vGPU", &delete]);

    a_stranger_is_left_alone(&world, &kind);
    a_virtual_machine_keeps_it(&world, &function);

    let fence = made["made_by_kerf"]["fence"].as_u64().expect("a number");
    let stale = (fence - 1).to_string();
    kerf(&world, &["vgpu", "delete", &function, "--fence", &stale]).refuses(&["has ended"]);
    let gone = kerf(&world, &["vgpu", "delete", &function]).ends(0);
    assert!(gone.contains("is free"), "{gone}");
    assert_eq!(shown(&world, &function, "current_vgpu_type"), "0");
    kerf(&world, &["vgpu", "delete", &function]).refuses(&["there is no vGPU"]);
    nobody_has_a_share_beside_it(&world);
    world.client.lease("gpu:8", "", "").expect("all are free");
    kerf(&world, &["vgpu", "create", HALF, "--gpu", "0"]).refuses(&["leased"]);
}

/// A GPU that containers share gets no vGPU.
fn nobody_has_a_share_beside_it(world: &World) {
    let path = world.scratch.join("shared.yaml");
    for (sharing, refused) in [
        (", sharing: {time-slice: {replicas: 2}}", true),
        ("", false),
    ] {
        let rules = format!("rules:\n- {{gpus: [0], mig: false{sharing}}}\n");
        fs::write(&path, rules).expect("written");
        kerf(world, &["apply", "-f", text(&path)]).ends(0);
        if refused {
            let created = kerf(world, &["vgpu", "create", HALF, "--gpu", "0"]);
            created.refuses(&["shared by time-slice", "without `sharing`"]);
        }
    }
}

/// What somebody else makes is shown, named as foreign, and stays.
fn a_stranger_is_left_alone(world: &World, kind: &str) {
    let types = json(kerf(world, &["vgpu", "types", "-o", "json"]));
    assert_eq!(types["gpus"][0]["sriov"]["functions"], 16, "{types}");
    let ours = field(&vgpus(world)[0], "function");
    let other = format!("{}5", ours.strip_suffix('4').expect("the first is .4"));
    write(world, &other, kind);
    let all = vgpus(world);
    assert_eq!(all.len(), 2, "{all:?}");
    assert!(all[1]["made_by_kerf"].is_null(), "{all:?}");
    let table = kerf(world, &["vgpu", "list"]).ends(0);
    assert!(table.contains("foreign"), "{table}");
    kerf(world, &["vgpu", "delete", &other]).refuses(&["not made by kerf and is left alone"]);
    assert_eq!(shown(world, &other, "current_vgpu_type"), kind);
    kerf(world, &["vgpu", "create", HALF, "--gpu", "0"])
        .refuses(&["names no vGPU type", "a GPU that is full"]);
    write(world, &other, "0");
}

/// A vGPU that a virtual machine holds is not taken away, and is kerf's as before.
fn a_virtual_machine_keeps_it(world: &World, function: &str) {
    let (machine, pid) = (world.kerfd.machine(), std::process::id().to_string());
    let vm = ["sim", "kernel", "vm", text(&machine), "--pid", &pid];
    kerf(world, &[&vm[..], &["--vgpu", function]].concat()).ends(0);
    kerf(world, &["vgpu", "delete", function]).refuses(&["in use"]);
    let all = vgpus(world);
    assert_eq!(all[0]["made_by_kerf"]["state"], "made", "{all:?}");
    assert!(field(&all[0], "user").contains(&pid), "{all:?}");
    kerf(world, &[&vm[..], &["--clear"]].concat()).ends(0);
}

#[test]
fn a_vgpu_keeps_the_gpu_instance_that_carries_it() {
    let Some(mut world) = World::bare("h200x8", "") else {
        return;
    };
    let cut = ["apply", "--gpu", "0", "--slices", "1g.18gb:2"];
    kerf(&world, &cut).ends(0);
    let made = create(&world, BACKED, &["--enable-sriov"]);
    let function = field(&made, "function");
    let shown = vgpus(&world);
    let carrier = shown[0]["gpu_instance"].as_u64().expect("a GPU instance");
    for fact in ["gpu_instance", "placement"] {
        assert_eq!(made[fact], shown[0][fact], "{fact}");
    }
    let before = world.instances();
    let all = ["apply", "--gpu", "0", "--slices", "none"];
    kerf(&world, &all).refuses(&["carrying vGPU", BACKED, "of user 0", &function]);
    let slices = world.slices_of(0);
    let on_it = slices.iter().find(|one| u64::from(one.gi) == carrier);
    let on_it = on_it.expect("the slice under it");
    assert!(on_it.reason().contains(&function), "{on_it:?}");
    kerf(
        &world,
        &[&all[..], &["--force-destroy", on_it.uuid()]].concat(),
    )
    .refuses(&["carrying vGPU"]);
    kerf(&world, &["apply", "--gpu", "0", "--mig-off"]).refuses(&["carrying vGPU"]);
    assert_eq!(world.instances(), before);
    // No container gets the instance beside it either, since the driver may take it for the next vGPU.
    let lease = world
        .client
        .lease("1g.18gb", "", "")
        .expect("another GPU has room");
    assert!(
        !format!("{lease:?}").contains(&field(&made, "gpu")),
        "{lease:?}"
    );
    // What does not touch the carrier is done.
    kerf(&world, &["apply", "--gpu", "0", "--slices", "1g.18gb"]).ends(0);
    assert_eq!(world.slices_of(0).len(), 1);
    kerf(&world, &["vgpu", "create", BACKED, "--gpu", "0"]).refuses(&["no free GPU instance"]);
    // A kerfd that was killed knows whose it is.
    world.kerfd.kill9().expect("killed");
    world.kerfd.restart().expect("kerfd comes up");
    assert_eq!(vgpus(&world), shown);
    kerf(&world, &["vgpu", "delete", &function, "--disable-sriov"]).refuses(&["would wipe"]);
    kerf(&world, &["vgpu", "delete", &function]).ends(0);
    kerf(&world, &all).ends(0);
    assert_eq!(world.slices_of(0).len(), 0);
}

#[test]
fn a_mediated_device_from_create_to_delete_over_a_kill() {
    let Some(mut world) = World::bare("a100-40x8", "") else {
        return;
    };
    let made = create(&world, "A100X-20C", &["--enable-sriov"]);
    let uuid = field(&made, "uuid");
    let device = world
        .kerfd
        .sysroot()
        .join(format!("sys/bus/mdev/devices/{uuid}"));
    assert!(device.exists(), "{}", device.display());
    let types = kerf(&world, &["vgpu", "types"]).ends(0);
    assert!(types.contains("mdev  16 of 16 functions"), "{types}");
    world.kerfd.kill9().expect("killed");
    world.kerfd.restart().expect("kerfd comes up");
    let all = vgpus(&world);
    assert_eq!(all.len(), 1, "{all:?}");
    assert_eq!(field(&all[0], "uuid"), uuid);
    assert_eq!(all[0]["made_by_kerf"], made["made_by_kerf"]);
    kerf(&world, &["vgpu", "delete", &uuid, "--disable-sriov"]).ends(0);
    assert!(!device.exists(), "{}", device.display());
    let types = kerf(&world, &["vgpu", "types"]).ends(0);
    assert!(types.contains("SR-IOV off"), "{types}");
}
