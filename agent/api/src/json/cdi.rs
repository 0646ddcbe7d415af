//! `kerf cdi`: the CDI names that runtimes find on a host, and what is wrong with the files that give them.

use serde::Serialize;

use super::schema_tag;

schema_tag!(CdiNamesSchema, "kerf.v1.CdiNames");
schema_tag!(CdiCheckSchema, "kerf.v1.CdiCheck");

/// Names that a runtime resolves, and those that it does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CdiNames {
    /// Names this document.
    pub schema: CdiNamesSchema,
    /// Folders that were read, in rising priority.
    pub folders: Vec<String>,
    /// By their qualified names.
    pub names: Vec<CdiName>,
    /// Files that give no names because something is wrong with them.
    pub broken: Vec<CdiFile>,
}

/// One qualified name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CdiName {
    /// `vendor/class=device`.
    pub name: String,
    /// Whether a runtime resolves it.
    pub resolves: bool,
    /// The file that has it; several of one priority are a conflict, and none of them counts.
    pub files: Vec<String>,
    /// Device nodes that it brings.
    pub devices: usize,
    /// Mounts that it brings.
    pub mounts: usize,
    /// Whether a hook takes a lease for the container that has it.
    pub is_claimed: bool,
}

/// What was checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CdiCheck {
    /// Names this document.
    pub schema: CdiCheckSchema,
    /// Whether every file is good.
    pub ok: bool,
    /// Every file, in order.
    pub files: Vec<CdiFile>,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CdiFile {
    /// Its path.
    pub path: String,
    /// `cdiVersion`; null where it cannot be read.
    pub cdi_version: Option<String>,
    /// The lowest version that has what it uses; null where it cannot be read.
    pub lowest_version: Option<String>,
    /// Devices in it.
    pub devices: usize,
    /// What is wrong with it.
    pub faults: Vec<String>,
}
