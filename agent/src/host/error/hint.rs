//! What a person can do about a refusal.

use kerf_planner::PlanError;
use kerf_planner::amd::AmdPlanError;
use kerf_planner::split::SplitError;

use super::{HostError, is_busy};
use crate::host::owner::HINT as HINT_OWNED;
use crate::host::vgpu::STAYS_ON;

impl HostError {
    /// What a person can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Draining | Self::Ended => "try again once kerfd runs again",
            Self::Invalid(_) | Self::Unknown { .. } => {
                "see `kerf profiles` for what this host offers"
            }
            Self::TwoAsks { .. } => "keep one of the annotations and CDI names",
            Self::HasLease { .. } => "end the running container first, or take another name",
            Self::Incomplete { .. } => {
                "kerf-runtime and kerfd must be of one release: is the package whole?"
            }
            Self::Random(_) => "see the kernel's log",
            Self::NotAllowed { .. } => {
                "add it to [launch.asks] of kerf.toml, or give the container a lease by kerf.dev/lease"
            }
            Self::NoLease { .. } => {
                "see `kerf lease list`, and make a new one with `kerf lease create`"
            }
            Self::ForeignLease { .. } => "a lease serves only the container that it was made for",
            Self::NotFound { .. } => "see `kerf slices` and `kerf inventory`",
            Self::Busy { .. } => "see `kerf lease list` for who has it",
            Self::Maintenance { .. } => "`kerf maintenance leave` ends it",
            Self::LeftAsWhole { .. } => "`kerf maintenance leave` without --gpu ends it",
            Self::NotInMaintenance { .. } => "see `kerf maintenance show`",
            Self::Occupied { .. } => {
                "give them more time with --wait, or end them: kerf ends nobody's work"
            }
            Self::NoRoom { .. } => "see `kerf slices`; wait for one to end, or change the layout",
            Self::Blind { .. } => "see `kerf status`; run the command again once it is well",
            Self::Owned { .. } => HINT_OWNED,
            Self::Plan(error) => of_plan(error),
            Self::ModeBlocked { .. } => "end these first: kerf ends nobody's process",
            Self::NoLabel(_) => "labels of GPUs stand in [gpu_labels] of kerf.toml",
            Self::Unsafe { .. } => {
                "this is a fault of kerf: please report it with the output of `kerf inventory -o json`"
            }
            Self::Stale { .. } => "run `kerf plan` again",
            Self::Step { .. }
            | Self::Differs { .. }
            | Self::Hardware(_)
            | Self::ComputeMode { .. } => {
                "see `kerf status`; run the command again once it is well"
            }
            Self::Sharing { source, .. } => source.hint().unwrap_or(
                "see the daemon's logs under the state folder (mps/), and `kerf status`",
            ),
            Self::DaemonInUse { .. } => "end that process first: kerf ends nobody's process",
            Self::RunFile { .. } => "check the space under the run folder",
            Self::Store(_) => "see `kerf status`: nothing was granted",
            Self::Node { .. } => {
                "see `kerf status`; the driver's device nodes must exist under /dev"
            }
            Self::Confine(_) => {
                "see the devices cgroup that the caller is in: a lease gives nothing that it forbids"
            }
            Self::Process(error) => error.hint(),
            Self::Attach(error) => error.hint(),
            Self::Vgpu(refusal) => refusal.hint(),
            Self::LeftOn { .. } | Self::StillOn { .. } => STAYS_ON,
            Self::Cdi(_) | Self::NamesStand { .. } => {
                "check the folder of CDI files (paths.cdi_dir)"
            }
        }
    }
}

fn of_plan(error: &PlanError) -> &'static str {
    match error {
        error if error.is_about_vgpu() => {
            "no plan touches it: end its virtual machine, then `kerf vgpu delete` it"
        }
        PlanError::TogetherUnknown { .. } => {
            "turn MIG on with `kerf apply --gpu N --slices none`, and apply the layout then"
        }
        error if is_part_split(error) => {
            "give each GPU that is to have parts a rule of its own, without `together`"
        }
        PlanError::Amd(AmdPlanError::InUse { .. }) => {
            "wait with --wait, or end these first: kerf ends nobody's process"
        }
        PlanError::Amd(_) | PlanError::NoAmdGpu { .. } => {
            "see `kerf inventory` for the AMD GPUs and their modes"
        }
        error if is_busy(error) => {
            "wait with --wait or --drain, or name the MIG devices that may go with --force-destroy"
        }
        _ => "see `kerf profiles` and `kerf slices`",
    }
}

/// Whether parts of GPU instances were to be split over GPUs.
fn is_part_split(error: &PlanError) -> bool {
    let PlanError::Together { source, .. } = error else {
        return false;
    };
    matches!(**source, SplitError::Partial { .. })
}
