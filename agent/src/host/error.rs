//! Why a request to the host was not carried out.

use std::path::PathBuf;

use kerf_partitioner::sharing::SharingError;
use kerf_planner::PlanError;
use kerf_planner::amd::AmdPlanError;
use kerf_types::{LeaseId, ParseError, PciAddress};

use super::vgpu::VgpuRefusal;
use crate::config::NoLabel;
use crate::hardware::HardwareError;
use crate::process::attach::AttachError;
use crate::process::confine::ConfineError;
use crate::process::workers::ProcessError;
use crate::store::StoreError;

mod from;
mod hint;

/// A request that was refused or failed. Nothing of it remains, unless the variant says so.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// kerfd is about to end.
    #[error("kerfd is draining and takes no new work")]
    Draining,
    /// A value in the request makes no sense.
    #[error(transparent)]
    Invalid(#[from] ParseError),
    /// The container asks for two things at once.
    #[error("container {container} asks for two things at once: {first} and {second}")]
    TwoAsks {
        /// The container.
        container: String,
        /// One.
        first: String,
        /// The other.
        second: String,
    },
    /// A container of that name has a lease and runs.
    #[error("container {container} has lease {lease} already")]
    HasLease {
        /// The container.
        container: String,
        /// Its lease.
        lease: LeaseId,
    },
    /// The runtime did not say what the container wants, or where it will write its pid.
    #[error("the request for container {container} lacks {what}")]
    Incomplete {
        /// The container.
        container: String,
        /// What is missing.
        what: &'static str,
    },
    /// The kernel gave no random bytes.
    #[error("no id for the lease can be made")]
    Random(#[source] getrandom::Error),
    /// The policy of the host does not allow the ask.
    #[error("containers of namespace {namespace:?} may not ask for {ask:?}")]
    NotAllowed {
        /// The containerd namespace.
        namespace: String,
        /// The ask.
        ask: String,
    },
    /// There is no such lease.
    #[error("there is no lease {id}: it has ended, or this host never gave it")]
    NoLease {
        /// As it was named.
        id: String,
    },
    /// The lease belongs to somebody else, or is in use.
    #[error("lease {id} is not for {who}: {why}")]
    ForeignLease {
        /// The lease.
        id: LeaseId,
        /// Who wanted it.
        who: String,
        /// Why not.
        why: String,
    },
    /// Nothing of the name is here.
    #[error("there is no {what} {name:?} on this host")]
    NotFound {
        /// What kind of thing.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// The slice or GPU is not free.
    #[error("{what} is {state}{}", .by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default())]
    Busy {
        /// What.
        what: String,
        /// `leased`, `reserved`, `draining`, `quarantined`.
        state: String,
        /// By whom.
        by: Option<String>,
    },
    /// No GPU of this host has the profile, so that waiting does not help.
    #[error("no GPU of this host has what {ask:?} asks for: {why}")]
    Unknown {
        /// The ask.
        ask: String,
        /// What each kind of GPU has.
        why: String,
    },
    /// Nothing that fits is free, and nothing can be cut.
    #[error("no room for {ask}: {why}")]
    NoRoom {
        /// The ask.
        ask: String,
        /// Each GPU's reason.
        why: String,
    },
    /// Another manager cuts the GPUs, or is to.
    #[error("kerf does not cut the GPUs of this host: {why}")]
    Owned {
        /// Who does, and how that is known.
        why: String,
    },
    /// Nothing can be said of the host's GPUs now.
    #[error("what the GPUs of this host hold is not known now ({why})")]
    Blind {
        /// Why.
        why: String,
    },
    /// The layout cannot be planned.
    #[error("the layout cannot be planned")]
    Plan(#[source] Box<PlanError>),
    /// Something is in the way of a change of mode, and it is named.
    #[error("the mode of GPU {gpu} cannot change beside what is there: {by}")]
    ModeBlocked {
        /// The GPU.
        gpu: PciAddress,
        /// What is in the way.
        by: String,
        /// The refusal.
        #[source]
        source: Box<HostError>,
    },
    /// A rule names a label that no GPU has.
    #[error(transparent)]
    NoLabel(#[from] NoLabel),
    /// The checker found fault with a plan of ours.
    #[error("the plan was rejected by its check: {violations}")]
    Unsafe {
        /// What it found.
        violations: String,
    },
    /// The plan was made for a state that has passed.
    #[error("the host has generation {found}, the request expects {expected}: plan again")]
    Stale {
        /// Generation of the host.
        found: u64,
        /// Expected generation.
        expected: u64,
    },
    /// A step failed.
    #[error("step {number} of {of} failed ({step}){after}")]
    Step {
        /// Its number, counted from 1.
        number: usize,
        /// How many there are.
        of: usize,
        /// The step.
        step: String,
        /// What has become of the steps before it, where something has; it begins with a semicolon.
        after: Box<str>,
        /// Why.
        #[source]
        source: HardwareError,
    },
    /// All steps succeeded, and what was read back is something else than the layout.
    #[error("every step succeeded, and what was read back of GPU {gpu} is not the layout{after}")]
    Differs {
        /// Of the first such GPU.
        gpu: PciAddress,
        /// What has become of the steps, where something has; it begins with a semicolon.
        after: Box<str>,
    },
    /// A device cannot be shared, or the sharing of it cannot end.
    #[error("the sharing of {device} cannot be changed{after}")]
    Sharing {
        /// The device.
        device: String,
        /// What has become of the steps before it, where something has; it begins with a semicolon.
        after: Box<str>,
        /// Why.
        #[source]
        source: Box<SharingError>,
    },
    /// The driver does not let a GPU be given to one process, or to all again.
    #[error("the compute mode of GPU {gpu} cannot be changed{after}")]
    ComputeMode {
        /// The GPU.
        gpu: PciAddress,
        /// What has become of the steps before it, where something has; it begins with a semicolon.
        after: Box<str>,
        /// Why.
        #[source]
        source: HardwareError,
    },
    /// A daemon has clients that nobody knows of.
    #[error("process {pid} uses the mps daemon of {device}")]
    DaemonInUse {
        /// The device.
        device: String,
        /// The client.
        pid: u32,
    },
    /// A file of the run folder cannot be written.
    #[error("{} cannot be written", path.display())]
    RunFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A hardware call failed.
    #[error("the hardware call failed")]
    Hardware(#[from] HardwareError),
    /// The store failed.
    #[error("the state store failed")]
    Store(#[from] StoreError),
    /// A device node is not what it should be.
    #[error("device node {path}: {why}")]
    Node {
        /// The node.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// A CDI file could not be written.
    #[error("the CDI files cannot be written")]
    Cdi(#[source] std::io::Error),
    /// The driver is closed.
    #[error("this host is in maintenance: {why}")]
    Maintenance {
        /// What is, and since when.
        why: String,
    },
    /// Maintenance cannot begin while containers find the GPUs by their names.
    #[error("the CDI names of the GPUs cannot be withdrawn, so the driver stays open: {why}")]
    NamesStand {
        /// Why they stand.
        why: String,
    },
    /// Maintenance of the host cannot end for a part of it.
    #[error("maintenance of the whole host is left as a whole: {what}")]
    LeftAsWhole {
        /// What is in maintenance, and since when.
        what: String,
    },
    /// Other GPUs are in maintenance.
    #[error("the GPUs that were named are not in maintenance: {what}")]
    NotInMaintenance {
        /// What is, and since when.
        what: String,
    },
    /// Leases keep GPUs from maintenance.
    #[error("GPUs cannot go into maintenance while they are leased: {by}")]
    Occupied {
        /// Who has what.
        by: String,
    },
    /// A bare process cannot be kept to what it was granted.
    #[error("the process cannot be kept to what it was granted")]
    Confine(#[from] ConfineError),
    /// The worker for processes did not do its part.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A running container cannot have a device put into it, or taken out of it.
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// A request about vGPUs was refused.
    #[error(transparent)]
    Vgpu(#[from] VgpuRefusal),
    /// A vGPU was not made, and the virtual functions that were turned on for it cannot go off yet.
    #[error("no vGPU was made, and {stays}")]
    LeftOn {
        /// Which stay on, and why.
        stays: Box<str>,
        /// Why none was made.
        #[source]
        source: Box<HostError>,
    },
    /// A vGPU was taken away, and its virtual functions are still on.
    #[error("the vGPU is gone, and the virtual functions of GPU {gpu} are still on")]
    StillOn {
        /// The GPU.
        gpu: PciAddress,
        /// Why.
        #[source]
        source: Box<HostError>,
    },
    /// The owner has ended.
    #[error("kerfd is ending")]
    Ended,
}

impl HostError {
    /// Its kind, as a label of metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Draining | Self::Ended => "draining",
            Self::Invalid(_)
            | Self::Unknown { .. }
            | Self::TwoAsks { .. }
            | Self::NoLabel(_)
            | Self::Incomplete { .. } => "invalid",
            Self::NotAllowed { .. } => "not_allowed",
            Self::NoLease { .. } | Self::ForeignLease { .. } | Self::HasLease { .. } => "lease",
            Self::NotFound { .. } => "not_found",
            Self::Busy { .. }
            | Self::NoRoom { .. }
            | Self::Occupied { .. }
            | Self::DaemonInUse { .. } => "no_room",
            Self::Maintenance { .. } | Self::LeftAsWhole { .. } | Self::NotInMaintenance { .. } => {
                "maintenance"
            }
            Self::Plan(_)
            | Self::ModeBlocked { .. }
            | Self::Unsafe { .. }
            | Self::Stale { .. }
            | Self::Owned { .. }
            | Self::Blind { .. } => "plan",
            Self::Vgpu(_) | Self::LeftOn { .. } | Self::StillOn { .. } => "vgpu",
            Self::Step { .. }
            | Self::Differs { .. }
            | Self::Hardware(_)
            | Self::Node { .. }
            | Self::Confine(_)
            | Self::Process(_)
            | Self::Attach(_)
            | Self::Sharing { .. }
            | Self::ComputeMode { .. } => "hardware",
            Self::Store(_)
            | Self::Cdi(_)
            | Self::NamesStand { .. }
            | Self::RunFile { .. }
            | Self::Random(_) => "storage",
        }
    }

    /// Whether only those who use slices now are in the way, so that waiting may help.
    pub fn is_busy(&self) -> bool {
        match self {
            Self::Plan(error) => is_busy(error),
            Self::ModeBlocked { source, .. } => source.is_busy(),
            Self::DaemonInUse { .. } | Self::Occupied { .. } => true,
            _ => false,
        }
    }

    /// The call of the hardware behind a step that failed, also where what is in its way was named.
    pub(super) fn failed_call(&self) -> Option<&HardwareError> {
        match self {
            Self::Step { source, .. } | Self::ComputeMode { source, .. } => Some(source),
            Self::ModeBlocked { source, .. } => source.failed_call(),
            _ => None,
        }
    }

    /// Whether it is not known what a call did, so that what was intended stays open.
    pub(super) fn leaves_open(&self) -> bool {
        self.failed_call()
            .is_some_and(|call| call.is_unknown_outcome() || call.is_hang())
    }

    /// Says of a step that failed what has become of those before it.
    pub(super) fn tell_after(&mut self, what: Box<str>) {
        match self {
            Self::Step { after, .. }
            | Self::Differs { after, .. }
            | Self::Sharing { after, .. }
            | Self::ComputeMode { after, .. } => *after = what,
            Self::ModeBlocked { source, .. } => source.tell_after(what),
            _ => {}
        }
    }
}

fn is_busy(error: &PlanError) -> bool {
    matches!(
        error,
        PlanError::SliceInUse { .. }
            | PlanError::ShareInUse { .. }
            | PlanError::Blocked { .. }
            | PlanError::GpuInUse { .. }
            | PlanError::TogetherBlocked { .. }
            | PlanError::Amd(AmdPlanError::InUse { .. })
    )
}
