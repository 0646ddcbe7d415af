//! What cargo knows of the workspace: packages, and who depends on whom.

use std::process::Command;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};
use kerf_tests::{process, tree};

/// A declared dependency of one of our packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// The package that depends.
    pub from: String,
    /// The name of what it depends on.
    pub to: String,
    /// Normal, build or development.
    pub kind: DependencyKind,
}

impl Edge {
    /// An edge that need not exist.
    pub fn new(from: &str, to: &str, kind: DependencyKind) -> Self {
        Self {
            from: from.to_owned(),
            to: to.to_owned(),
            kind,
        }
    }

    /// Whether what is shipped has it: development dependencies are only in tests and benches.
    pub fn is_shipped(&self) -> bool {
        self.kind != DependencyKind::Development
    }
}

/// The workspace without its foreign packages.
pub fn workspace() -> Metadata {
    let mut command = MetadataCommand::new();
    command
        .manifest_path(tree::workspace_root().join("Cargo.toml"))
        .no_deps();
    command.exec().expect("cargo reads the workspace")
}

/// Every declared dependency of every package of the workspace.
pub fn edges() -> Vec<Edge> {
    let metadata = workspace();
    let packages = metadata.packages.iter();
    let of_package = |package: &cargo_metadata::Package| {
        let from = package.name.to_string();
        let edge = move |to: &cargo_metadata::Dependency| Edge::new(&from, &to.name, to.kind);
        package.dependencies.iter().map(edge).collect::<Vec<_>>()
    };
    packages.flat_map(of_package).collect()
}

/// Names of packages and their folders below the root.
pub fn folders() -> Vec<(String, String)> {
    let metadata = workspace();
    let root = metadata.workspace_root.clone();
    let folder = |package: &cargo_metadata::Package| {
        let folder = package
            .manifest_path
            .parent()
            .expect("a manifest lies in a folder");
        folder
            .strip_prefix(&root)
            .expect("a member lies below the root")
            .to_string()
    };
    metadata
        .packages
        .iter()
        .map(|package| (package.name.to_string(), folder(package)))
        .collect()
}

/// Everything that is built into a package, all the way down, with the features that it asks for.
///
/// `cargo tree` is asked since `cargo metadata` joins the features of all members, and so shows a
/// pure package with crates that only others switch on.
pub fn closure(package: &str, edges: &str) -> Vec<String> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    command.current_dir(tree::workspace_root());
    command.args(["tree", "--package", package, "--edges", edges]);
    command.args(["--prefix", "none", "--format", "{p}"]);
    let text = process::run(&mut command).expect("cargo reads the workspace");
    text.lines()
        .filter_map(|line| line.split(' ').next())
        .map(str::to_owned)
        .collect()
}
