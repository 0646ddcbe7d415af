//! What a kill leaves: the machine, the store, the copies of leases and the CDI files. Taken while nothing
//! runs, and put back as often as it is needed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use nvidia_ml::control::{Snapshot, restore, snapshot};

use crate::lane::Lane;

/// The folders of a kerfd.
const PARTS: [&str; 3] = ["state", "run", "cdi"];

/// One image.
#[derive(Clone)]
pub struct Image {
    machine: Snapshot,
    files: BTreeMap<PathBuf, Vec<u8>>,
}

impl Image {
    /// What is there now.
    pub fn take(lane: &Lane) -> Self {
        let mut files = BTreeMap::new();
        for path in PARTS
            .iter()
            .flat_map(|part| files_in(&lane.path().join(part)))
        {
            let content = fs::read(&path).expect("a file of ours");
            files.insert(path, content);
        }
        Self {
            machine: snapshot(&lane.info.dir).expect("the machine"),
            files,
        }
    }

    /// Makes the machine and the folders what they were.
    pub fn put_back(&self, lane: &Lane) {
        restore(&lane.info.dir, &self.machine).expect("the machine");
        for path in PARTS
            .iter()
            .flat_map(|part| files_in(&lane.path().join(part)))
        {
            if !self.files.contains_key(&path) {
                fs::remove_file(&path).expect("a file of ours");
            }
        }
        for (path, content) in &self.files {
            let folder = path.parent().expect("a file lies in a folder");
            fs::create_dir_all(folder).expect("a folder");
            fs::write(path, content).expect("a file");
        }
    }
}

/// Plain files below a folder; sockets stay where they are.
fn files_in(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let kind = entry.file_type().expect("a kind of file");
        if kind.is_dir() {
            files.extend(files_in(&entry.path()));
        } else if kind.is_file() {
            files.push(entry.path());
        }
    }
    files
}
