//! Devices of other makers than NVIDIA: each container has those of its lease and no others, as the kernel says it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::path::PathBuf;

use kerf_api::v1::lease_subject::{LeasedDevice, Subject};
use kerf_tests::{bins, process};
use nix::sys::stat::{Mode, SFlag, major, makedev, minor, mknod};

use super::bundle::Bundles;
use super::cdi::{file, with_device};
use super::cdi_spec::{device_names, faults, read};
use super::isolation::{lease_of, own, probe, probe_by};
use super::said::{kerf, text};
use super::world::{Node, World, names};

/// The group that may open render nodes here; udev gives them to one, and its number is the distribution's.
const RENDER: u32 = 7_107;

/// Every character device of the machine in these folders of its `/dev`, for nobody but root and one group.
pub fn nodes(world: &World, folders: &[&str]) -> Vec<Node> {
    let dev = world.kerfd.sysroot().join("dev");
    let mut nodes = Vec::new();
    for folder in folders {
        for name in names(&dev.join(folder)) {
            let path = dev.join(folder).join(&name);
            let facts = path.symlink_metadata().expect("it is there");
            if facts.file_type().is_char_device() {
                chown(&path, None, Some(RENDER)).expect("root gives it away");
                fs::set_permissions(&path, fs::Permissions::from_mode(0o660)).expect("root may");
                let name = PathBuf::from(folder).join(name);
                nodes.push(Node {
                    name: name.display().to_string(),
                    major: major(facts.rdev()),
                    minor: minor(facts.rdev()),
                });
            }
        }
    }
    nodes
}

/// The devices of a container's lease.
fn devices(world: &World, id: &str) -> Vec<LeasedDevice> {
    let subjects = lease_of(world, id).subjects.into_iter();
    let device = subjects.map(|one| match one.subject {
        Some(Subject::Device(device)) => device,
        other => panic!("a device, not {other:?}"),
    });
    device.collect()
}

/// What the AMD GPU at an address has under `/dev`, by the machine's `/sys` and not by kerfd.
fn of_amd(world: &World, pci: &str) -> BTreeSet<String> {
    let drm = format!("sys/bus/pci/devices/{pci}/drm");
    let own = names(&world.kerfd.sysroot().join(drm)).into_iter();
    let own = own.filter(|name| name.starts_with("card") || name.starts_with("renderD"));
    let own = own.map(|name| format!("dri/{name}"));
    own.chain(["kfd".to_owned()]).collect()
}

/// The container has the nodes' group, and ROCr is told of its GPUs by their ids.
fn assert_is_told(world: &World, id: &str, devices: &[LeasedDevice]) {
    let script = "cat /proc/1/environ; echo; grep Groups: /proc/1/status";
    let seen = world.exec(id, script);
    let groups = seen.lines().find(|line| line.starts_with("Groups:"));
    let mut groups = groups.expect("groups").split_whitespace();
    assert!(groups.any(|group| group == RENDER.to_string()), "{seen}");
    assert!(!seen.contains("NVIDIA_VISIBLE_DEVICES"), "{seen}");
    let mut entries = seen.split('\0');
    let visible = entries.find_map(|entry| entry.trim().strip_prefix("ROCR_VISIBLE_DEVICES="));
    let visible = visible.expect("ROCr is told").split(',');
    let unique_id = |device: &LeasedDevice| {
        let path = format!("sys/bus/pci/devices/{}/unique_id", device.name);
        let id = fs::read_to_string(world.kerfd.sysroot().join(path)).expect("an id");
        format!("GPU-{}", id.trim().to_uppercase())
    };
    assert_eq!(
        visible.map(str::to_owned).collect::<BTreeSet<_>>(),
        devices.iter().map(unique_id).collect()
    );
}

fn layout(world: &World, compute: &str) -> PathBuf {
    let path = world.scratch.join(format!("{compute}.yaml"));
    let rules = format!("rules:\n- {{gpus: [0], amd: {{compute: {compute}}}}}\n");
    fs::write(&path, rules).expect("written");
    path
}

#[test]
fn amd_gpus_are_leased_with_their_nodes_groups_and_names() {
    let Some(mut world) = World::new("mi300x8", "") else {
        return;
    };
    let nodes = nodes(&world, &["", "dri"]);
    assert!(nodes.len() > 8 * 2, "{nodes:?}");
    world.start("one", "amd-gpu");
    world.start("three", "amd-gpu:3,same=numa");
    let mut given = BTreeSet::new();
    for (id, count) in [("one", 1), ("three", 3)] {
        let devices = devices(&world, id);
        assert_eq!(devices.len(), count);
        let mut expected = BTreeSet::new();
        for device in &devices {
            assert_eq!(device.kind, "amd-gpu");
            assert!(given.insert(device.name.clone()), "{device:?} twice");
            expected.extend(of_amd(&world, &device.name));
        }
        assert_eq!(expected.len(), 1 + 2 * count, "{expected:?}");
        assert_eq!(own(&probe(&world, id, &nodes)), expected, "{id}");
        assert_is_told(&world, id, &devices);
    }
    // Four are left; over a kill of kerfd none is given twice.
    world.kerfd.kill9().expect("it goes");
    world.kerfd.restart().expect("it comes back");
    let asks = [("kerf.dev/accelerator", "amd-gpu:5")];
    let refused = world.refuse("five", &asks);
    assert!(
        refused.contains("4 of 8 amd-gpu may serve it now"),
        "{refused}"
    );
    assert!(refused.contains("leased to container"), "{refused}");
    world.start("rest", "amd-gpu:4");
    let rest = devices(&world, "rest");
    assert!(
        rest.iter().all(|one| !given.contains(&one.name)),
        "{rest:?}"
    );
    for id in ["one", "three", "rest"] {
        world.end(id);
    }
    world.until_no_leases();
    let never = world.refuse("never", &[("kerf.dev/accelerator", "amd-gpu:9")]);
    assert!(never.contains("this host has 8 amd-gpu"), "{never}");
}

#[test]
fn partitions_are_leased_one_by_one_and_hold_their_gpu_in_its_mode() {
    let Some(world) = World::new("mi300x8", "") else {
        return;
    };
    let asks = [("kerf.dev/accelerator", "amd-partition")];
    let refused = world.refuse("early", &asks);
    assert!(refused.contains("is cut into partitions"), "{refused}");
    kerf(&world, &["apply", text(&layout(&world, "cpx"))]).ends(0);
    let nodes = nodes(&world, &["", "dri"]);
    world.start("five", "amd-partition:5");
    world.start("one", "amd-partition");
    let mut given = BTreeSet::new();
    for (id, count) in [("five", 5), ("one", 1)] {
        let seen = own(&probe(&world, id, &nodes));
        let mut expected = BTreeSet::from(["kfd".to_owned()]);
        for device in devices(&world, id) {
            let (_, node) = device.name.split_once("-renderD").expect("a render node");
            expected.insert(format!("dri/renderD{node}"));
            assert!(given.insert(device.name.clone()), "{device:?} twice");
        }
        assert_eq!(expected.len(), 1 + count);
        assert_eq!(seen, expected, "{id}");
    }
    let three = world.refuse("three", &[("kerf.dev/accelerator", "amd-partition:3")]);
    assert!(three.contains("2 of 8 amd-partition"), "{three}");
    let whole = world.refuse("whole", &[("kerf.dev/accelerator", "amd-gpu,include=0")]);
    assert!(whole.contains("leased to container"), "{whole}");
    let spx = layout(&world, "spx");
    let refused = kerf(&world, &["apply", text(&spx)]);
    assert!(
        refused.err.contains("is in use by container"),
        "{refused:?}"
    );
    refused.ends(1);
    world.end("five");
    world.end("one");
    world.until_no_leases();
    kerf(&world, &["apply", text(&spx)]).ends(0);
}

/// A container of one device of each of these machines has its nodes and no others; the ones that it shares with its
/// siblings beside them.
#[test]
fn intel_gaudi_neuron_and_tpu_devices_are_leased_as_wholes() {
    let table: [(&str, &str, &[&str], usize); 4] = [
        ("max1550x4", "intel-gpu", &["dri"], 2),
        ("gaudi3x8", "gaudi", &["accel", "infiniband"], 2),
        ("trn2x16", "neuron", &[""], 1),
        ("tpu-v5e-8", "tpu", &["vfio"], 2),
    ];
    for (machine, ask, folders, least) in table {
        if ask == "tpu" && !may_lock_all() {
            continue;
        }
        let Some(world) = World::new(machine, "") else {
            return;
        };
        let nodes = nodes(&world, folders);
        assert!(nodes.len() > least, "{machine}: {nodes:?}");
        world.start("one", ask);
        world.start("two", &format!("{ask}:2"));
        let seen = ["one", "two"].map(|id| own(&probe(&world, id, &nodes)));
        let [one, two] = &seen;
        assert!(one.len() >= least, "{machine}: {one:?}");
        let shared: Vec<&String> = one.intersection(two).collect();
        let may_be_shared = ["vfio/vfio", "infiniband/rdma_cm"];
        assert!(
            shared
                .iter()
                .all(|node| may_be_shared.contains(&node.as_str())),
            "{machine}: {shared:?}"
        );
        assert_eq!(
            two.len() - shared.len(),
            2 * (one.len() - shared.len()),
            "{machine}: {seen:?}"
        );
        let limit = world.exec("one", "grep 'Max locked memory' /proc/1/limits");
        let mut nodes = one.iter();
        let pins = nodes.any(|node| node.starts_with("vfio/") || node.starts_with("infiniband/"));
        assert_eq!(limit.contains("unlimited"), pins, "{machine}: {limit}");
        world.end("one");
        world.end("two");
        world.until_no_leases();
    }
}

/// Makes nodes of these names in a folder of the machine's `/dev`, which has none there: the numbers of real ones would open
/// real hardware. These are numbers that no driver here has.
pub fn make_nodes(world: &World, folder: &str, names: impl IntoIterator<Item = String>) {
    let dev = world.kerfd.sysroot().join("dev").join(folder);
    fs::create_dir_all(&dev).expect("a folder");
    let nobodys = world.nodes().first().expect("a node").major;
    for (minor, name) in (200..).zip(names) {
        let mode = Mode::from_bits_truncate(0o600);
        let device = makedev(nobodys, minor);
        mknod(&dev.join(name), SFlag::S_IFCHR, mode, device).expect("root may");
    }
}

/// Makes nodes of the machine's interfaces and of what goes with nobody.
pub fn make_verbs(world: &World) {
    let class = "sys/class/infiniband_verbs";
    let verbs = names(&world.kerfd.sysroot().join(class)).into_iter();
    let verbs = verbs.filter(|name| name.starts_with("uverbs"));
    let others = ["rdma_cm", "umad0"].map(str::to_owned);
    make_nodes(world, "infiniband", others.into_iter().chain(verbs));
}

/// What a program in a container of this ask may lock in memory, and the interfaces that it can open.
fn locked_and_verbs(world: &World, id: &str, nodes: &[Node]) -> (String, BTreeSet<String>) {
    let limit = world.exec(id, "grep 'Max locked memory' /proc/1/limits");
    let words: Vec<&str> = limit.split_whitespace().collect();
    let soft = words.get(3).expect("a limit");
    ((*soft).to_owned(), own(&probe(world, id, nodes)))
}

/// Whether a container's limit of locked memory can be taken away here: runc may do no more than who starts it.
pub fn may_lock_all() -> bool {
    let mut shell = std::process::Command::new("sh");
    let may = process::run(shell.args(["-c", "ulimit -l unlimited"])).is_ok();
    if !may {
        kerf_tests::note("skipped in part: this machine lets nobody lock memory without a bound");
    }
    may
}

/// The verbs of these interfaces, by the machine's `/sys`, with the connection manager's node.
fn verbs_of(world: &World, nics: &[String]) -> BTreeSet<String> {
    let class = world.kerfd.sysroot().join("sys/class/infiniband_verbs");
    let own = names(&class).into_iter().filter(|node| {
        let name = fs::read_to_string(class.join(node).join("ibdev")).unwrap_or_default();
        nics.contains(&name.trim().to_owned())
    });
    let own = own.map(|node| format!("infiniband/{node}"));
    own.chain(["infiniband/rdma_cm".to_owned()]).collect()
}

#[test]
fn an_interface_comes_with_the_gpus_that_it_is_bound_to() {
    let Some(world) = World::new("h100x8", "") else {
        return;
    };
    make_verbs(&world);
    let nodes = nodes(&world, &["infiniband"]);
    assert!(nodes.len() >= 8 + 2, "{nodes:?}");
    let lease = world.client.lease("gpu:2,nic=pix", "default", "near");
    let lease = lease.expect("two GPUs");
    let subjects = lease.subjects.iter();
    let nics = subjects.filter_map(|one| match one.subject.as_ref()? {
        Subject::Device(device) if device.kind == "nic" => Some(device.name.clone()),
        _ => None,
    });
    let nics: Vec<String> = nics.collect();
    assert_eq!(nics, lease.nearest_nics);
    assert!((1..=2).contains(&nics.len()), "{nics:?}");
    let expected = verbs_of(&world, &nics);
    assert_eq!(expected.len(), nics.len() + 1);
    let name = format!("kerf.dev-lease-{}.json", lease.id);
    let document = read(&world.kerfd.cdi().join(name))
        .expect("its file")
        .to_string();
    let given = nodes
        .iter()
        .filter(|node| document.contains(&format!("\"/dev/{}\"", node.name)));
    assert_eq!(
        given.map(|node| node.name.clone()).collect::<BTreeSet<_>>(),
        expected
    );
    world.client.release(&lease.id).expect("released");
    world.start("plain", "gpu:2");
    let (locked, seen) = locked_and_verbs(&world, "plain", &nodes);
    assert_ne!(locked, "unlimited");
    assert_eq!(seen, BTreeSet::new());
    if may_lock_all() {
        world.start("near", "gpu:2,nic=pix");
        let expected = verbs_of(&world, &lease_of(&world, "near").nearest_nics);
        let (locked, seen) = locked_and_verbs(&world, "near", &nodes);
        assert_eq!((locked.as_str(), seen), ("unlimited", expected));
    } else {
        let asks = [("kerf.dev/accelerator", "gpu:2,nic=pix")];
        let refused = world.refuse("near", &asks);
        assert!(
            refused.contains("rlimit type 8"),
            "the limit is asked for: {refused}"
        );
    }
}

/// A namespace that may have GPUs and nothing of interfaces has its ask served beside them all the same.
#[test]
fn an_interface_stays_with_the_host_where_no_pattern_has_the_word() {
    let config =
        "[launch.asks]\n\"\" = [\"gpu:8\"]\ndefault = [\"gpu:8,nic=*\"]\nother = [\"gpu:8\"]\n";
    let Some(world) = World::bare("h100x8", config) else {
        return;
    };
    make_verbs(&world);
    for (namespace, count) in [("default", 1), ("other", 0)] {
        let lease = world.client.lease("gpu,nic=pix", namespace, "a");
        let lease = lease.expect(namespace);
        assert_eq!(lease.subjects.len(), 1 + count, "{lease:?}");
        assert_eq!(lease.nearest_nics.len(), 1);
    }
}

#[test]
fn a_standing_name_of_another_maker_serves_one_container() {
    let Some(world) = World::new("mi300x8", "") else {
        return;
    };
    let nodes = nodes(&world, &["", "dri"]);
    world.until("the new rights in the file", || {
        let document = read(&file(&world.kerfd, "device"));
        document.is_some_and(|document| document.to_string().contains(&RENDER.to_string()))
    });
    let document = read(&file(&world.kerfd, "device")).expect("a file");
    assert_eq!(faults(&document), Vec::<String>::new());
    let names = device_names(&document);
    assert_eq!(names.len(), 8, "{names:?}");
    assert_eq!(document["kind"], "kerf.dev/device");
    let name = names.first().expect("eight");
    let bundles = Bundles::new(&world);
    let spec = |id: &str| with_device(&bundles, &world, id, "device", name);
    bundles.runc("first", &spec("first")).ok();
    let lease = world.lease();
    assert_eq!(lease.state, "active");
    let seen = probe_plain(&bundles, "first", &nodes);
    assert_eq!(seen, of_amd(&world, name));
    let second = bundles.runc("second", &spec("second"));
    let error = second.error();
    assert!(
        error.contains(&format!("amd-gpu {name} is leased")),
        "{error}"
    );
    let lease_file = format!("kerf.dev-lease-{}.json", lease.id);
    let document = read(&world.kerfd.cdi().join(lease_file)).expect("its own file");
    assert_eq!(faults(&document), Vec::<String>::new());
    bundles.end("first");
    world.until_no_leases();
}

/// What a container of plain runc may do with these.
pub fn probe_plain(bundles: &Bundles, id: &str, nodes: &[Node]) -> BTreeSet<String> {
    let runc = bins::system("runc").expect("runc");
    let exec = |script: &str| {
        let mut command = bundles.command(&runc);
        process::run(command.args(["exec", id, "sh", "-c", script])).expect("it runs")
    };
    own(&probe_by(id, nodes, exec))
}
