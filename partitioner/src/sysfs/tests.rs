//! Trees that a kernel, a careless packager or an attacker may put before us.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use kerf_types::{Bytes, CiId, DeviceMinor, GiId};
use tempfile::TempDir;

use super::capabilities::{Capability, CapabilityTable};
use super::cpus::CpuSet;
use super::{Root, SysfsError, driver, majors, nics, numa, pci};

/// A tree with these files; a content that begins with `->` is a link.
fn tree(files: &[(&str, &str)]) -> (TempDir, Root) {
    let folder = tempfile::tempdir().expect("a folder");
    for (path, content) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        match content.strip_prefix("->") {
            Some(target) => symlink(target, path).expect("a link"),
            None => fs::write(path, content).expect("a file"),
        }
    }
    let root = Root::open(folder.path()).expect("a root");
    (folder, root)
}

fn node(id: u32, cpus: &str, distance: &str) -> Vec<(String, String)> {
    let file = |name: &str, text: &str| {
        (
            format!("sys/devices/system/node/node{id}/{name}"),
            text.to_owned(),
        )
    };
    vec![
        file("cpulist", cpus),
        file("distance", distance),
        file(
            "meminfo",
            &format!("Node {id} MemTotal:       1024 kB\nNode {id} MemFree: 1 kB\n"),
        ),
    ]
}

fn tree_of(files: &[(String, String)], more: &[(&str, &str)]) -> (TempDir, Root) {
    let mut all: Vec<(&str, &str)> = files
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    all.extend(more);
    tree(&all)
}

#[test]
fn links_never_lead_out_of_the_root() {
    let outside = tempfile::tempdir().expect("a folder");
    fs::write(outside.path().join("secret"), "secret").expect("a file");
    let absolute = format!("->{}/secret", outside.path().display());
    let climbing = format!(
        "->../../../../../../../..{}/secret",
        outside.path().display()
    );
    let (_folder, root) = tree(&[
        ("absolute", absolute.as_str()),
        ("a/climbing", climbing.as_str()),
        ("etc/inside", "mine"),
        ("to-inside", "->/etc/inside"),
        ("loop", "->loop"),
        ("magic", "->/proc/self/root/etc/passwd"),
    ]);
    for path in [
        "absolute",
        "a/climbing",
        "loop",
        "magic",
        "../../../etc/passwd",
    ] {
        assert_eq!(root.fact(path), None, "{path}");
        assert_eq!(root.canonical(path), None, "{path}");
    }
    assert_eq!(root.fact("to-inside").as_deref(), Some("mine"));
    assert_eq!(root.canonical("to-inside").as_deref(), Some("/etc/inside"));
    assert_eq!(
        root.canonical("../../etc/inside").as_deref(),
        Some("/etc/inside")
    );
}

#[test]
fn what_is_no_readable_text_is_unknown() {
    let (folder, root) = tree(&[("text", " a b \n"), ("folder/file", "x")]);
    fs::write(folder.path().join("binary"), [0xff, 0xfe]).expect("a file");
    let pipe = folder.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
    assert_eq!(root.fact("text").as_deref(), Some("a b"));
    for path in ["absent", "binary", "folder", "pipe", "text/below", ""] {
        assert!(matches!(root.read(path), Ok(None)), "{path}");
    }
    let large = fs::File::create(folder.path().join("large")).expect("a file");
    large.set_len(3 << 20).expect("a length");
    assert!(matches!(
        root.read("large"),
        Err(SysfsError::TooLarge { .. })
    ));
    assert_eq!(root.list("folder").expect("a folder"), ["file"]);
    assert!(root.list("absent").expect("nothing").is_empty());
    assert!(Root::open(&folder.path().join("text")).is_err());
}

#[test]
fn cpu_sets_read_both_spellings() {
    for (list, mask, printed) in [
        ("0-3,8", "0000010f", "0-3,8"),
        ("8,0-3", "10f", "0-3,8"),
        ("32-63", "ffffffff,00000000", "32-63"),
        ("31-32", "1,80000000", "31-32"),
        ("", "0", ""),
    ] {
        for set in [CpuSet::from_list(list), CpuSet::from_mask(mask)] {
            assert_eq!(set.expect(list).to_string(), printed);
        }
    }
    for wrong in ["3-0", "a", "-1", "1-", "0-99999999", "1;2", "0x1"] {
        assert_eq!(CpuSet::from_list(wrong), None, "{wrong}");
    }
    for wrong in ["", "xyz", "100000000", "1,,2"] {
        assert_eq!(CpuSet::from_mask(wrong), None, "{wrong}");
    }
    let set = |list| CpuSet::from_list(list).expect(list);
    assert!(set("0-3").overlaps(&set("3-9")));
    assert!(!set("0-3").overlaps(&set("4")));
    assert!(set("").is_empty());
}

#[test]
fn sparse_and_broken_nodes() {
    let mut files = node(0, "0-3\n", "10 20 30\n");
    files.extend(node(252, "\n", "20 10 40\n"));
    files.extend(node(8, "4-7\n", "30 40\n"));
    let (folder, root) = tree_of(
        &files,
        &[
            ("sys/devices/system/node/online", "0,8,252"),
            ("sys/devices/system/node/nodeX", ""),
        ],
    );
    let (nodes, problems) = numa::nodes(&root).expect("nodes");
    let seen: Vec<_> = nodes
        .iter()
        .map(|node| (node.id, node.cpus.as_str()))
        .collect();
    assert_eq!(seen, [(0, "0-3"), (8, "4-7"), (252, "")]);
    assert_eq!(nodes[2].memory, Bytes(1 << 20));
    assert_eq!(nodes[2].distances, [20, 10, 40]);
    assert_eq!(
        problems,
        ["NUMA node 8: its distances to 3 nodes are not known"]
    );

    fs::remove_file(folder.path().join("sys/devices/system/node/node0/cpulist")).expect("there");
    fs::write(
        folder.path().join("sys/devices/system/node/node0/cpumap"),
        "0000000f\n",
    )
    .expect("a file");
    fs::write(
        folder.path().join("sys/devices/system/node/node8/meminfo"),
        "nonsense",
    )
    .expect("a file");
    let (nodes, problems) = numa::nodes(&root).expect("nodes");
    assert_eq!(nodes[0].cpus, "0-3");
    assert!(
        problems.contains(&"NUMA node 8: its memory is not known".to_owned()),
        "{problems:?}"
    );
    let (_folder, empty) = tree(&[]);
    assert_eq!(numa::nodes(&empty).expect("none"), (Vec::new(), Vec::new()));
}

#[test]
fn a_numa_node_is_found_where_the_firmware_is_silent() {
    let mut files = node(0, "0-3", "10 20");
    files.extend(node(1, "4-7", "20 10"));
    let device = |name: &str, file: &str| format!("sys/devices/pci0000:00/{name}/{file}");
    let mut add =
        |name: &str, file: &str, text: &str| files.push((device(name, file), text.to_owned()));
    add("0000:00:01.0", "numa_node", "1");
    add("0000:00:01.0/0000:01:00.0", "numa_node", "-1");
    add("0000:00:01.0/0000:01:00.0", "local_cpulist", "0-7");
    add("0000:00:02.0", "numa_node", "-1");
    add("0000:00:02.0", "local_cpulist", "0-1");
    add("0000:00:03.0", "numa_node", "7");
    add("0000:00:03.0", "local_cpus", "000000f0");
    add("0000:00:04.0", "numa_node", "-1");
    let links = [
        (
            "sys/bus/pci/devices/0000:01:00.0",
            "->../../../devices/pci0000:00/0000:00:01.0/0000:01:00.0",
        ),
        (
            "sys/bus/pci/devices/0000:00:02.0",
            "->../../../devices/pci0000:00/0000:00:02.0",
        ),
        (
            "sys/bus/pci/devices/0000:00:03.0",
            "->../../../devices/pci0000:00/0000:00:03.0",
        ),
        (
            "sys/bus/pci/devices/0000:00:04.0",
            "->../../../devices/pci0000:00/0000:00:04.0",
        ),
        // A folder where a kernel has a link.
        ("sys/bus/pci/devices/10000:e1:00.0/numa_node", "0"),
        ("sys/bus/pci/devices/10000:e1:00.0/class", "0x030200"),
    ];
    let (_folder, root) = tree_of(&files, &links);
    let (nodes, _) = numa::nodes(&root).expect("nodes");
    let near = |address: &str| pci::numa_node(&root, address.parse().expect(address), &nodes);
    assert_eq!(
        near("0000:01:00.0"),
        Some(1),
        "from the bridge above, since its CPUs are everywhere"
    );
    assert_eq!(near("0000:00:02.0"), Some(0), "from its CPUs");
    assert_eq!(
        near("0000:00:03.0"),
        Some(1),
        "from its CPUs, since node 7 does not exist"
    );
    assert_eq!(near("0000:00:04.0"), None);
    assert_eq!(near("10000:e1:00.0"), Some(0));
    assert_eq!(near("0000:77:00.0"), None, "no such device");
    assert!(
        pci::paths(&root).expect("paths").is_empty(),
        "a folder has no path in /sys/devices"
    );
}

#[test]
fn interfaces_of_all_sorts() {
    let bus = "sys/devices/pci0000:00/0000:00:01.0";
    let port = |rate: &str, state: &str, layer: &str| {
        [rate.to_owned(), state.to_owned(), layer.to_owned()]
    };
    let mut files = node(0, "0-3", "10");
    let mut add = |name: &str, [rate, state, layer]: [String; 3]| {
        for (file, text) in [("rate", rate), ("state", state), ("link_layer", layer)] {
            files.push((format!("{bus}/infiniband/{name}/ports/1/{file}"), text));
        }
        files.push((
            format!("sys/class/infiniband/{name}"),
            format!("->../../../{bus}/infiniband/{name}"),
        ));
    };
    add(
        "mlx5_0",
        port("400 Gb/sec (4X NDR)", "4: ACTIVE", "InfiniBand"),
    );
    add("mlx5_1", port("10 Gb/sec (4X)", "1: DOWN", "Ethernet"));
    add(
        "qib0",
        port("2.5 Gb/sec (1X SDR)", "4: ACTIVE", "InfiniBand"),
    );
    for name in ["mlx5_0", "mlx5_1"] {
        files.push((
            format!("{bus}/infiniband/{name}/device"),
            "->../..".to_owned(),
        ));
    }
    files.push((format!("{bus}/numa_node"), "0".to_owned()));
    files.push((format!("{bus}/class"), "0x020700".to_owned()));
    let link = (
        "sys/bus/pci/devices/0000:00:01.0",
        "->../../../devices/pci0000:00/0000:00:01.0",
    );
    let (_folder, root) = tree_of(
        &files,
        &[link, ("sys/class/infiniband/bond0/ports/1/rate", "")],
    );
    let (nodes, _) = numa::nodes(&root).expect("nodes");
    let nics = nics::nics(&root, &nodes).expect("interfaces");
    let seen: Vec<_> = nics
        .iter()
        .map(|nic| {
            let pci = nic.pci.map(|pci| pci.to_string()).unwrap_or_default();
            (
                nic.name.as_str(),
                pci,
                nic.numa_node,
                nic.link_layer.as_str(),
                nic.rate_gbps,
            )
        })
        .collect();
    let at = || "0000:00:01.0".to_owned();
    assert_eq!(
        seen,
        [
            ("bond0", String::new(), None, "", 0),
            ("mlx5_0", at(), Some(0), "InfiniBand", 400),
            ("mlx5_1", at(), Some(0), "Ethernet", 0),
            ("qib0", String::new(), None, "InfiniBand", 2),
        ]
    );
    let paths = pci::paths(&root).expect("paths");
    assert_eq!(paths.values().collect::<Vec<_>>(), [&format!("/{bus}")]);
}

#[test]
fn one_wrong_line_voids_the_capability_table() {
    let good = "config 1\nmonitor 2\ngpu0/gi0/access 3\ngpu0/gi0/ci0/access 4\ngpu31/gi14/ci7/access 4322\n";
    let table = CapabilityTable::parse(good).expect("the driver's form");
    let ci = Capability::Ci(DeviceMinor(31), GiId(14), CiId(7));
    assert_eq!(table.minor(ci), Some(DeviceMinor(4322)));
    assert_eq!(table.capability(DeviceMinor(4322)), Some(ci));
    assert_eq!(
        table.minor(Capability::Gi(DeviceMinor(0), GiId(0))),
        Some(DeviceMinor(3))
    );
    assert_eq!(table.minor(Capability::Gi(DeviceMinor(1), GiId(0))), None);
    for wrong in [
        "",
        "config",
        "config 1 2",
        "config one",
        "Config 1",
        "config/access 1",
        "gpu0/gi0/access",
        "gpu0/gi0/access -3",
        "gpu0/gi0/access 03",
        "gpu0/gi0/access 99999999999",
        "gpu00/gi0/access 3",
        "gpu+0/gi0/access 3",
        "gpu0/gi0/access  3",
        "gpu0/gi0/access 3 ",
        "gpu0/access 3",
        "gpu0/gi0/ci0 4",
        "gpu0/gi0/ci0/ci1/access 4",
        "gpu0/gi0/ci0/access/access 4",
        "../gi0/access 5",
        "gpu0/gi1/access 3",
        "gpu0/gi0/access 77",
    ] {
        let text = format!("gpu0/gi0/access 3\n{wrong}\nmonitor 2\n");
        let error = CapabilityTable::parse(&text).expect_err(wrong);
        assert!(
            matches!(error, SysfsError::Malformed { line: 2, .. }),
            "{wrong}: {error}"
        );
    }
    let (_folder, root) = tree(&[]);
    assert_eq!(
        CapabilityTable::read(&root).expect("no driver"),
        CapabilityTable::default()
    );
}

#[test]
fn majors_are_those_of_character_devices() {
    let text = "Character devices:\n  1 mem\n195 nvidia\n195 nvidia-modeset\n510 nvidia-uvm\n\
                511 nvidia-caps\n\nBlock devices:\n259 blkext\n  7 loop\n";
    let (_folder, root) = tree(&[("proc/devices", text)]);
    let majors = majors::majors(&root).expect("a table");
    assert_eq!(majors.get(majors::NVIDIA_CAPS), Some(&511));
    assert_eq!(majors.get("mem"), Some(&1));
    assert_eq!(majors.get("loop"), None);
    let (_folder, root) = tree(&[]);
    assert!(majors::majors(&root).expect("no table").is_empty());
}

#[test]
fn the_kernel_driver_names_its_gpus() {
    let information = "Model: \t\t NVIDIA H100 80GB HBM3\nIRQ:   \t\t 18\nGPU UUID: \t \
                       GPU-11111111-2222-3333-4444-555555555555\nBus Location: \t 0000:0d:00.0\n\
                       Device Minor: \t 3\n";
    let fresh = "Model: \t\t Unknown\nGPU UUID: \t GPU-????????-????-????-????-????????????\n";
    let (_folder, root) = tree(&[
        ("proc/driver/nvidia/gpus/0000:1d:00.0/information", fresh),
        (
            "proc/driver/nvidia/gpus/0000:0d:00.0/information",
            information,
        ),
        ("proc/driver/nvidia/gpus/nonsense/information", information),
    ]);
    let gpus = driver::gpus(&root).expect("GPUs");
    let [first, second] = gpus.as_slice() else {
        panic!("{gpus:?}")
    };
    assert_eq!(first.model.as_deref(), Some("NVIDIA H100 80GB HBM3"));
    assert_eq!(first.minor, Some(DeviceMinor(3)));
    let uuid = first.uuid.as_ref().map(kerf_types::GpuUuid::as_str);
    assert_eq!(uuid, Some("GPU-11111111-2222-3333-4444-555555555555"));
    assert_eq!((&second.uuid, second.minor), (&None, None));
}

#[test]
fn the_real_root_is_known() {
    assert!(Root::open(Path::new("/")).expect("the root").is_real());
    let (_folder, root) = tree(&[]);
    assert!(!root.is_real());
}
