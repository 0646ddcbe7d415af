//! Which files of NVIDIA's driver containers get. Owns their search and their short names; never opens one.

use std::path::{Path, PathBuf};

use super::Host;

impl Host {
    /// Files that the driver offers to containers: its libraries carry its version in their names.
    pub(super) fn find_libraries(&mut self) {
        let Some(driver) = &self.inventory.driver else {
            return;
        };
        let ending = format!(".so.{}", driver.version);
        let mut found = Vec::new();
        for folder in [
            "usr/lib/x86_64-linux-gnu",
            "usr/lib/aarch64-linux-gnu",
            "usr/lib64",
        ] {
            let folder = self.config.paths.sysroot.join(folder);
            let Ok(entries) = std::fs::read_dir(folder) else {
                continue;
            };
            let files = entries.flatten().map(|entry| entry.path());
            found.extend(files.filter(|path| is_driver_library(path, &ending)));
        }
        found.sort();
        self.libraries = found;
    }
}

fn is_driver_library(path: &Path, ending: &str) -> bool {
    path.file_name()
        .and_then(|name| name.to_str())
        .is_some_and(|name| name.starts_with("lib") && name.ends_with(ending))
}

/// The name under which programs look for a driver library: `libcuda.so.1` for `libcuda.so.590.48.01`.
pub(super) fn soname(library: &Path) -> Option<PathBuf> {
    let name = library.file_name()?.to_str()?;
    let (stem, _) = name.split_once(".so.")?;
    Some(PathBuf::from(format!("{stem}.so.1")))
}
