//! The Rust sources of the workspace, read once per rule.

use std::path::Path;

use kerf_tests::tree;

/// One source file.
#[derive(Debug)]
pub struct Source {
    /// The path from the root of the workspace.
    pub path: String,
    /// Everything in it.
    pub text: String,
}

impl Source {
    /// A file that need not exist.
    pub fn new(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    /// A finding at a line of this file.
    pub fn at(&self, line: usize, what: &str) -> String {
        format!("{}:{line}: {what}", self.path)
    }

    /// Whether all of the file is test code: a `tests.rs`, a folder of tests or benches, or a
    /// development package.
    pub fn is_test_code(&self) -> bool {
        let path = Path::new(&self.path);
        let of_tests = |part: &std::ffi::OsStr| part == "tests" || part == "benches";
        let in_folder = path
            .parent()
            .is_some_and(|folder| folder.iter().any(of_tests));
        in_folder || path.ends_with("tests.rs") || path.starts_with("packaging/xtask")
    }

    /// Whether the file lies in the package with this folder, and not in one nested in it.
    pub fn is_in_package(&self, folder: &str) -> bool {
        let rest = self
            .path
            .strip_prefix(folder)
            .and_then(|rest| rest.strip_prefix('/'));
        rest.is_some_and(|rest| rest.starts_with("src/") || !rest.contains('/'))
    }
}

/// Every `.rs` file of the workspace, in the order of paths.
pub fn workspace() -> Vec<Source> {
    let root = tree::workspace_root();
    let mut sources = Vec::new();
    collect(&root, &root, "rs", &mut sources);
    sources
}

/// Every manifest in the workspace's folders, its own included.
pub fn manifests() -> Vec<Source> {
    let root = tree::workspace_root();
    let mut all = Vec::new();
    collect(&root, &root, "toml", &mut all);
    all.retain(|source| Path::new(&source.path).ends_with("Cargo.toml"));
    all
}

fn collect(root: &Path, folder: &Path, extension: &str, found: &mut Vec<Source>) {
    let entries = std::fs::read_dir(folder).expect("a folder of the workspace can be read");
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            if !is_outside(&path) {
                collect(root, &path, extension, found);
            }
        } else if path.extension().is_some_and(|kind| kind == extension) {
            let text = std::fs::read_to_string(&path).expect("a source is readable text");
            let name = path.strip_prefix(root).expect("it lies below the root");
            found.push(Source::new(&name.to_string_lossy(), &text));
        }
    }
}

/// Build folders (cargo marks them) and hidden ones hold nothing that we wrote.
fn is_outside(folder: &Path) -> bool {
    let hidden = folder
        .file_name()
        .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    let fixtures = folder.ends_with("tests/fixtures");
    hidden || fixtures || folder.ends_with("target") || folder.join("CACHEDIR.TAG").exists()
}

#[test]
fn test_code_is_known_by_its_path() {
    let is_test = |path: &str| Source::new(path, "").is_test_code();
    assert!(is_test("agent/src/store/tests.rs"));
    assert!(is_test("agent/tests/cli.rs"));
    assert!(is_test("tests/src/lib.rs"));
    assert!(is_test("runtime-shim/benches/launch.rs"));
    assert!(!is_test("agent/src/store/mod.rs"));
}

#[test]
fn a_nested_package_is_not_part_of_the_outer_one() {
    let outer = |path: &str| Source::new(path, "").is_in_package("partitioner");
    assert!(outer("partitioner/src/nvml/ffi.rs"));
    assert!(outer("partitioner/build.rs"));
    assert!(!outer("partitioner/types/src/lib.rs"));
    assert!(!outer("partitioner-x/src/lib.rs"));
}
