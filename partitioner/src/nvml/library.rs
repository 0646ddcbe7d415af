//! Loading the driver's library: only one that nobody but root can have put there.
//!
//! The worker runs as root and executes what it loads, so the path comes from the configuration, never
//! from the environment or the linker's search, and whoever can write the file is root in effect.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nvml_wrapper::Nvml;
use nvml_wrapper::error::NvmlError as WrapperError;

use super::error::{NvmlError, wrapped};

/// Permission bits of group and others that let them change a file.
const WRITABLE_BY_OTHERS: u32 = 0o022;
/// The sticky bit: in such a folder nobody can replace what belongs to another.
const STICKY: u32 = 0o1000;

/// Why a library was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// The path is a bare name or relative: it would depend on the environment.
    #[error("the driver library {path:?} is not an absolute path")]
    Relative {
        /// The path.
        path: PathBuf,
    },
    /// There is no such file.
    #[error("find the driver library {path:?}")]
    Absent {
        /// The path.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// Somebody else than root can change what root would execute.
    #[error(
        "{path:?} (owner {owner}, mode {mode:04o}) can be changed by others than root: not loaded"
    )]
    Untrusted {
        /// The file, or the folder that holds it.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// Its permission bits.
        mode: u32,
    },
    /// The file is no library that this process can load.
    #[error("load {path:?}: {text}")]
    NotLoadable {
        /// The path.
        path: PathBuf,
        /// The linker's words.
        text: String,
    },
    /// The library is there and cannot reach a driver.
    #[error("initialise the driver library {path:?}")]
    Init {
        /// The path.
        path: PathBuf,
        /// What it said.
        #[source]
        cause: NvmlError,
    },
}

/// Loads and initialises the library at `path`. As root, the file must be root's alone and so must every
/// folder above it, on the real machine and on a simulated one alike: what is loaded runs as root.
pub fn load(path: &Path) -> Result<Nvml, LibraryError> {
    if !path.is_absolute() {
        return Err(LibraryError::Relative {
            path: path.to_owned(),
        });
    }
    let real = path.canonicalize().map_err(|cause| LibraryError::Absent {
        path: path.to_owned(),
        cause,
    })?;
    if nix::unistd::geteuid().is_root() {
        trusted(&real, false)?;
        // Both ways to the file: whoever can move a link of the given path chooses what is loaded.
        for folder in real.ancestors().skip(1).chain(path.ancestors().skip(1)) {
            trusted(folder, true)?;
        }
    }
    // The path as given, not the resolved one: the simulated library finds its machine beside itself by
    // the name under which it was loaded.
    Nvml::builder()
        .lib_path(path.as_os_str())
        .init()
        .map_err(|error| match error {
            WrapperError::LibloadingError(error) => LibraryError::NotLoadable {
                path: path.to_owned(),
                text: error.to_string(),
            },
            error => LibraryError::Init {
                path: path.to_owned(),
                cause: wrapped("nvmlInit_v2", error),
            },
        })
}

fn trusted(path: &Path, is_folder: bool) -> Result<(), LibraryError> {
    let facts = path.metadata().map_err(|cause| LibraryError::Absent {
        path: path.to_owned(),
        cause,
    })?;
    let (owner, mode) = (facts.uid(), facts.mode() & 0o7777);
    let is_open = mode & WRITABLE_BY_OTHERS != 0 && !(is_folder && mode & STICKY != 0);
    if owner != 0 || is_open {
        return Err(LibraryError::Untrusted {
            path: path.to_owned(),
            owner,
            mode,
        });
    }
    Ok(())
}
