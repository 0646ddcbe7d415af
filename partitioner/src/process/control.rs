//! Files of a cgroup that hold rules: read whole, and written a rule at a time. What went wrong is told with the file and
//! the rule, the same whether a container or a bare process is in there.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// A file of a cgroup cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{} takes no {rule:?}", file.display())]
pub struct RuleError {
    /// The file.
    pub file: PathBuf,
    /// The rule; empty where it was to be read.
    pub rule: String,
    /// Why.
    #[source]
    pub source: io::Error,
}

impl RuleError {
    /// Whether the kernel forbids the rule: the cgroup above does not have the device.
    pub(super) fn is_forbidden(&self) -> bool {
        self.source.kind() == io::ErrorKind::PermissionDenied
    }
}

/// The text of a file.
pub(super) fn read(file: &Path) -> Result<String, RuleError> {
    fs::read_to_string(file).map_err(|source| RuleError {
        file: file.to_owned(),
        rule: String::new(),
        source,
    })
}

/// Writes a rule into a file of a cgroup's folder.
pub(super) fn write(folder: &Path, name: &str, rule: &str) -> Result<(), RuleError> {
    let file = folder.join(name);
    fs::write(&file, rule).map_err(|source| RuleError {
        file,
        rule: rule.to_owned(),
        source,
    })
}
