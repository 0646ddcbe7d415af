//! `kerf-runtime claim --socket PATH DEVICE`: the createRuntime hook of a standing CDI name.
//!
//! Any engine that knows CDI, plain runc included, puts a standing device into a spec without asking
//! anybody. This hook asks: kerfd gives the lease to this container, or the hook fails and with it the
//! create. The engine has written the device numbers of the name into the spec, maybe long ago: the hook
//! reads them back and compares them with what is granted now. It edits nothing, reads nothing of its
//! environment, and takes the container's state from stdin, as the OCI runtime spec says.

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::bundle::Bundle;
use crate::frame::{LaunchKind, LaunchRequest, REQUEST_SCHEMA};
use crate::json;
use crate::launch::{self, LaunchError};
use crate::settings::Settings;
use crate::spec::Config;
use crate::sys;

/// Longest state in bytes. It carries the container's annotations, so it is not tiny; the hook's stdin is
/// the runtime's, which has read the same annotations from config.json.
const STATE_LIMIT: u64 = 16 * 1024 * 1024;
/// Longest device name in bytes; CDI names end long before.
const DEVICE_LIMIT: usize = 256;
/// The folder in containerd's state under which bundles are `<namespace>/<id>`.
const CONTAINERD_TASKS: &str = "io.containerd.runtime.v2.task";

/// A hook that was called in a wrong way.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// The arguments are not the hook's.
    #[error("the arguments of the hook are wrong")]
    Usage,
    /// The device is not one that can be claimed.
    #[error("{device:?} is not slice=NAME, gpu=NAME, device=NAME or lease=ID")]
    Device {
        /// The device as given.
        device: String,
    },
    /// Stdin cannot be read.
    #[error("the container's state cannot be read from stdin")]
    Read(#[source] io::Error),
    /// Stdin is too long.
    #[error("the container's state is longer than {STATE_LIMIT} bytes")]
    TooLong,
    /// Stdin is not an OCI state.
    #[error("stdin does not hold an OCI container state")]
    State(#[source] serde_json::Error),
    /// The state has no process.
    #[error("the container's state has no pid of an init process")]
    NoPid,
}

impl ClaimError {
    pub(crate) fn hint(&self) -> Option<&'static str> {
        match self {
            ClaimError::Usage => Some("kerf-runtime claim [--socket PATH] DEVICE"),
            ClaimError::NoPid => Some("run it as a createRuntime hook"),
            _ => None,
        }
    }
}

/// The hook's arguments.
#[derive(Debug, PartialEq, Eq)]
pub struct Arguments {
    /// kerfd's socket, where it is not the one of the settings.
    pub socket: Option<PathBuf>,
    /// What is claimed.
    pub device: String,
}

/// The part of an OCI state that counts.
#[derive(Deserialize)]
struct State {
    id: String,
    pid: Option<i32>,
    bundle: PathBuf,
}

/// Claims the device that `args` (what follows `claim`) name for the container whose state is in `stdin`.
pub fn run(args: &[OsString], settings: Settings, stdin: impl Read) -> Result<(), LaunchError> {
    let arguments = parse(args)?;
    let mut request = request(&arguments.device, &read(stdin)?)?;
    let settings = Settings {
        socket: arguments.socket.unwrap_or(settings.socket),
        ..settings
    };
    let bundle = Bundle::open(&request.bundle)?;
    let file = bundle.read()?;
    bundle.refuse_exposed(&file)?;
    let spec_error = |source| LaunchError::Spec {
        bundle: bundle.path().to_owned(),
        source,
    };
    let mut config = Config::parse(&file.text).map_err(spec_error)?;
    config
        .admit(settings.allow_privileged)
        .map_err(spec_error)?;
    request.isolated = config.is_isolated() && !sys::is_in_user_namespace();
    let grant = launch::obtain(&settings, &request)?;
    config.verify(&arguments.device, &grant).map_err(spec_error)
}

/// Reads the hook's arguments.
pub fn parse(args: &[OsString]) -> Result<Arguments, ClaimError> {
    let (socket, device) = match args {
        [flag, socket, device] if flag == "--socket" => (Some(PathBuf::from(socket)), device),
        [device] => (None, device),
        _ => return Err(ClaimError::Usage),
    };
    let device = device.to_string_lossy().into_owned();
    let name = ["slice=", "gpu=", "device=", "lease="]
        .iter()
        .find_map(|class| device.strip_prefix(class));
    // The characters of a CDI device name, which is where the argument comes from.
    let is_good = |c: char| c.is_ascii_alphanumeric() || "_-.:".contains(c);
    match name {
        Some(name)
            if !name.is_empty() && name.chars().all(is_good) && name.len() < DEVICE_LIMIT =>
        {
            Ok(Arguments { socket, device })
        }
        _ => Err(ClaimError::Device {
            device: device.chars().take(DEVICE_LIMIT).collect(),
        }),
    }
}

fn read(stdin: impl Read) -> Result<State, ClaimError> {
    let mut text = String::new();
    let mut bounded = stdin.take(STATE_LIMIT + 1);
    bounded
        .read_to_string(&mut text)
        .map_err(ClaimError::Read)?;
    if u64::try_from(text.len()).is_ok_and(|length| length > STATE_LIMIT) {
        return Err(ClaimError::TooLong);
    }
    json::check(&text).map_err(ClaimError::State)?;
    serde_json::from_str(&text).map_err(ClaimError::State)
}

fn request(device: &str, state: &State) -> Result<LaunchRequest, ClaimError> {
    let init_pid = state.pid.filter(|pid| *pid > 0).ok_or(ClaimError::NoPid)?;
    Ok(LaunchRequest {
        schema: REQUEST_SCHEMA.to_owned(),
        kind: LaunchKind::Claim,
        container_id: state.id.clone(),
        namespace: namespace(&state.bundle),
        bundle: state.bundle.clone(),
        pid_file: None,
        ask: None,
        lease: None,
        claim: Some(device.to_owned()),
        init_pid: Some(init_pid),
        sandbox: None,
        isolated: true,
    })
}

/// The containerd namespace, which a hook can only tell from the place of the bundle; else empty.
fn namespace(bundle: &Path) -> String {
    let parent = bundle.parent();
    let is_containerd = parent
        .and_then(Path::parent)
        .is_some_and(|tasks| tasks.ends_with(CONTAINERD_TASKS));
    let name = parent.filter(|_| is_containerd).and_then(Path::file_name);
    name.map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}
