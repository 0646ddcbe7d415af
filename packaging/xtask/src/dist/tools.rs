//! The programs that write packages.

use std::path::PathBuf;

use anyhow::Result;

use crate::setup::programs;

/// Name and version; a new version takes a look at what the packages hold then.
const TOOLS: [(&str, &str); 2] = [("cargo-deb", "3.8.0"), ("cargo-generate-rpm", "0.21.1")];

/// Where the installed programs are.
#[derive(Debug)]
pub struct Tools {
    folder: PathBuf,
}

impl Tools {
    /// The path of one.
    pub fn program(&self, name: &str) -> PathBuf {
        self.folder.join("bin").join(name)
    }
}

/// Builds what is missing.
pub fn install() -> Result<Tools> {
    let folder = super::folder()?.join("tools");
    programs::install(&TOOLS, &folder)?;
    Ok(Tools { folder })
}
