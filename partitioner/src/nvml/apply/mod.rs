//! One step of a plan, carried out on one GPU.
//!
//! Every step compares what it names with what is there before it calls the driver, so that a step that
//! was carried out already is done, and one that was planned for another state is refused. What is there is asked
//! of the driver each time, before and after; only what no step can change comes from the last look
//! ([`super::known`]). Owns that comparison; never retries and never undoes, except a mode change that would stay pending.

mod create;
mod destroy;
mod mode;

use std::fmt;

use kerf_types::inventory::{Gpu, GpuProcess};
use kerf_types::{MigMode, PciAddress, Placement, ProfileId, Step};
use nvml_wrapper::Device;

use super::error::NvmlError;
use super::ffi::InstanceInfo;
use super::known::Known;
use super::observe::{self, GpuAccess, Site};

/// Why a step was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The driver refused.
    #[error("{step}")]
    Driver {
        /// What was asked.
        step: String,
        /// Its refusal.
        #[source]
        cause: NvmlError,
    },
    /// What the step names is not what is there: it was planned for another state.
    #[error("{step}: {found}")]
    Conflict {
        /// What was asked.
        step: String,
        /// What is there.
        found: String,
    },
    /// Processes or child instances are in the way.
    #[error("{step}: in use by {by}")]
    InUse {
        /// What was asked.
        step: String,
        /// Who uses it.
        by: String,
    },
    /// Another instance lies there, or no instance of the profile is left.
    #[error("{step}: {taken}")]
    NoRoom {
        /// What was asked.
        step: String,
        /// What takes the place.
        taken: String,
    },
    /// The change needs a reset of the GPU.
    #[error("{step}: {why}")]
    ResetRequired {
        /// What was asked.
        step: String,
        /// Why, and what has become of the change.
        why: String,
    },
    /// The GPU has no such profile, or the profile no such place.
    #[error("{step}: {why}")]
    Invalid {
        /// What was asked.
        step: String,
        /// What is wrong with it.
        why: String,
    },
    /// The GPU has no MIG.
    #[error("{step}: the GPU has no MIG")]
    NoMig {
        /// What was asked.
        step: String,
    },
    /// The driver said yes and the hardware shows otherwise.
    #[error("{step}: {word}, but {found}")]
    NotDone {
        /// What was asked.
        step: String,
        /// What the driver said.
        word: Word,
        /// What was read back.
        found: String,
    },
}

/// By whose word a step is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// The driver was asked, and did not refuse.
    Accepted,
    /// This call finds nothing that would have to go.
    NoneFound(&'static str),
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted => f.write_str("the driver accepted it"),
            Self::NoneFound(call) => write!(f, "{call} finds none of this id"),
        }
    }
}

/// Carries out a step and returns the GPU as it is then. After a failure nothing is taken for known.
pub fn apply(site: Site<'_>, step: &Step) -> Result<Gpu, StepError> {
    let outcome = carry_out(site, step);
    if outcome.is_err() {
        site.known.forget(step.gpu());
    }
    outcome
}

fn carry_out(site: Site<'_>, step: &Step) -> Result<Gpu, StepError> {
    let scene = Scene { site, step };
    if let Step::SetMigMode {
        enabled,
        allow_reset,
        ..
    } = step
    {
        site.known.forget(scene.pci());
        mode::set(&scene, *enabled, *allow_reset)?;
        return scene.observe();
    }
    let Some((device, mut known)) = scene.with_mig()? else {
        // No instance exists: none can be made, and whatever was to go is gone.
        return match step {
            Step::DestroyComputeInstance { .. } | Step::DestroyGpuInstance { .. } => {
                scene.observe()
            }
            _ => Err(scene.conflict("MIG is off".to_owned())),
        };
    };
    let mut word = Word::Accepted;
    match step {
        Step::CreateGpuInstance {
            profile, placement, ..
        } => create::gpu_instance(&scene, (&device, &known), *profile, *placement)?,
        Step::CreateComputeInstance {
            placement,
            profile,
            compute,
            ..
        } => {
            create::compute_instance(
                &scene,
                (&device, &mut known),
                *placement,
                *profile,
                *compute,
            )?;
        }
        Step::DestroyComputeInstance { gi, ci, uuid, .. } => {
            word = destroy::compute_instance(&scene, &device, (*gi, *ci), uuid)?;
        }
        Step::DestroyGpuInstance {
            gi,
            profile,
            placement,
            ..
        } => destroy::gpu_instance(&scene, (&device, &mut known), *gi, *profile, *placement)?,
        Step::SetMigMode { .. }
        | Step::SetAmdCompute { .. }
        | Step::SetAmdMemory { .. }
        | Step::SetSriov { .. }
        | Step::CreateVgpu { .. }
        | Step::DestroyVgpu { .. } => {
            return Err(scene.conflict("it is no step of an instance".to_owned()));
        }
    }
    scene.try_driver(observe::read_back(site, &device, &mut known))?;
    agreed(&scene, &known.gpu, word)?;
    let gpu = known.gpu.clone();
    site.known.put(known);
    Ok(gpu)
}

/// Where a step plays: the driver, and the step itself, which every error names.
struct Scene<'a> {
    site: Site<'a>,
    step: &'a Step,
}

impl<'a> Scene<'a> {
    /// The GPU's handle. Asked for again after every change, since a mode change may renew the device.
    fn device(&self) -> Result<Device<'a>, StepError> {
        GpuAccess::Pci(self.pci())
            .device(self.site.nvml)
            .map_err(|cause| self.driver(cause))
    }

    fn pci(&self) -> PciAddress {
        self.step.gpu()
    }

    /// The GPU as it is now.
    fn observe(&self) -> Result<Gpu, StepError> {
        self.try_driver(observe::observe(self.site, GpuAccess::Pci(self.pci())))
    }

    /// The handle of the GPU and what stays the same of it; `None` while MIG is off: then no instance exists.
    fn with_mig(&self) -> Result<Option<(Device<'a>, Known)>, StepError> {
        let device = self.device()?;
        match self.try_driver(observe::mig_mode(&device))? {
            mode if mode.is_on() => {
                let name = (GpuAccess::Pci(self.pci()), self.pci());
                let known = self.try_driver(observe::known(self.site, name, &device, mode))?;
                Ok(Some((device, known)))
            }
            MigMode::Unsupported => Err(StepError::NoMig {
                step: self.step.to_string(),
            }),
            _ => Ok(None),
        }
    }

    fn try_driver<T>(&self, result: Result<T, NvmlError>) -> Result<T, StepError> {
        result.map_err(|cause| self.driver(cause))
    }

    fn driver(&self, cause: NvmlError) -> StepError {
        StepError::Driver {
            step: self.step.to_string(),
            cause,
        }
    }

    fn conflict(&self, found: String) -> StepError {
        StepError::Conflict {
            step: self.step.to_string(),
            found,
        }
    }

    fn in_use(&self, by: String) -> StepError {
        StepError::InUse {
            step: self.step.to_string(),
            by,
        }
    }

    fn invalid(&self, why: String) -> StepError {
        StepError::Invalid {
            step: self.step.to_string(),
            why,
        }
    }

    fn no_room(&self, taken: String) -> StepError {
        StepError::NoRoom {
            step: self.step.to_string(),
            taken,
        }
    }

    fn not_done(&self, found: &str) -> StepError {
        self.contradicted(Word::Accepted, found)
    }

    fn contradicted(&self, word: Word, found: &str) -> StepError {
        StepError::NotDone {
            step: self.step.to_string(),
            word,
            found: found.to_owned(),
        }
    }
}

/// Whether the step shows in what was read back.
fn agreed(scene: &Scene<'_>, gpu: &Gpu, word: Word) -> Result<(), StepError> {
    let mut there = gpu.instances.iter();
    let (is_done, found) = match scene.step {
        Step::CreateGpuInstance {
            profile, placement, ..
        } => (
            there.any(|one| one.profile == *profile && one.placement == *placement),
            "no such instance lies there",
        ),
        Step::CreateComputeInstance {
            placement, compute, ..
        } => (
            there.any(|one| {
                let mut parts = one.compute.iter();
                let is_it = |place| Some(place) == *compute;
                one.placement == *placement && parts.any(|part| part.placement.is_none_or(is_it))
            }),
            "no such compute instance lies there",
        ),
        Step::DestroyComputeInstance { uuid, .. } => (
            there.all(|one| one.compute.iter().all(|part| part.uuid != *uuid)),
            "it is still there",
        ),
        Step::DestroyGpuInstance { gi, placement, .. } => (
            there.all(|one| one.id != *gi || one.placement != *placement),
            "it is still there",
        ),
        _ => (true, ""),
    };
    match is_done {
        true => Ok(()),
        false => Err(scene.contradicted(word, found)),
    }
}

/// Processes in words: `processes 17 and 23`.
fn pids(processes: &[GpuProcess]) -> String {
    let pids: Vec<String> = processes
        .iter()
        .map(|process| process.pid.to_string())
        .collect();
    match pids.as_slice() {
        [one] => format!("process {one}"),
        [first @ .., last] => format!("processes {} and {last}", first.join(", ")),
        [] => "a process that the driver does not name".to_owned(),
    }
}

/// An instance in words: `GPU instance 9 (profile 19 at 2:1)`.
fn described(info: &InstanceInfo) -> String {
    format!(
        "GPU instance {} (profile {} at {})",
        info.id, info.profile, info.placement
    )
}

/// Whether an instance is the one that a step names.
fn is_same(info: &InstanceInfo, profile: ProfileId, placement: Placement) -> bool {
    info.profile == profile.0 && info.placement == placement
}
