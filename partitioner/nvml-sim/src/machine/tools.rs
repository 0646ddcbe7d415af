//! The vendor's tools in a machine's tree: one program under all of their names. Owns the names.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::CreateError;
use super::tree::{Tree, failed};
use crate::model::tool::Tool;

/// Name of the program, as it is built, installed and kept in a machine's folder.
pub const TOOLS: &str = "kerf-sim-tools";
/// Where a driver installs its tools, relative to the root.
const FOLDER: &str = "usr/bin";
/// The server that the MPS control daemon starts is a program beside it.
const MPS_SERVER: &str = "nvidia-cuda-mps-server";
/// As packages install programs.
const MODE: u32 = 0o755;

/// Copies the program that lies beside `library` into the machine's folder and offers it in the tree under the
/// names of the vendor's tools. Where there is none the machine has no tools, as a host without the vendor's
/// packages for them; one that runs is replaced, not written over.
pub fn install(folder: &Path, library: &Path) -> Result<(), CreateError> {
    let Some(source) = beside(library) else {
        return Ok(());
    };
    let (target, next) = (folder.join(TOOLS), folder.join(format!("{TOOLS}.next")));
    fs::copy(&source, &next).map_err(|error| failed("copy", &source, error))?;
    fs::set_permissions(&next, fs::Permissions::from_mode(MODE))
        .map_err(|error| failed("set the mode of", &next, error))?;
    fs::rename(&next, &target).map_err(|error| failed("replace", &target, error))?;
    let root = Tree::new(folder.join("root"));
    root.folder(FOLDER)?;
    let names = [Tool::MpsControl, Tool::Smi].map(Tool::program);
    for name in names.into_iter().chain([MPS_SERVER]) {
        let inside = root.path(format!("{FOLDER}/{name}"));
        match fs::remove_file(&inside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed("replace", &inside, error));
            }
            _ => {}
        }
        // A hard link, as for the library: nothing in the tree leads out of it.
        fs::hard_link(&target, &inside).map_err(|error| failed("link", &inside, error))?;
    }
    Ok(())
}

/// The program beside the library, or above it: cargo leaves libraries that others are built from in `deps`.
fn beside(library: &Path) -> Option<PathBuf> {
    let folders = library.ancestors().skip(1).take(2);
    let mut places = folders.map(|folder| folder.join(TOOLS));
    places.find(|path| path.is_file())
}
