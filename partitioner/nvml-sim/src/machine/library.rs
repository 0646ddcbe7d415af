//! The library file itself: finding the built one and putting it into a machine's folder. Owns
//! the names under which NVML clients look for it.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::CreateError;
use super::tree::{Tree, failed};
use crate::DRIVER_VERSION;

/// Name that NVML clients load.
pub const LIBRARY: &str = "libnvidia-ml.so.1";
/// Name that programs are linked against, which leads to the other one.
pub const LINK: &str = "libnvidia-ml.so";
/// Name that cargo gives the cdylib.
const BUILT: &str = "libnvidia_ml.so";
/// Where the package `kerf-sim` installs it.
pub const INSTALLED: &str = "/usr/lib/kerf/sim/libnvidia-ml.so.1";
/// As packages install libraries: every client may load it and only its owner replaces it.
const LIBRARY_MODE: u32 = 0o755;
/// Where a driver installs it, relative to the root.
const LIBRARY_FOLDER: &str = "usr/lib/x86_64-linux-gnu";

/// The built or installed simulator library: beside the current executable as cargo leaves it
/// (its `deps` first, for that one is never older), in the folder above, else where the package
/// puts it.
///
/// # Errors
/// `NoLibrary` with the places that were searched.
pub fn find_library() -> Result<PathBuf, CreateError> {
    let executable = env::current_exe()
        .ok()
        .and_then(|path| path.canonicalize().ok());
    let mut places = Vec::new();
    for folder in executable
        .iter()
        .flat_map(|path| path.ancestors().skip(1).take(2))
    {
        places.push(folder.join("deps").join(BUILT));
        places.push(folder.join(BUILT));
    }
    places.push(PathBuf::from(INSTALLED));
    match places.iter().find(|path| path.is_file()) {
        Some(path) => Ok(path.clone()),
        None => Err(CreateError::NoLibrary { searched: places }),
    }
}

/// Copies `library` into the machine's folder and offers it in the tree under the driver's names.
/// A library that is there and may be mapped by a process is replaced, not written over.
pub fn install(folder: &Path, library: &Path) -> Result<(), CreateError> {
    let target = folder.join(LIBRARY);
    let next = folder.join(format!("{LIBRARY}.next"));
    fs::copy(library, &next).map_err(|error| failed("copy", library, error))?;
    // The copy has the mode of what was copied, which may be readable by its builder alone.
    fs::set_permissions(&next, fs::Permissions::from_mode(LIBRARY_MODE))
        .map_err(|error| failed("set the mode of", &next, error))?;
    fs::rename(&next, &target).map_err(|error| failed("replace", &target, error))?;
    let machine = Tree::new(folder.to_owned());
    let root = Tree::new(folder.join("root"));
    let versioned = format!("{LIBRARY_FOLDER}/libnvidia-ml.so.{DRIVER_VERSION}");
    root.folder(LIBRARY_FOLDER)?;
    let inside = root.path(&versioned);
    for stale in [
        machine.path(LINK),
        root.path(format!("{LIBRARY_FOLDER}/{LIBRARY}")),
        inside.clone(),
    ] {
        match fs::remove_file(&stale) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(failed("replace", &stale, error));
            }
            _ => {}
        }
    }
    machine.link(LINK, LIBRARY)?;
    // A hard link and not a symbolic one: whoever resolves paths inside the tree must not leave it.
    fs::hard_link(&target, &inside).map_err(|error| failed("link", &inside, error))?;
    root.link(format!("{LIBRARY_FOLDER}/{LIBRARY}"), &versioned)
}
