//! `kerf-runtime.toml`: which kerfd, which runtime, how long to wait.
//!
//! The file lies beside the executable, else in `/etc/kerf`; without one the defaults count. It names the
//! program that runs as root next, so a file that others than root may write is an error, and `$PATH` is
//! never asked: the environment may come from an image (a hook) or from an engine's user.

#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::sys;

/// Name of the file, beside the executable and in [`SYSTEM_FOLDER`].
pub const FILE_NAME: &str = "kerf-runtime.toml";
/// Where the file is looked for when there is none beside the executable.
pub const SYSTEM_FOLDER: &str = "/etc/kerf";

/// Where a runtime without a folder is looked for, in this order.
const PROGRAM_FOLDERS: [&str; 6] = [
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
];
const DEFAULT_SOCKET: &str = "/run/kerf/runtime.sock";
const DEFAULT_RUNTIME: &str = "runc";
/// A slice may have to be cut for the container, which takes a driver seconds.
const DEFAULT_TIMEOUT_MS: u64 = 10_000;
/// containerd itself gives up on a create after some minutes; a longer wait would outlive its caller.
const LONGEST_TIMEOUT_MS: u64 = 600_000;
/// Longest settings file in bytes.
const FILE_LIMIT: u64 = 64 * 1024;

/// Settings that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file exists and cannot be read.
    #[error("{} cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Others than root may write the file.
    #[error("{} belongs to user {uid} with mode {mode:o}; root alone may write it", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Owner.
        uid: u32,
        /// Permission bits.
        mode: u32,
    },
    /// The file is not a regular file, or too long.
    #[error("{} is not a regular file of at most {FILE_LIMIT} bytes", path.display())]
    NotPlain {
        /// The file.
        path: PathBuf,
    },
    /// The file is not TOML, has an unknown key or a value of a wrong type.
    #[error("{} is wrong", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Line, column and cause.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// A value is out of its range.
    #[error("{}: {key} must be {expected}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The key.
        key: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// No such program.
    #[error("the OCI runtime {} is not there or not executable", name.display())]
    NoRuntime {
        /// The program as configured.
        name: PathBuf,
    },
    /// The configured runtime is this program itself.
    #[error("the OCI runtime {} is kerf-runtime itself", name.display())]
    Circular {
        /// The program as configured.
        name: PathBuf,
    },
}

/// The settings in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// kerfd's socket.
    pub socket: PathBuf,
    /// The OCI runtime as configured: an absolute path or a name.
    pub runtime: PathBuf,
    /// Longest round trip to kerfd.
    pub timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            socket: PathBuf::from(DEFAULT_SOCKET),
            runtime: PathBuf::from(DEFAULT_RUNTIME),
            timeout: Duration::from_millis(DEFAULT_TIMEOUT_MS),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    socket: Option<PathBuf>,
    runtime: Option<PathBuf>,
    timeout_ms: Option<u64>,
}

impl Settings {
    /// The settings of the program at `exe`: the first file there is, else the defaults.
    pub fn load(exe: &Path) -> Result<Self, SettingsError> {
        let beside = exe.with_file_name(FILE_NAME);
        for path in [beside, Path::new(SYSTEM_FOLDER).join(FILE_NAME)] {
            if let Some(text) = read(&path)? {
                return Self::parse(&path, &text);
            }
        }
        Ok(Self::default())
    }

    /// Reads the text of the settings file `path`.
    pub fn parse(path: &Path, text: &str) -> Result<Self, SettingsError> {
        let document: Document = toml::from_str(text).map_err(|source| SettingsError::Parse {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        let wrong = |key, expected| SettingsError::Value {
            path: path.to_owned(),
            key,
            expected,
        };
        let mut settings = Self::default();
        if let Some(socket) = document.socket {
            if !socket.is_absolute() {
                return Err(wrong("socket", "an absolute path"));
            }
            settings.socket = socket;
        }
        if let Some(runtime) = document.runtime {
            if !runtime.is_absolute() && runtime.components().count() != 1 {
                return Err(wrong("runtime", "an absolute path or a program's name"));
            }
            settings.runtime = runtime;
        }
        if let Some(ms) = document.timeout_ms {
            if !(1..=LONGEST_TIMEOUT_MS).contains(&ms) {
                return Err(wrong("timeout_ms", "1 to 600000"));
            }
            settings.timeout = Duration::from_millis(ms);
        }
        Ok(settings)
    }

    /// The path of the runtime to exec. `exe` is this program: it must not call itself for ever.
    pub fn find_runtime(&self, exe: &Path) -> Result<PathBuf, SettingsError> {
        let name = || self.runtime.clone();
        let found = if self.runtime.is_absolute() {
            Some(name()).filter(|path| is_executable(path))
        } else {
            let mut candidates = PROGRAM_FOLDERS
                .iter()
                .map(|f| Path::new(f).join(&self.runtime));
            candidates.find(|path| is_executable(path))
        };
        let found = found.ok_or_else(|| SettingsError::NoRuntime { name: name() })?;
        match is_same_file(&found, exe) {
            true => Err(SettingsError::Circular { name: name() }),
            false => Ok(found),
        }
    }
}

/// The text of the file, or nothing where there is none.
fn read(path: &Path) -> Result<Option<String>, SettingsError> {
    let failed = |source| SettingsError::Read {
        path: path.to_owned(),
        source,
    };
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(failed)?,
    };
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() || metadata.len() > FILE_LIMIT {
        return Err(SettingsError::NotPlain {
            path: path.to_owned(),
        });
    }
    let (uid, mode) = (metadata.uid(), metadata.mode() & 0o7777);
    let owned = uid == 0 || uid == sys::effective_uid();
    if !owned || mode & 0o022 != 0 {
        return Err(SettingsError::Exposed {
            path: path.to_owned(),
            uid,
            mode,
        });
    }
    let mut text = String::new();
    let mut bounded = file.take(FILE_LIMIT);
    bounded.read_to_string(&mut text).map_err(failed)?;
    Ok(Some(text))
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|m| m.is_file() && m.mode() & 0o111 != 0)
}

fn is_same_file(a: &Path, b: &Path) -> bool {
    match (fs::metadata(a), fs::metadata(b)) {
        (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    }
}
