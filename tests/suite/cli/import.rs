//! `kerf sim import-nccl` of public files: on the machine the same accelerators are picked as from the file.

use std::path::{Path, PathBuf};
use std::process::Command;

use kerf_tests::{Capability, bins, tree};
use serde_json::Value;

use crate::host::said::Said;

/// How many are picked: a pair, and what no half of an even machine is.
const COUNTS: [&str; 3] = ["2", "3", "5"];

fn kerf(words: &[&str], paths: &[(&str, &Path)]) -> Said {
    let mut command = Command::new(bins::kerf().expect("kerf is built"));
    command.args(words).args(["-o", "json"]);
    for (option, path) in paths {
        if !option.is_empty() {
            command.arg(option);
        }
        command.arg(path);
    }
    Said::by(command)
}

/// Addresses of what is picked, in order, and how good it is; nothing where there are too few.
fn picked(count: &str, paths: &[(&str, &Path)]) -> Option<(Vec<String>, Value, Value)> {
    let said = kerf(&["topology", "pick", "-n", count], paths);
    if said.code == Some(1) {
        return None;
    }
    let picked = said.json(&[0]);
    let addresses = picked["addresses"].as_array()?;
    let mut addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    addresses.sort();
    Some((
        addresses,
        picked["ring_gbps"].clone(),
        picked["pair_score"].clone(),
    ))
}

fn check(file: &Path) {
    // A machine has ten thousand files.
    let memory = Path::new("/dev/shm");
    let folder = match memory.is_dir() {
        true => tempfile::tempdir_in(memory),
        false => tempfile::tempdir(),
    };
    let folder = folder.expect("a temporary folder");
    let dir = folder.path().join("m");
    let made = kerf(&["sim", "import-nccl"], &[("", file), ("", &dir)]).json(&[0]);
    let library: PathBuf = made["library"].as_str().expect("a library").into();
    let root = dir.join("root");
    for count in COUNTS {
        let of_file = picked(count, &[("--nccl-xml", file)]);
        let of_machine = picked(count, &[("--sysroot", &root), ("--nvml", &library)]);
        assert_eq!(of_file, of_machine, "{count} of {}", file.display());
    }
}

#[test]
fn of_public_machines_the_same_are_picked_as_of_their_files() {
    let folder = tree::data_dir().join("nccl-topo");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        let why = format!("{} is not there", folder.display());
        kerf_tests::skip(Capability::Data, &why);
        return;
    };
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let files: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|end| end == "xml"))
        .collect();
    assert_eq!(files.len(), 32);
    files.iter().for_each(|file| check(file));
}

#[test]
fn a_gpu_whose_capability_nobody_knows_is_read_again() {
    let scratch = kerf_tests::Scratch::new("ki").expect("/tmp takes folders");
    let (file, dir) = (scratch.join("m.xml"), scratch.join("m"));
    // Without a `gpu` the file leaves it to NCCL.
    let text = "<system version=\"1\"><cpu numaid=\"0\">\
                <pci busid=\"0000:01:00.0\" class=\"0x030200\" vendor=\"0x10de\" device=\"0x1db5\"/></cpu></system>";
    std::fs::write(&file, text).expect("a file");
    kerf(&["sim", "import-nccl"], &[("", &file), ("", &dir)]).ends(0);
    let mut command = Command::new(bins::kerf().expect("kerf is built"));
    command.args(["topology", "-o", "nccl-xml", "--nvml", "none", "--sysroot"]);
    let written = Said::by({
        command.arg(dir.join("root"));
        command
    });
    let written = written.ends(0);
    assert!(
        written.contains("<gpu dev=\"0\" rank=\"0\"") && !written.contains("sm="),
        "{written}"
    );
    std::fs::write(&file, written).expect("a file");
    let again = scratch.join("again");
    kerf(&["sim", "import-nccl"], &[("", &file), ("", &again)]).ends(0);
}
