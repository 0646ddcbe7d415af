//! Steps: what kerfd asks its worker to change.

use kerf_types::{CiId, GiId, ProfileId, Step, VgpuTypeId};

use super::mig::{part_place, placement};
use super::{At, ConvertError, parse, required};
use crate::v1;
use crate::v1::step::Kind;

impl From<&Step> for v1::Step {
    fn from(step: &Step) -> Self {
        use v1::step;
        let gpu = step.gpu().to_string();
        let kind = match step {
            Step::SetMigMode {
                enabled,
                allow_reset,
                ..
            } => {
                let (enabled, allow_reset) = (*enabled, *allow_reset);
                Kind::SetMigMode(step::SetMigMode {
                    gpu,
                    enabled,
                    allow_reset,
                })
            }
            Step::CreateGpuInstance {
                profile, placement, ..
            } => {
                let placement = Some(placement.into());
                Kind::CreateGpuInstance(step::CreateGpuInstance {
                    gpu,
                    profile: profile.0,
                    placement,
                })
            }
            Step::CreateComputeInstance {
                placement,
                profile,
                compute,
                ..
            } => {
                let placement = Some(placement.into());
                Kind::CreateComputeInstance(step::CreateComputeInstance {
                    gpu,
                    placement,
                    profile: profile.0,
                    compute: compute.as_ref().map(Into::into),
                })
            }
            Step::DestroyComputeInstance { gi, ci, uuid, .. } => {
                let (gi, ci, uuid) = (gi.0, ci.0, uuid.to_string());
                Kind::DestroyComputeInstance(step::DestroyComputeInstance { gpu, gi, ci, uuid })
            }
            Step::DestroyGpuInstance {
                gi,
                profile,
                placement,
                ..
            } => {
                let placement = Some(placement.into());
                let (gi, profile) = (gi.0, profile.0);
                Kind::DestroyGpuInstance(step::DestroyGpuInstance {
                    gpu,
                    gi,
                    profile,
                    placement,
                })
            }
            Step::SetAmdCompute { .. }
            | Step::SetAmdMemory { .. }
            | Step::SetSriov { .. }
            | Step::CreateVgpu { .. }
            | Step::DestroyVgpu { .. } => {
                let kind = by_files(step, gpu);
                return Self { kind };
            }
        };
        Self { kind: Some(kind) }
    }
}

/// What is done by writing under `/sys`; none of the others.
fn by_files(step: &Step, gpu: String) -> Option<Kind> {
    use v1::step;
    Some(match step {
        Step::SetAmdCompute { mode, .. } => {
            let mode = mode.to_string();
            Kind::SetAmdCompute(step::SetAmdCompute { gpu, mode })
        }
        Step::SetAmdMemory { mode, .. } => {
            let mode = mode.to_string();
            Kind::SetAmdMemory(step::SetAmdMemory { gpu, mode })
        }
        Step::SetSriov { enabled, .. } => {
            let enabled = *enabled;
            Kind::SetSriov(step::SetSriov { gpu, enabled })
        }
        Step::CreateVgpu {
            function,
            type_id,
            uuid,
            placement,
            ..
        } => Kind::CreateVgpu(step::CreateVgpu {
            gpu,
            function: function.to_string(),
            type_id: type_id.0,
            uuid: uuid.to_string(),
            placement: *placement,
        }),
        Step::DestroyVgpu {
            function,
            type_id,
            uuid,
            ..
        } => Kind::DestroyVgpu(step::DestroyVgpu {
            gpu,
            function: function.to_string(),
            type_id: type_id.0,
            uuid: uuid.map(|uuid| uuid.to_string()),
        }),
        Step::SetMigMode { .. }
        | Step::CreateGpuInstance { .. }
        | Step::CreateComputeInstance { .. }
        | Step::DestroyComputeInstance { .. }
        | Step::DestroyGpuInstance { .. } => return None,
    })
}

impl TryFrom<v1::Step> for Step {
    type Error = ConvertError;

    fn try_from(step: v1::Step) -> Result<Self, ConvertError> {
        match required("kind", step.kind)? {
            Kind::SetMigMode(step) => set_mig_mode(&step).at("set_mig_mode"),
            Kind::CreateGpuInstance(step) => create_gi(&step).at("create_gpu_instance"),
            Kind::CreateComputeInstance(step) => create_ci(&step).at("create_compute_instance"),
            Kind::DestroyComputeInstance(step) => destroy_ci(&step).at("destroy_compute_instance"),
            Kind::DestroyGpuInstance(step) => destroy_gi(&step).at("destroy_gpu_instance"),
            Kind::SetAmdCompute(step) => amd_compute(&step).at("set_amd_compute"),
            Kind::SetAmdMemory(step) => amd_memory(&step).at("set_amd_memory"),
            Kind::SetSriov(step) => set_sriov(&step).at("set_sriov"),
            Kind::CreateVgpu(step) => create_vgpu(&step).at("create_vgpu"),
            Kind::DestroyVgpu(step) => destroy_vgpu(&step).at("destroy_vgpu"),
        }
    }
}

fn set_mig_mode(step: &v1::step::SetMigMode) -> Result<Step, ConvertError> {
    Ok(Step::SetMigMode {
        gpu: parse("gpu", &step.gpu)?,
        enabled: step.enabled,
        allow_reset: step.allow_reset,
    })
}

fn create_gi(step: &v1::step::CreateGpuInstance) -> Result<Step, ConvertError> {
    Ok(Step::CreateGpuInstance {
        gpu: parse("gpu", &step.gpu)?,
        profile: ProfileId(step.profile),
        placement: placement(step.placement)?,
    })
}

fn create_ci(step: &v1::step::CreateComputeInstance) -> Result<Step, ConvertError> {
    Ok(Step::CreateComputeInstance {
        gpu: parse("gpu", &step.gpu)?,
        placement: placement(step.placement)?,
        profile: ProfileId(step.profile),
        compute: part_place(step.compute, "compute")?,
    })
}

fn destroy_ci(step: &v1::step::DestroyComputeInstance) -> Result<Step, ConvertError> {
    Ok(Step::DestroyComputeInstance {
        gpu: parse("gpu", &step.gpu)?,
        gi: GiId(step.gi),
        ci: CiId(step.ci),
        uuid: parse("uuid", &step.uuid)?,
    })
}

fn destroy_gi(step: &v1::step::DestroyGpuInstance) -> Result<Step, ConvertError> {
    Ok(Step::DestroyGpuInstance {
        gpu: parse("gpu", &step.gpu)?,
        gi: GiId(step.gi),
        profile: ProfileId(step.profile),
        placement: placement(step.placement)?,
    })
}

fn amd_compute(step: &v1::step::SetAmdCompute) -> Result<Step, ConvertError> {
    Ok(Step::SetAmdCompute {
        gpu: parse("gpu", &step.gpu)?,
        mode: parse("mode", &step.mode)?,
    })
}

fn amd_memory(step: &v1::step::SetAmdMemory) -> Result<Step, ConvertError> {
    Ok(Step::SetAmdMemory {
        gpu: parse("gpu", &step.gpu)?,
        mode: parse("mode", &step.mode)?,
    })
}

fn set_sriov(step: &v1::step::SetSriov) -> Result<Step, ConvertError> {
    Ok(Step::SetSriov {
        gpu: parse("gpu", &step.gpu)?,
        enabled: step.enabled,
    })
}

fn create_vgpu(step: &v1::step::CreateVgpu) -> Result<Step, ConvertError> {
    Ok(Step::CreateVgpu {
        gpu: parse("gpu", &step.gpu)?,
        function: parse("function", &step.function)?,
        type_id: VgpuTypeId(step.type_id),
        uuid: parse("uuid", &step.uuid)?,
        placement: step.placement,
    })
}

fn destroy_vgpu(step: &v1::step::DestroyVgpu) -> Result<Step, ConvertError> {
    let uuid = step.uuid.as_ref();
    Ok(Step::DestroyVgpu {
        gpu: parse("gpu", &step.gpu)?,
        function: parse("function", &step.function)?,
        type_id: VgpuTypeId(step.type_id),
        uuid: uuid.map(|uuid| parse("uuid", uuid)).transpose()?,
    })
}
