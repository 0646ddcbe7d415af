//! Where the driver's library lies on a host. Looks at files and loads nothing.

use std::path::{Path, PathBuf};

/// Places where NVIDIA's packages put it, on Debian and on Red Hat.
const FOLDERS: [&str; 3] = [
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
];

/// The library of the installed driver, if there is one. The linker's own path is not consulted, since an
/// environment variable could lead it elsewhere.
pub fn usual() -> Option<PathBuf> {
    FOLDERS
        .iter()
        .map(|folder| Path::new(folder).join("libnvidia-ml.so.1"))
        .find(|path| path.exists())
}
