//! What stands between an engine's `create` and the runtime's: the ask, the round trip, the edit.
//!
//! [`prepare`] returns when the runtime may be started: at once for a container that asks for nothing, after
//! the edit for one that was granted what it asked for, and never otherwise.

mod error;

use std::borrow::Cow;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::argv::{Action, Invocation, Target};
use crate::bundle::Bundle;
use crate::cgroups;
use crate::client;
use crate::features;
use crate::fence;
use crate::frame::{DeviceNode, Grant, LaunchKind, LaunchRequest, REQUEST_SCHEMA};
use crate::report;
use crate::settings::Settings;
use crate::spec::{Ask, Config};
use crate::sys;
use crate::vet;

pub use error::LaunchError;

/// What stands fixed before the command line is looked at.
#[derive(Debug)]
pub struct Setting<'a> {
    /// The settings.
    pub settings: &'a Settings,
    /// The runtime that will be started.
    pub runtime: &'a Path,
}

/// Makes the bundle ready for the runtime, and gives the arguments to start it with: `args`, which
/// `invocation` was read from, and a `--pid-file` where a container with an ask has none.
pub fn prepare<'a>(
    args: &'a [OsString],
    invocation: &Invocation,
    Setting { settings, runtime }: &Setting<'_>,
) -> Result<Cow<'a, [OsString]>, LaunchError> {
    let (target, is_restore) = match &invocation.action {
        Action::PassOn => return Ok(Cow::Borrowed(args)),
        Action::Create(target) => (target, false),
        Action::Restore(target) => (target, true),
    };
    let bundle = Bundle::open(&target.bundle)?;
    let file = bundle.read()?;
    let spec_error = |source| LaunchError::Spec {
        bundle: bundle.path().to_owned(),
        source,
    };
    let mut config = Config::parse(&file.text).map_err(spec_error)?;
    let ask = config.ask().map_err(spec_error)?;
    if settings.require_lease && !matches!(ask, Some(Ask::Lease(_))) {
        if !config.is_sandbox().map_err(spec_error)? {
            return Err(LaunchError::NoLease);
        }
        bundle.refuse_exposed(&file)?;
    }
    let Some(ask) = ask else {
        return Ok(Cow::Borrowed(args));
    };
    if is_restore {
        return Err(LaunchError::Restore);
    }
    // All that can be refused without kerfd is refused before it cuts a slice.
    bundle.refuse_exposed(&file)?;
    config
        .admit(settings.allow_privileged)
        .map_err(spec_error)?;
    if sys::is_in_user_namespace() {
        config.lacks_device_cgroup();
    }
    let (pid_file, args) = pid_file(args, target, &bundle)?;
    let request = LaunchRequest {
        pid_file: Some(pid_file),
        sandbox: config.sandbox().map_err(spec_error)?,
        isolated: config.is_isolated(),
        ..request(invocation, target, &bundle, ask)
    };
    let mut grant = obtain(settings, &request)?;
    if let Some(policy) = &grant.memory_policy {
        let known = features::of(runtime, run_dir(settings));
        if !known.has_memory_policy(&policy.mode) {
            grant.memory_policy = None;
        }
    }
    let text = config.apply(&grant).map_err(spec_error)?;
    bundle.replace(&file, &text)?;
    if !request.isolated {
        report::warning(NOT_ISOLATED, &invocation.log);
    }
    Ok(args)
}

/// What the engine's log says of a container that was let through.
const NOT_ISOLATED: &str =
    "the container is not isolated: it can open more devices than it was granted";

/// kerfd's run folder.
fn run_dir(settings: &Settings) -> &Path {
    settings.socket.parent().unwrap_or(&settings.socket)
}

/// The file that kerfd finds the init process by, and the arguments that make the runtime write it. A
/// relative one is relative to our working directory, which is not kerfd's.
fn pid_file<'a>(
    args: &'a [OsString],
    target: &Target,
    bundle: &Bundle,
) -> Result<(PathBuf, Cow<'a, [OsString]>), LaunchError> {
    let Some(given) = &target.pid_file else {
        let added = bundle.fresh_pid_file()?;
        let args = target.with_pid_file(args, &added);
        return Ok((added, Cow::Owned(args)));
    };
    let absolute = std::path::absolute(given).map_err(|source| LaunchError::PidFile {
        path: given.clone(),
        source,
    })?;
    Ok((absolute, Cow::Borrowed(args)))
}

/// Asks kerfd and takes a second look at what it gives.
pub(crate) fn obtain(settings: &Settings, request: &LaunchRequest) -> Result<Grant, LaunchError> {
    let patience = client::Patience {
        limit: settings.timeout,
        restart: settings.wait,
    };
    let reply = client::ask(&settings.socket, patience, request)?;
    let grant = vet::grant(reply, request)?;
    let grant = cgroups::pinnable(grant, Path::new(cgroups::MOUNT));
    grant.devices.iter().try_for_each(check_node)?;
    fence::pass(run_dir(settings), &grant)?;
    Ok(grant)
}

fn request(invocation: &Invocation, target: &Target, bundle: &Bundle, ask: Ask) -> LaunchRequest {
    let (ask, lease) = match ask {
        Ask::Accelerator(ask) => (Some(ask), None),
        Ask::Lease(lease) => (None, Some(lease)),
    };
    LaunchRequest {
        schema: REQUEST_SCHEMA.to_owned(),
        kind: LaunchKind::Create,
        container_id: target.id.clone(),
        namespace: invocation.namespace.clone(),
        bundle: bundle.path().to_owned(),
        pid_file: None,
        ask,
        lease,
        claim: None,
        init_pid: None,
        sandbox: None,
        isolated: true,
    }
}

/// The node on the host must be the device that the grant names. Capability minors move when slices are
/// made and destroyed: a number that is one change old would open the neighbour's slice.
fn check_node(device: &DeviceNode) -> Result<(), LaunchError> {
    let failed = |source| LaunchError::Node {
        path: device.host_path.clone(),
        source,
    };
    let metadata = fs::symlink_metadata(&device.host_path).map_err(failed)?;
    let number = metadata.rdev();
    let found = (libc::major(number), libc::minor(number));
    let is_char = metadata.file_type().is_char_device();
    if is_char && found == (device.major, device.minor) {
        return Ok(());
    }
    Err(LaunchError::WrongNode {
        path: device.host_path.clone(),
        major: device.major,
        minor: device.minor,
    })
}
