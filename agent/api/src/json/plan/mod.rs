//! `kerf plan` and `kerf apply`: what will change on a host, what stays, and what was done.

#[cfg(test)]
mod tests;

mod amd;
mod sharing;

use kerf_types::Step as TypesStep;
use serde::Serialize;

pub use amd::AmdPlan;
pub use sharing::SharingPlan;

use super::{Placement, inventory::MigMode, schema_tag};
use crate::convert::{At, ConvertError, mig_mode, part_place, placement};
use crate::v1;

schema_tag!(PlanSchema, "kerf.v1.Plan");
schema_tag!(AppliedSchema, "kerf.v1.Applied");

/// A plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// Names this document.
    pub schema: PlanSchema,
    /// The host's generation that it was made from.
    pub generation: u64,
    /// Whether it changes anything.
    pub changes: bool,
    /// Sum of the weights of live instances that it disturbs.
    pub cost: u64,
    /// No plan costs less than this.
    pub lower_bound: u64,
    /// Whether it is proven that no plan costs less than this one.
    pub proof: bool,
    /// One entry for each GPU that the layout names.
    pub gpus: Vec<GpuPlan>,
    /// What the plan leaves out, in words.
    pub notes: Vec<String>,
    /// One entry for each AMD GPU that the layout names.
    pub amd: Vec<AmdPlan>,
    /// GPUs on which a way of sharing ends or begins.
    pub sharing: Vec<SharingPlan>,
}

impl Plan {
    /// Whether the host is not as the layout wants it: where the plan changes something, or what was asked for waits.
    pub fn differs(&self) -> bool {
        self.changes || self.amd.iter().any(AmdPlan::differs)
    }
}

/// What happens to one GPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GpuPlan {
    /// NVML index.
    pub index: u32,
    /// UUID.
    pub uuid: String,
    /// Address.
    pub pci: String,
    /// MIG mode as it is.
    pub mig_mode: MigMode,
    /// Whether MIG will be on.
    pub mig_wanted: bool,
    /// Slices that stay, untouched.
    pub keep: Vec<PlannedSlice>,
    /// Slices that go.
    pub destroy: Vec<PlannedSlice>,
    /// Slices that come.
    pub create: Vec<PlannedSlice>,
    /// What is done, in order.
    pub steps: Vec<Step>,
    /// Slices that come by a second plan when this is done: the driver tells where they may lie only while
    /// MIG is on. `kerf apply` makes that plan itself.
    pub later: Vec<LaterSlices>,
}

/// Slices of one profile that a second plan is made for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LaterSlices {
    /// The profile.
    pub profile: String,
    /// How many.
    pub count: u32,
}

/// A slice that stays, goes or comes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedSlice {
    /// Its profile.
    pub profile: String,
    /// Its place.
    pub placement: Placement,
    /// Its place in the GPU instance, in compute slices; left out for a whole one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compute: Option<Placement>,
    /// UUID of its MIG device; null for one that comes.
    pub uuid: Option<String>,
    /// Who has it.
    pub holder: Option<String>,
}

/// One change to a GPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Step {
    /// Turns MIG on or off.
    SetMigMode {
        /// Address of the GPU.
        gpu: String,
        /// The wanted mode.
        enabled: bool,
        /// Whether a reset of the GPU is accepted.
        allow_reset: bool,
    },
    /// Makes a GPU instance.
    CreateGpuInstance {
        /// Address of the GPU.
        gpu: String,
        /// Id of its profile.
        profile: u32,
        /// Where.
        placement: Placement,
    },
    /// Makes a compute instance in a GPU instance.
    CreateComputeInstance {
        /// Address of the GPU.
        gpu: String,
        /// Id of the compute instance profile.
        profile: u32,
        /// Place of the GPU instance.
        placement: Placement,
        /// Its place in the GPU instance, in compute slices; left out for the one that fills it.
        #[serde(skip_serializing_if = "Option::is_none")]
        compute: Option<Placement>,
    },
    /// Destroys a compute instance.
    DestroyComputeInstance {
        /// Address of the GPU.
        gpu: String,
        /// Id of its GPU instance.
        gi: u32,
        /// Its id.
        ci: u32,
        /// UUID of its MIG device.
        uuid: String,
    },
    /// Destroys a GPU instance.
    DestroyGpuInstance {
        /// Address of the GPU.
        gpu: String,
        /// Its id.
        gi: u32,
        /// Id of its profile.
        profile: u32,
        /// Its place.
        placement: Placement,
    },
    /// Sets the compute partition mode of an AMD GPU.
    SetAmdCompute {
        /// Address of the GPU.
        gpu: String,
        /// The mode.
        mode: String,
    },
    /// Asks for a memory partition mode of an AMD GPU and its hive, until the driver is loaded anew.
    SetAmdMemory {
        /// Address of the GPU.
        gpu: String,
        /// The mode.
        mode: String,
    },
    /// Turns the virtual functions of a GPU on or off.
    SetSriov {
        /// Address of the GPU.
        gpu: String,
        /// Whether they shall be there.
        enabled: bool,
    },
    /// Makes a vGPU.
    CreateVgpu {
        /// Address of the GPU.
        gpu: String,
        /// Address of the function.
        function: String,
        /// Number of its type.
        type_id: u32,
    },
    /// Takes a vGPU away.
    DestroyVgpu {
        /// Address of the GPU.
        gpu: String,
        /// Address of the function.
        function: String,
        /// Number of its type.
        type_id: u32,
    },
}

/// The end of a successful `kerf apply`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Applied {
    /// Names this document.
    pub schema: AppliedSchema,
    /// The host's generation after it.
    pub generation: u64,
    /// Steps that were carried out.
    pub steps: u32,
    /// Time that they took, in microseconds.
    pub duration_us: u64,
    /// Its number in the history; null where nothing was to be done.
    pub history: Option<u64>,
    /// GPUs whose mode changes only after a reset, in words; the layout goes on there when it came.
    pub after_reset: Vec<String>,
    /// AMD GPUs whose modes change only when the driver is loaded anew, in words; the layout goes on there then.
    pub after_reload: Vec<String>,
}

impl TryFrom<&v1::Plan> for Plan {
    type Error = ConvertError;

    fn try_from(plan: &v1::Plan) -> Result<Self, ConvertError> {
        let one = |(index, gpu)| GpuPlan::try_from(gpu).at(&format!("gpus[{index}]"));
        let gpus: Vec<GpuPlan> = plan
            .gpus
            .iter()
            .enumerate()
            .map(one)
            .collect::<Result<_, _>>()?;
        let one = |(index, gpu)| AmdPlan::try_from(gpu).at(&format!("amd[{index}]"));
        let amd = plan.amd.iter().enumerate().map(one);
        let amd = amd.collect::<Result<Vec<AmdPlan>, ConvertError>>()?;
        let one = |(index, gpu)| SharingPlan::try_from(gpu).at(&format!("sharing[{index}]"));
        let sharing = plan.sharing.iter().enumerate().map(one);
        let sharing = sharing.collect::<Result<Vec<SharingPlan>, ConvertError>>()?;
        Ok(Self {
            schema: PlanSchema::V1,
            generation: plan.generation,
            changes: gpus.iter().any(|gpu| !gpu.steps.is_empty())
                || amd.iter().any(|gpu| !gpu.steps.is_empty())
                || !sharing.is_empty(),
            cost: plan.cost,
            lower_bound: plan.lower_bound,
            proof: plan.proof,
            gpus,
            notes: plan.notes.clone(),
            amd,
            sharing,
        })
    }
}

impl TryFrom<&v1::GpuPlan> for GpuPlan {
    type Error = ConvertError;

    fn try_from(gpu: &v1::GpuPlan) -> Result<Self, ConvertError> {
        Ok(Self {
            index: gpu.index,
            uuid: gpu.uuid.clone(),
            pci: gpu.pci.clone(),
            mig_mode: mig_mode("mig_from", gpu.mig_from)?.into(),
            mig_wanted: gpu.mig_to,
            keep: planned("keep", &gpu.keep)?,
            destroy: planned("destroy", &gpu.destroy)?,
            create: planned("create", &gpu.create)?,
            steps: steps(&gpu.steps)?,
            later: gpu.later.iter().map(Into::into).collect(),
        })
    }
}

fn steps(steps: &[v1::Step]) -> Result<Vec<Step>, ConvertError> {
    let step = |(index, step): (usize, &v1::Step)| {
        let step = TypesStep::try_from(step.clone()).at(&format!("steps[{index}]"))?;
        Ok(step.into())
    };
    steps.iter().enumerate().map(step).collect()
}

impl From<&v1::LaterSlices> for LaterSlices {
    fn from(later: &v1::LaterSlices) -> Self {
        Self {
            profile: later.profile.clone(),
            count: later.count,
        }
    }
}

fn planned(field: &str, slices: &[v1::PlannedSlice]) -> Result<Vec<PlannedSlice>, ConvertError> {
    let one = |(index, slice): (usize, &v1::PlannedSlice)| {
        let part = part_place(slice.compute, "compute").at(&format!("{field}[{index}]"))?;
        Ok(PlannedSlice {
            profile: slice.profile.clone(),
            placement: placement(slice.placement)
                .at(&format!("{field}[{index}]"))?
                .into(),
            compute: part.map(Into::into),
            uuid: slice.uuid.clone(),
            holder: slice.holder.clone(),
        })
    };
    slices.iter().enumerate().map(one).collect()
}

impl From<TypesStep> for Step {
    fn from(step: TypesStep) -> Self {
        let gpu = step.gpu().to_string();
        match step {
            TypesStep::SetMigMode {
                enabled,
                allow_reset,
                ..
            } => Self::SetMigMode {
                gpu,
                enabled,
                allow_reset,
            },
            TypesStep::CreateGpuInstance {
                profile, placement, ..
            } => Self::CreateGpuInstance {
                gpu,
                profile: profile.0,
                placement: placement.into(),
            },
            TypesStep::CreateComputeInstance {
                profile,
                placement,
                compute,
                ..
            } => Self::CreateComputeInstance {
                gpu,
                profile: profile.0,
                placement: placement.into(),
                compute: compute.map(Into::into),
            },
            TypesStep::DestroyComputeInstance { gi, ci, uuid, .. } => {
                let (gi, ci, uuid) = (gi.0, ci.0, uuid.to_string());
                Self::DestroyComputeInstance { gpu, gi, ci, uuid }
            }
            TypesStep::DestroyGpuInstance {
                gi,
                profile,
                placement,
                ..
            } => Self::DestroyGpuInstance {
                gpu,
                gi: gi.0,
                profile: profile.0,
                placement: placement.into(),
            },
            TypesStep::SetAmdCompute { mode, .. } => Self::SetAmdCompute {
                gpu,
                mode: mode.to_string(),
            },
            TypesStep::SetAmdMemory { mode, .. } => Self::SetAmdMemory {
                gpu,
                mode: mode.to_string(),
            },
            TypesStep::SetSriov { enabled, .. } => Self::SetSriov { gpu, enabled },
            TypesStep::CreateVgpu {
                function, type_id, ..
            } => Self::CreateVgpu {
                gpu,
                function: function.to_string(),
                type_id: type_id.0,
            },
            TypesStep::DestroyVgpu {
                function, type_id, ..
            } => Self::DestroyVgpu {
                gpu,
                function: function.to_string(),
                type_id: type_id.0,
            },
        }
    }
}

impl From<&v1::apply_progress::Applied> for Applied {
    fn from(applied: &v1::apply_progress::Applied) -> Self {
        Self {
            schema: AppliedSchema::V1,
            generation: applied.generation,
            steps: applied.steps,
            duration_us: applied.microseconds,
            history: Some(applied.history).filter(|number| *number > 0),
            after_reset: applied.after_reset.clone(),
            after_reload: applied.after_reload.clone(),
        }
    }
}
