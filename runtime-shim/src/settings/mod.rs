//! `kerf-runtime.toml`: which kerfd, which runtime, how long to wait.
//!
//! The file lies beside the executable, else in `/etc/kerf`; without one the defaults count. It names the
//! program that runs as root next, so a file that others than root may write is an error, and `$PATH` is
//! never asked: the environment may come from an image (a hook) or from an engine's user.
//!
//! The runtime may also be named by a symbolic link in the file's folder, [`LINK_NAME`]: the link is the key `runtime`
//! in a form that costs nothing to read, for the verbs that are passed on ([`crate::quick`]). Where both are there they
//! must agree, or one container would be made by one runtime and deleted by another.

mod error;
mod link;
#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::sys;

pub use error::SettingsError;

/// Name of the file, beside the executable and in [`SYSTEM_FOLDER`].
pub const FILE_NAME: &str = "kerf-runtime.toml";
/// Name of the link to the runtime, in the same folder.
pub const LINK_NAME: &str = "kerf-runtime.oci";
/// Where the file is looked for when there is none beside the executable.
pub const SYSTEM_FOLDER: &str = "/etc/kerf";

/// Where a runtime without a folder is looked for, in this order.
pub const PROGRAM_FOLDERS: [&str; 6] = [
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
/// A restart of kerfd takes less, and a container that waits longer for one looks stuck.
const DEFAULT_WAIT_MS: u64 = 2_000;
/// Longest settings file in bytes.
const FILE_LIMIT: u64 = 64 * 1024;

/// The settings in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// kerfd's socket.
    pub socket: PathBuf,
    /// The OCI runtime where one is named: an absolute path or a name. Else it is runc.
    pub runtime: Option<PathBuf>,
    /// Longest round trip to kerfd.
    pub timeout: Duration,
    /// Whether every container, sandboxes exempt, must carry a lease that kerfd confirms.
    pub require_lease: bool,
    /// Whether a container that may open every device anyway gets what it asks for.
    pub allow_privileged: bool,
    /// How much of it may be spent on waiting for a kerfd that is being restarted.
    pub wait: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            socket: PathBuf::from(DEFAULT_SOCKET),
            runtime: None,
            timeout: Duration::from_millis(DEFAULT_TIMEOUT_MS),
            require_lease: false,
            allow_privileged: false,
            wait: Duration::from_millis(DEFAULT_WAIT_MS),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    socket: Option<PathBuf>,
    runtime: Option<PathBuf>,
    timeout_ms: Option<u64>,
    #[serde(default)]
    require_lease: bool,
    #[serde(default)]
    allow_privileged: bool,
    wait_ms: Option<u64>,
}

impl Settings {
    /// The settings of the program at `exe`: of the first folder that has the file or the link, else the defaults.
    pub fn load(exe: &Path) -> Result<Self, SettingsError> {
        let beside = exe.parent().unwrap_or(Path::new("/"));
        for folder in [beside, Path::new(SYSTEM_FOLDER)] {
            let path = folder.join(FILE_NAME);
            let (link, text) = (link::read(&folder.join(LINK_NAME))?, read(&path)?);
            if link.is_none() && text.is_none() {
                continue;
            }
            let text = text.unwrap_or_default();
            let mut settings = Self::parse(&path, &text)?;
            if let Some(target) = link {
                settings.take_link(folder, target)?;
            }
            return Ok(settings);
        }
        Ok(Self::default())
    }

    /// Has the link to `target` in `folder` name the runtime, which the file must not contradict.
    fn take_link(&mut self, folder: &Path, target: PathBuf) -> Result<(), SettingsError> {
        let named = self.runtime.take();
        let is_same = |name: &Path| find(name).is_some_and(|found| is_same_file(&found, &target));
        if let Some(runtime) = named.filter(|name| !is_same(name)) {
            let path = folder.join(LINK_NAME);
            return Err(SettingsError::TwoRuntimes {
                path,
                target,
                runtime,
            });
        }
        self.runtime = Some(target);
        Ok(())
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
        let mut settings = Self {
            require_lease: document.require_lease,
            allow_privileged: document.allow_privileged,
            ..Self::default()
        };
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
            settings.runtime = Some(runtime);
        }
        if let Some(ms) = document.timeout_ms {
            if !(1..=LONGEST_TIMEOUT_MS).contains(&ms) {
                return Err(wrong("timeout_ms", "1 to 600000"));
            }
            settings.timeout = Duration::from_millis(ms);
        }
        if let Some(ms) = document.wait_ms {
            if ms > LONGEST_TIMEOUT_MS {
                return Err(wrong("wait_ms", "0 to 600000"));
            }
            settings.wait = Duration::from_millis(ms);
        }
        Ok(settings)
    }

    /// The path of the runtime to exec. `exe` is this program: it must not call itself for ever.
    pub fn find_runtime(&self, exe: &Path) -> Result<PathBuf, SettingsError> {
        let name = || {
            self.runtime
                .clone()
                .unwrap_or_else(|| DEFAULT_RUNTIME.into())
        };
        let found = find(&name());
        let found = found.ok_or_else(|| SettingsError::NoRuntime { name: name() })?;
        match is_same_file(&found, exe) {
            true => Err(SettingsError::Circular { name: name() }),
            false => Ok(found),
        }
    }
}

/// The program of this path or name.
fn find(name: &Path) -> Option<PathBuf> {
    if name.is_absolute() {
        return Some(name.to_owned()).filter(|path| is_executable(path));
    }
    let mut candidates = PROGRAM_FOLDERS.iter().map(|f| Path::new(f).join(name));
    candidates.find(|path| is_executable(path))
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
