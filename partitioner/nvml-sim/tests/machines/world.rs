//! Makes machines, and reads what lies in their trees.

use std::fs;
use std::path::{Path, PathBuf};

use nvidia_ml::machine::{self, CreateOptions};
use tempfile::TempDir;

/// A machine that goes with its test.
pub struct World {
    _folder: TempDir,
    /// The tree that stands for `/`.
    pub root: PathBuf,
}

impl World {
    /// Makes the machine of that name. In memory where there is such a file system: a machine has ten thousand files.
    pub fn new(name: &str) -> Self {
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() {
            tempfile::tempdir_in(memory)
        } else {
            tempfile::tempdir()
        };
        let folder = folder.expect("a temporary folder");
        let library = folder.path().join("library");
        fs::write(&library, "library").expect("a writable folder");
        let options = CreateOptions { seed: Some(1) };
        let info = machine::create(name, &folder.path().join("m"), &library, &options);
        let root = info.expect(name).sysroot;
        Self {
            _folder: folder,
            root,
        }
    }

    /// The text of a file, without its last line end.
    pub fn text(&self, path: &str) -> String {
        let bytes =
            fs::read(self.root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        let text = String::from_utf8_lossy(&bytes);
        text.strip_suffix('\n').unwrap_or(&text).to_owned()
    }

    /// Names in a folder, sorted as people count: `nvme2` before `nvme10`. None where there is no such folder.
    pub fn names(&self, folder: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.root.join(folder)) else {
            return Vec::new();
        };
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        let mut names: Vec<String> = names
            .map(|name| name.into_string().expect("a name"))
            .collect();
        names.sort_by_key(|name| {
            let digits = name
                .find(|c: char| c.is_ascii_digit())
                .unwrap_or(name.len());
            let (stem, number) = name.split_at(digits);
            let number = number.parse::<u32>().ok();
            (number.map(|_| stem.to_owned()), number, name.clone())
        });
        names
    }

    /// Where a path leads, below the tree; it must stay in there.
    pub fn leads_to(&self, path: &str) -> String {
        let target = self.root.join(path).canonicalize();
        let target = target.unwrap_or_else(|error| panic!("{path} leads nowhere: {error}"));
        let root = self.root.canonicalize().expect("a tree");
        let inside = target.strip_prefix(&root);
        let inside = inside.unwrap_or_else(|_| panic!("{path} leads out: {}", target.display()));
        inside.to_str().expect("a path").to_owned()
    }
}

/// The machines' names.
pub fn machines() -> impl Iterator<Item = &'static str> {
    machine::machines().into_iter().map(|(name, _)| name)
}
