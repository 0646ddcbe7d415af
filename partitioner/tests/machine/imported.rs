//! Machines that were described in NCCL's XML: what is found on them is written down again as it stood there.

mod compare;
mod tree;

use std::path::{Path, PathBuf};

use kerf_partitioner::client::WorkerCommand;
use kerf_partitioner::discover::discover;
use kerf_partitioner::nccl;
use kerf_partitioner::worker::Machine;
use kerf_types::Inventory;
use nvidia_ml::{CreateOptions, MachineInfo, import};
use tempfile::TempDir;

use crate::world::{PATIENCE, program};
use compare::differences;

/// Files of our own, with what is peculiar in the public ones.
const OWN: [(&str, &str); 5] = [
    ("switches", include_str!("imported/switches.xml")),
    ("hive", include_str!("imported/hive.xml")),
    ("nvlink", include_str!("imported/nvlink.xml")),
    ("cloud", include_str!("imported/cloud.xml")),
    ("guest", include_str!("imported/guest.xml")),
];

/// An imported machine and its folder, which goes with it.
struct Imported {
    _folder: TempDir,
    info: MachineInfo,
}

impl Imported {
    fn new(name: &str, text: &str) -> Self {
        // A machine has ten thousand files.
        let memory = Path::new("/dev/shm");
        let folder = match memory.is_dir() {
            true => tempfile::tempdir_in(memory),
            false => tempfile::tempdir(),
        };
        let folder = folder.expect("a folder");
        let told = nccl::describe(text, name).unwrap_or_else(|error| panic!("{name}: {error}"));
        let library = nvidia_ml::find_library().expect("cargo has built the simulator");
        let options = CreateOptions { seed: Some(7) };
        let info = import::import(&told, &folder.path().join("machine"), &library, &options);
        Self {
            _folder: folder,
            info: info.unwrap_or_else(|error| panic!("{name}: {error}")),
        }
    }

    fn found(&self) -> Inventory {
        let library = self.info.has_library.then(|| self.info.library.clone());
        let command = WorkerCommand {
            executable: program(),
            machine: Machine {
                library,
                sysroot: self.info.sysroot.clone(),
                simulated: None,
            },
        };
        discover(&command, PATIENCE).expect("an inventory")
    }
}

/// The text of a machine that was made of this text, and what is not the same in it.
fn again(name: &str, text: &str) -> Vec<String> {
    let machine = Imported::new(name, text);
    let found = machine.found();
    let mut all = differences(text, &nccl::write(&found, None));
    // A machine without a driver library has none to open, which is no oddity of it.
    let problems = found.problems.iter();
    all.extend(
        problems
            .filter(|problem| !problem.starts_with("driver: "))
            .cloned(),
    );
    // One public file has a bridge and an interface with the same address.
    let odd = found.map.oddities.iter();
    let odd = odd.filter(|odd| !odd.what.contains("address of a function somewhere else"));
    all.extend(odd.map(|odd| format!("{odd:?}")));
    all
}

/// Names and texts of the public files; none where they are not there.
fn public() -> Vec<(String, String)> {
    let folder = kerf_tests::tree::data_dir().join("nccl-topo");
    if !folder.is_dir() {
        let why = format!("{} is not there", folder.display());
        kerf_tests::skip(kerf_tests::Capability::Data, &why);
        return Vec::new();
    }
    let entries = std::fs::read_dir(folder).expect("the folder");
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.retain(|path| path.extension().is_some_and(|end| end == "xml"));
    paths.sort();
    assert_eq!(paths.len(), 32);
    let read = |path: PathBuf| {
        let name = path.file_stem().and_then(|stem| stem.to_str());
        let text = std::fs::read_to_string(&path).expect("a file");
        (name.expect("a name").to_owned(), text)
    };
    paths.into_iter().map(read).collect()
}

#[test]
fn every_public_file_comes_back_as_it_was() {
    let mut wrong = Vec::new();
    for (name, text) in public() {
        let differences = again(&name, &text);
        if !differences.is_empty() {
            wrong.push(format!("{name}:\n  {}", differences.join("\n  ")));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of 32:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn our_own_files_come_back_as_they_were() {
    for (name, text) in OWN {
        assert_eq!(again(name, text), Vec::<String>::new(), "{name}");
    }
}
