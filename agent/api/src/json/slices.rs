//! `kerf slices`: the slices of a host, and who has them.

#[cfg(test)]
mod tests;

use serde::Serialize;

use super::shared::SharedGpu;
use super::{Placement, schema_tag};
use crate::convert::{At, ConvertError, part_place, placement};
use crate::v1;

schema_tag!(SlicesSchema, "kerf.v1.Slices");

/// The slices of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Slices {
    /// Names this document.
    pub schema: SlicesSchema,
    /// The slices, by GPU and place.
    pub slices: Vec<Slice>,
    /// GPUs that are shared, or whose slices are.
    pub shared: Vec<SharedGpu>,
}

/// One slice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Slice {
    /// Stable name of its place: `<pci>-<start>-<size>`, and `-c<start>-<size>` for a part.
    pub id: String,
    /// NVML index of its GPU.
    pub gpu_index: u32,
    /// UUID of its GPU.
    pub gpu_uuid: String,
    /// Address of its GPU.
    pub gpu_pci: String,
    /// Its profile.
    pub profile: String,
    /// Its place.
    pub placement: Placement,
    /// Its place in the GPU instance, in compute slices; left out for a whole one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compute: Option<Placement>,
    /// Id of its GPU instance.
    pub gi: u32,
    /// Id of its compute instance; null while it has none.
    pub ci: Option<u32>,
    /// UUID of its MIG device; null while it has none.
    pub uuid: Option<String>,
    /// Its memory.
    pub memory_bytes: u64,
    /// Its streaming multiprocessors.
    pub sm_count: u32,
    /// What keeps a lease on it apart from others: `hardware`; `compute` for a part, which shares its memory with the
    /// other parts; `mps` where it is shared.
    pub isolation: String,
    /// `free`, `reserved`, `leased`, `draining` or `quarantined`.
    pub state: String,
    /// Why it is draining or quarantined.
    pub reason: Option<String>,
    /// The lease that names it.
    pub lease: Option<String>,
    /// Who has it.
    pub holder: Option<String>,
    /// Its standing CDI name.
    pub cdi_name: String,
}

impl TryFrom<&v1::ListSlicesResponse> for Slices {
    type Error = ConvertError;

    fn try_from(response: &v1::ListSlicesResponse) -> Result<Self, ConvertError> {
        let one = |(index, slice)| Slice::try_from(slice).at(&format!("slices[{index}]"));
        let slices = response
            .slices
            .iter()
            .enumerate()
            .map(one)
            .collect::<Result<_, _>>()?;
        let one = |(index, gpu)| SharedGpu::try_from(gpu).at(&format!("shared[{index}]"));
        let shared = response.shared.iter().enumerate().map(one);
        let shared = shared.collect::<Result<_, _>>()?;
        Ok(Self {
            schema: SlicesSchema::V1,
            slices,
            shared,
        })
    }
}

impl TryFrom<&v1::Slice> for Slice {
    type Error = ConvertError;

    fn try_from(slice: &v1::Slice) -> Result<Self, ConvertError> {
        Ok(Self {
            id: slice.id.clone(),
            gpu_index: slice.gpu_index,
            gpu_uuid: slice.gpu_uuid.clone(),
            gpu_pci: slice.gpu_pci.clone(),
            profile: slice.profile.clone(),
            placement: placement(slice.placement)?.into(),
            compute: part_place(slice.compute, "compute")?.map(Into::into),
            gi: slice.gi,
            ci: slice.ci,
            uuid: slice.uuid.clone(),
            memory_bytes: slice.memory_bytes,
            sm_count: slice.sm_count,
            isolation: slice.isolation.clone(),
            state: slice.state.clone(),
            reason: slice.reason.clone(),
            lease: slice.lease.clone(),
            holder: slice.holder.clone(),
            cdi_name: slice.cdi_name.clone(),
        })
    }
}
