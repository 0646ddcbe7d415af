//! vGPUs of one GPU: functions, types, and what is there.

use kerf_types::{GiId, Sriov, Vgpu, VgpuFunction, VgpuGpu, VgpuType, VgpuTypeId, VgpuUuid};

use super::{
    ConvertError, NAME_LIMIT, PROBLEM_LIMIT, TEXT_LIMIT, count, distinct, each, optional_text,
    parse, text,
};
use crate::v1;

/// Most functions of a GPU: PCI has 256 on a bus, and a GPU with vGPUs has at most some tens.
const FUNCTION_LIMIT: usize = 512;
/// Most types of a GPU; drivers know some tens.
const TYPE_LIMIT: usize = 1_024;
/// Most vGPUs of one function: a driver that makes them on the GPU itself has at most 32.
const VGPU_LIMIT: usize = 1_024;

impl From<&VgpuGpu> for v1::VgpuGpu {
    fn from(gpu: &VgpuGpu) -> Self {
        Self {
            pci: gpu.pci.to_string(),
            framework: gpu.framework.map(|framework| framework.to_string()),
            sriov: gpu.sriov.map(|sriov| v1::Sriov {
                functions: sriov.functions,
                most: sriov.most,
            }),
            types: gpu.types.iter().map(Into::into).collect(),
            functions: gpu.functions.iter().map(Into::into).collect(),
            problems: gpu.problems.clone(),
        }
    }
}

impl From<&VgpuType> for v1::VgpuType {
    fn from(kind: &VgpuType) -> Self {
        Self {
            id: kind.id.0,
            name: kind.name.clone(),
            available: kind.available,
        }
    }
}

impl From<&VgpuFunction> for v1::VgpuFunction {
    fn from(function: &VgpuFunction) -> Self {
        let ids = |all: &Vec<VgpuTypeId>| all.iter().map(|id| id.0).collect();
        let vgpus = |all: &Vec<Vgpu>| all.iter().map(Into::into).collect();
        Self {
            pci: function.pci.to_string(),
            creatable: function
                .creatable
                .as_ref()
                .map(|all| v1::VgpuTypeIds { ids: ids(all) }),
            vgpus: function
                .vgpus
                .as_ref()
                .map(|all| v1::Vgpus { vgpus: vgpus(all) }),
        }
    }
}

impl From<&Vgpu> for v1::Vgpu {
    fn from(vgpu: &Vgpu) -> Self {
        Self {
            uuid: vgpu.uuid.map(|uuid| uuid.to_string()),
            type_id: vgpu.type_id.0,
            gpu_instance: vgpu.gpu_instance.map(|gi| gi.0),
            placement: vgpu.placement,
            user: vgpu.user.clone(),
        }
    }
}

impl TryFrom<v1::VgpuGpu> for VgpuGpu {
    type Error = ConvertError;

    fn try_from(gpu: v1::VgpuGpu) -> Result<Self, ConvertError> {
        let types = each("types", gpu.types, TYPE_LIMIT, kind)?;
        distinct("types", types.iter().map(|kind| kind.id))?;
        let functions = each("functions", gpu.functions, FUNCTION_LIMIT, function)?;
        distinct("functions", functions.iter().map(|one| one.pci))?;
        let framework = gpu.framework.as_ref();
        Ok(Self {
            pci: parse("pci", &gpu.pci)?,
            framework: framework.map(|word| parse("framework", word)).transpose()?,
            sriov: gpu.sriov.map(|sriov| Sriov {
                functions: sriov.functions,
                most: sriov.most,
            }),
            types,
            functions,
            problems: each("problems", gpu.problems, PROBLEM_LIMIT, |problem| {
                text("", problem, TEXT_LIMIT)
            })?,
        })
    }
}

fn kind(kind: v1::VgpuType) -> Result<VgpuType, ConvertError> {
    Ok(VgpuType {
        id: VgpuTypeId(kind.id),
        name: text("name", kind.name, NAME_LIMIT)?,
        available: kind.available,
    })
}

fn function(function: v1::VgpuFunction) -> Result<VgpuFunction, ConvertError> {
    let creatable = function.creatable.map(|creatable| creatable.ids);
    let ids = creatable.as_ref().map_or(0, Vec::len);
    count("creatable", ids, TYPE_LIMIT)?;
    let vgpus = function
        .vgpus
        .map(|vgpus| each("vgpus", vgpus.vgpus, VGPU_LIMIT, vgpu));
    Ok(VgpuFunction {
        pci: parse("pci", &function.pci)?,
        creatable: creatable.map(|ids| ids.into_iter().map(VgpuTypeId).collect()),
        vgpus: vgpus.transpose()?,
    })
}

fn vgpu(vgpu: v1::Vgpu) -> Result<Vgpu, ConvertError> {
    let uuid = vgpu.uuid.as_ref();
    let uuid: Option<VgpuUuid> = uuid.map(|uuid| parse("uuid", uuid)).transpose()?;
    Ok(Vgpu {
        uuid,
        type_id: VgpuTypeId(vgpu.type_id),
        gpu_instance: vgpu.gpu_instance.map(GiId),
        placement: vgpu.placement,
        user: optional_text("user", vgpu.user, NAME_LIMIT)?,
    })
}
