//! MIG on and off.
//!
//! ```text
//! Hopper and later: set -> on or off at once; IN_USE while a process runs
//! Ampere:           set -> the driver resets the GPU, or leaves the change pending until somebody does
//! ```
//! The driver takes every instance with it when MIG goes off, so instances are "in use" here. A change
//! that needs a reset is made only when the step allows one; a change that then stays pending, because
//! the GPU is in use or passed through, is reported as such and kept.

use kerf_types::MigMode;
use kerf_types::inventory::Architecture;
use nvml_wrapper::Device;

use super::{Scene, StepError, pids};
use crate::nvml::error::{NvmlError, ReturnCode, called};
use crate::nvml::instances::existing;
use crate::nvml::{ffi, identity, observe, processes};

/// Brings the GPU into the wanted mode.
pub fn set(scene: &Scene<'_>, enabled: bool, allow_reset: bool) -> Result<(), StepError> {
    let device = scene.device()?;
    let mode = scene.try_driver(observe::mig_mode(&device))?;
    let (wanted, other_pending) = if enabled {
        (MigMode::Enabled, MigMode::DisablePending)
    } else {
        (MigMode::Disabled, MigMode::EnablePending)
    };
    match mode {
        MigMode::Unsupported => {
            return Err(StepError::NoMig {
                step: scene.step.to_string(),
            });
        }
        mode if mode == wanted => return Ok(()),
        // The GPU is in the wanted mode and would leave it: setting it again takes that back, and
        // changes nothing now.
        mode if mode == other_pending => {}
        _ => {
            nothing_in_the_way(scene, &device, enabled)?;
            may_reset(scene, &device, allow_reset)?;
        }
    }
    let outcome = scene.try_driver(request(&device, enabled))?;
    // The driver may have renewed the device: the old handle is not used again.
    let device = scene.device()?;
    match scene.try_driver(observe::mig_mode(&device))? {
        mode if mode == wanted => Ok(()),
        mode => pending(scene, &device, (mode, outcome), (enabled, allow_reset)),
    }
}

/// Asks for a mode and returns what the driver says of its activation.
fn request(device: &Device<'_>, enabled: bool) -> Result<ReturnCode, NvmlError> {
    called("nvmlDeviceSetMigMode", device.set_mig_mode(enabled)).map(ReturnCode)
}

fn nothing_in_the_way(
    scene: &Scene<'_>,
    device: &Device<'_>,
    enabled: bool,
) -> Result<(), StepError> {
    let processes = scene.try_driver(processes::processes(device))?;
    if !processes.is_empty() {
        return Err(scene.in_use(pids(&processes)));
    }
    if enabled {
        return Ok(());
    }
    let profiles = scene.try_driver(ffi::instance_profiles(device))?;
    match scene.try_driver(existing(device, &profiles))?.len() {
        0 => Ok(()),
        count => Err(scene.in_use(format!("{count} GPU instances"))),
    }
}

/// An Ampere GPU changes its mode by a reset, which the driver does on the spot where it can: so the
/// question is settled before it is asked.
fn may_reset(scene: &Scene<'_>, device: &Device<'_>, allow_reset: bool) -> Result<(), StepError> {
    let architecture = scene.try_driver(identity::architecture(device))?;
    if architecture == Architecture::Ampere && !allow_reset {
        let why = "a GPU of this generation changes its MIG mode by a reset, which was not allowed";
        return Err(StepError::ResetRequired {
            step: scene.step.to_string(),
            why: why.to_owned(),
        });
    }
    Ok(())
}

/// The mode did not change at once.
fn pending(
    scene: &Scene<'_>,
    device: &Device<'_>,
    (mode, outcome): (MigMode, ReturnCode),
    (enabled, allow_reset): (bool, bool),
) -> Result<(), StepError> {
    let is_pending = matches!(mode, MigMode::EnablePending | MigMode::DisablePending);
    if !is_pending {
        return Err(scene.not_done(&format!("the mode is {mode:?}: {outcome}")));
    }
    if !allow_reset {
        // Left pending, the next reset or reboot would change the mode when nobody expects it.
        scene.try_driver(request(device, !enabled))?;
    }
    if outcome == ReturnCode::IN_USE {
        let kept = if allow_reset {
            "the change is pending"
        } else {
            "the change was taken back"
        };
        return Err(scene.in_use(format!("a client of the driver; {kept}")));
    }
    let why = if allow_reset {
        "the change is pending until the GPU is reset (nvidia-smi --gpu-reset) or the host restarts"
    } else {
        "the driver asks for a reset, which was not allowed; the change was taken back"
    };
    Err(StepError::ResetRequired {
        step: scene.step.to_string(),
        why: why.to_owned(),
    })
}
