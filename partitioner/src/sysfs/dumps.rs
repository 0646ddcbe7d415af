//! Real `/sys` dumps of other people's machines: every NUMA fact must equal the dump's files.
//!
//! The dumps are not part of this repository; see the folder's README for their source. Expected values
//! are read here by plain file access, which shares no code with what is tested.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use kerf_types::inventory::NumaNode;

use super::{Root, nics, numa, pci};

/// The folder of the dumps, or the reason why there is none.
fn archives() -> Result<Vec<PathBuf>, String> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let shared = std::env::var_os("KERF_SHARED").map_or(beside, PathBuf::from);
    let folder = shared.join("data/hwloc");
    let entries = fs::read_dir(&folder).map_err(|_| format!("no folder {}", folder.display()))?;
    let is_archive = |path: &PathBuf| path.to_string_lossy().ends_with(".tar.bz2");
    let archives: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(is_archive)
        .collect();
    if archives.is_empty() {
        Err(format!("no dump in {}", folder.display()))
    } else {
        Ok(archives)
    }
}

/// Without what is not asked for: thousands of files of memory blocks and processors.
const LEFT_OUT: [&str; 3] = [
    "--exclude=*/memory[0-9]*",
    "--exclude=*/system/cpu/*",
    "--exclude=*/proc/*",
];

fn unpack(archive: &Path, into: &Path) -> Result<PathBuf, String> {
    let mut tar = Command::new("tar");
    tar.arg("--wildcards")
        .args(LEFT_OUT)
        .arg("-xjf")
        .arg(archive)
        .arg("-C")
        .arg(into);
    let status = tar.status();
    if !status.is_ok_and(|status| status.success()) {
        return Err(format!(
            "tar cannot unpack {} (bzip2 missing?)",
            archive.display()
        ));
    }
    let mut folders = fs::read_dir(into).map_err(|error| error.to_string())?;
    match folders.next() {
        Some(Ok(folder)) => Ok(folder.path()),
        _ => Err(format!("{} is empty", archive.display())),
    }
}

fn skip(why: &str) {
    kerf_tests::skip(kerf_tests::Capability::Data, why);
}

#[test]
fn numa_facts_equal_the_files() {
    let archives = match archives() {
        Ok(archives) => archives,
        Err(why) => return skip(&why),
    };
    for archive in archives {
        let folder = tempfile::tempdir().expect("a folder");
        match unpack(&archive, folder.path()) {
            Ok(dump) => check(&dump),
            Err(why) => skip(&why),
        }
    }
}

fn check(dump: &Path) {
    let root = Root::open(dump).expect("the dump");
    let folder = dump.join("sys/devices/system/node");
    let mut ids: Vec<u32> = fs::read_dir(&folder)
        .expect("nodes")
        .filter_map(|entry| {
            entry
                .ok()?
                .file_name()
                .to_str()?
                .strip_prefix("node")?
                .parse()
                .ok()
        })
        .collect();
    ids.sort_unstable();
    let (nodes, problems) = numa::nodes(&root).expect("nodes");
    let name = dump.display();
    assert_eq!(problems, Vec::<String>::new(), "{name}");
    assert_eq!(
        nodes.iter().map(|node| node.id).collect::<Vec<_>>(),
        ids,
        "{name}"
    );
    for node in &nodes {
        check_node(node, &folder.join(format!("node{}", node.id)));
    }
    for (address, path) in pci::paths(&root).expect("paths") {
        let device = dump.join(&path[1..]);
        assert!(device.is_dir(), "{path}");
        let node = pci::numa_node(&root, address, &nodes);
        assert!(
            node.is_none_or(|node| ids.contains(&node)),
            "{address} is near to {node:?}"
        );
        let told = fs::read_to_string(device.join("numa_node")).unwrap_or_default();
        if let Ok(told) = told.trim().parse::<u32>() {
            assert_eq!(node, Some(told), "{address} in {name}");
        }
    }
    let nics = nics::nics(&root, &nodes).expect("interfaces");
    let class = fs::read_dir(dump.join("sys/class/infiniband"));
    assert_eq!(nics.len(), class.map_or(0, Iterator::count), "{name}");
}

fn check_node(node: &NumaNode, folder: &Path) {
    let name = folder.display();
    let file = |name: &str| fs::read_to_string(folder.join(name)).expect(name);
    assert_eq!(node.cpus, file("cpulist").trim(), "{name}");
    let meminfo = file("meminfo");
    let total = meminfo
        .lines()
        .find(|line| line.contains("MemTotal"))
        .expect("MemTotal");
    let kib: u64 = total
        .split_whitespace()
        .nth(3)
        .expect("kB")
        .parse()
        .expect("a number");
    assert_eq!(node.memory.0, kib * 1_024, "{name}");
    let columns: Vec<String> = node.distances.iter().map(u32::to_string).collect();
    let written = file("distance");
    assert_eq!(
        columns,
        written.split_whitespace().collect::<Vec<_>>(),
        "{name}"
    );
}
