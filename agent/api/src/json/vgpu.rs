//! `kerf vgpu`: types that can be made, and vGPUs that are there.

use serde::Serialize;

use super::{schema_tag, time};
use crate::convert::{At, ConvertError};
use crate::v1;

schema_tag!(VgpuTypesSchema, "kerf.v1.VgpuTypes");
schema_tag!(VgpusSchema, "kerf.v1.Vgpus");
schema_tag!(VgpuSchema, "kerf.v1.Vgpu");

/// The vGPU types of each GPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VgpuTypes {
    /// Names this document.
    pub schema: VgpuTypesSchema,
    /// When they were looked at last; null before the first look.
    pub looked_at: Option<String>,
    /// How long ago that was.
    pub age_ms: Option<u64>,
    /// The GPUs, by address.
    pub gpus: Vec<VgpuTypesOfGpu>,
}

/// The vGPU types of one GPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VgpuTypesOfGpu {
    /// Address.
    pub pci: String,
    /// `mdev` or `vfio`; null where the driver offers no vGPUs, or does so only with SR-IOV on.
    pub framework: Option<String>,
    /// Virtual functions; null where it can have none.
    pub sriov: Option<VgpuSriov>,
    /// The types that the driver names now.
    pub types: Vec<VgpuTypeEntry>,
    /// What could not be made sense of.
    pub problems: Vec<String>,
}

/// Virtual functions of a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct VgpuSriov {
    /// How many are there.
    pub functions: u32,
    /// How many there can be.
    pub most: u32,
}

/// One vGPU type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VgpuTypeEntry {
    /// Its number.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// On how many functions one can be made now.
    pub available: u32,
    /// Whether it lies in a GPU instance.
    pub mig_backed: bool,
}

/// The vGPUs of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Vgpus {
    /// Names this document.
    pub schema: VgpusSchema,
    /// When they were looked at last; null before the first look.
    pub looked_at: Option<String>,
    /// How long ago that was.
    pub age_ms: Option<u64>,
    /// Whether every process could be looked into for who has them open. Where it is not, a vGPU without a user may have
    /// one all the same.
    pub users_known: bool,
    /// The vGPUs, by GPU and function.
    pub vgpus: Vec<VgpuEntry>,
}

/// One vGPU as a document of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Vgpu {
    /// Names this document.
    pub schema: VgpuSchema,
    /// The vGPU.
    #[serde(flatten)]
    pub vgpu: VgpuEntry,
}

/// What is known of a vGPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VgpuEntry {
    /// Address of its GPU.
    pub gpu: String,
    /// Address of its function.
    pub function: String,
    /// Its UUID, for a mediated device.
    pub uuid: Option<String>,
    /// Number of its type.
    pub type_id: u32,
    /// Name of its type; null where nobody tells it.
    pub type_name: Option<String>,
    /// The GPU instance that carries it.
    pub gpu_instance: Option<u32>,
    /// Where it lies in the GPU's memory, in the driver's units.
    pub placement: Option<u32>,
    /// The virtual machine or process that has it; null where none was seen.
    pub user: Option<String>,
    /// kerf's record of it; null for one that somebody else made.
    pub made_by_kerf: Option<VgpuRecord>,
}

/// What kerf remembers of a vGPU that it made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VgpuRecord {
    /// For whom.
    pub uid: u32,
    /// Its number: no vGPU before or after it has the same.
    pub fence: u64,
    /// `making`, `made` or `unmaking`.
    pub state: String,
    /// When.
    pub created_at: String,
    /// Whether it is leased to containers that ask.
    pub for_containers: bool,
}

impl TryFrom<&v1::ListVgpusResponse> for VgpuTypes {
    type Error = ConvertError;

    fn try_from(answer: &v1::ListVgpusResponse) -> Result<Self, ConvertError> {
        let gpus = seen(answer)?;
        let gpus = gpus.iter().map(|(gpu, _)| VgpuTypesOfGpu::from(gpu));
        Ok(Self {
            schema: VgpuTypesSchema::V1,
            looked_at: answer.looked_ms.map(time),
            age_ms: answer.age_ms,
            gpus: gpus.collect(),
        })
    }
}

impl From<&kerf_types::VgpuGpu> for VgpuTypesOfGpu {
    fn from(gpu: &kerf_types::VgpuGpu) -> Self {
        let types = gpu.types.iter().map(|kind| VgpuTypeEntry {
            id: kind.id.0,
            name: kind.name.clone(),
            available: kind.available,
            mig_backed: kind.is_mig_backed(),
        });
        Self {
            pci: gpu.pci.to_string(),
            framework: gpu.framework.map(|framework| framework.to_string()),
            sriov: gpu.sriov.map(|sriov| VgpuSriov {
                functions: sriov.functions,
                most: sriov.most,
            }),
            types: types.collect(),
            problems: gpu.problems.clone(),
        }
    }
}

impl TryFrom<&v1::ListVgpusResponse> for Vgpus {
    type Error = ConvertError;

    fn try_from(answer: &v1::ListVgpusResponse) -> Result<Self, ConvertError> {
        let mut vgpus = Vec::new();
        for (gpu, records) in seen(answer)? {
            for (function, vgpu) in gpu.vgpus() {
                let uuid = vgpu.uuid.map(|uuid| uuid.to_string());
                let function = function.to_string();
                let record = records.iter().find(|record| {
                    record.function == function
                        && record.uuid == uuid
                        && record.type_id == vgpu.type_id.0
                });
                let told = gpu.type_name(vgpu.type_id).map(str::to_owned);
                vgpus.push(VgpuEntry {
                    gpu: gpu.pci.to_string(),
                    function,
                    uuid,
                    type_id: vgpu.type_id.0,
                    type_name: told.or_else(|| record.map(|record| record.type_name.clone())),
                    gpu_instance: vgpu.gpu_instance.map(|gi| gi.0),
                    placement: vgpu.placement,
                    user: vgpu.user.clone(),
                    made_by_kerf: record.map(Into::into),
                });
            }
        }
        Ok(Self {
            schema: VgpusSchema::V1,
            looked_at: answer.looked_ms.map(time),
            age_ms: answer.age_ms,
            users_known: answer.users_known,
            vgpus,
        })
    }
}

impl From<&v1::VgpuRecord> for Vgpu {
    fn from(record: &v1::VgpuRecord) -> Self {
        Self {
            schema: VgpuSchema::V1,
            vgpu: VgpuEntry {
                gpu: record.gpu.clone(),
                function: record.function.clone(),
                uuid: record.uuid.clone(),
                type_id: record.type_id,
                type_name: Some(record.type_name.clone()),
                gpu_instance: record.gpu_instance,
                placement: record.placement,
                user: None,
                made_by_kerf: Some(record.into()),
            },
        }
    }
}

impl From<&v1::VgpuRecord> for VgpuRecord {
    fn from(record: &v1::VgpuRecord) -> Self {
        Self {
            uid: record.uid,
            fence: record.fence,
            for_containers: record.for_containers,
            state: record.state.clone(),
            created_at: time(record.created_ms),
        }
    }
}

/// GPUs with their records.
type Seen<'a> = Vec<(kerf_types::VgpuGpu, &'a [v1::VgpuRecord])>;

fn seen(answer: &v1::ListVgpusResponse) -> Result<Seen<'_>, ConvertError> {
    let host = |(index, host): (usize, &v1::VgpuHost)| {
        let gpu = host.gpu.clone().unwrap_or_default();
        kerf_types::VgpuGpu::try_from(gpu).at(&format!("gpus[{index}].gpu"))
    };
    let gpus = answer.gpus.iter().enumerate();
    gpus.map(|(index, one)| Ok((host((index, one))?, one.records.as_slice())))
        .collect()
}
