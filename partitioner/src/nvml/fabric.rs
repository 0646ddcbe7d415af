//! What joins a GPU to others beyond its bus: its place in the NVLink fabric, and its links to the processor of its
//! module.
//!
//! Owns what an answer means. A driver that has no such call, or says that the GPU has none of it, is no error.

use kerf_types::fabric::{C2cLink, Fabric, FabricHealth, FabricState, FabricSummary};
use nvml_wrapper::Device;
use nvml_wrapper_sys::bindings::field_id::{
    NVML_FI_DEV_C2C_LINK_COUNT, NVML_FI_DEV_C2C_LINK_GET_MAX_BW, NVML_FI_DEV_C2C_LINK_GET_STATUS,
};

use super::error::{NvmlError, optional};
use super::ffi::{self, FabricInfo, Field};

/// Most links that are asked for one by one. NVML has metrics for fourteen; a count beyond this is no count of links.
const C2C_LIMIT: u64 = 64;

/// The fabric of a GPU; `None` where the driver tells of none.
pub fn fabric(device: &Device<'_>) -> Result<Option<Fabric>, NvmlError> {
    Ok(optional(ffi::fabric_info(device))?.map(told))
}

/// Before the state is "completed", nvml.h gives no meaning to status, UUID and clique.
fn told(info: FabricInfo) -> Fabric {
    let state = FabricState::from_number(info.state);
    let is_in = state == FabricState::Completed;
    let summary = info.summary.and_then(FabricSummary::from_number);
    let has_one = state != FabricState::NotSupported;
    Fabric {
        state,
        status: is_in.then_some(info.status),
        cluster: (is_in && info.cluster != [0; 16]).then_some(info.cluster),
        clique: is_in.then_some(info.clique),
        health: info
            .mask
            .filter(|_| has_one)
            .map(|mask| FabricHealth { mask, summary }),
    }
}

/// The links between the GPU and its processor, by number.
pub fn c2c_links(device: &Device<'_>) -> Result<Vec<C2cLink>, NvmlError> {
    match ffi::c2c_enabled(device) {
        // The fields are older than the call.
        Ok(true) | Err(NvmlError::Missing { .. }) => {}
        other => return optional(other).map(|_| Vec::new()),
    }
    let count = Field {
        id: NVML_FI_DEV_C2C_LINK_COUNT,
        scope: 0,
    };
    let answers = optional(ffi::fields(device, &[count]))?.unwrap_or_default();
    let count = answers.first().copied().flatten().unwrap_or(0);
    let Some(count) = u32::try_from(count.min(C2C_LIMIT))
        .ok()
        .filter(|count| *count > 0)
    else {
        return Ok(Vec::new());
    };
    let ask = |link| {
        [
            NVML_FI_DEV_C2C_LINK_GET_STATUS,
            NVML_FI_DEV_C2C_LINK_GET_MAX_BW,
        ]
        .map(|id| Field { id, scope: link })
    };
    let asked: Vec<Field> = (0..count).flat_map(ask).collect();
    let answers = optional(ffi::fields(device, &asked))?.unwrap_or_default();
    let links = (0..count).map(|link| {
        let of_link = usize::try_from(link).unwrap_or(usize::MAX);
        let mut told = answers.iter().skip(of_link.saturating_mul(2)).copied();
        let active = told.next().flatten().map(|up| up != 0);
        let mbps = told.next().flatten();
        C2cLink {
            link,
            active,
            mbps: mbps
                .filter(|mbps| *mbps > 0 && active != Some(false))
                .and_then(|mbps| u32::try_from(mbps).ok()),
        }
    });
    Ok(links.collect())
}

#[cfg(test)]
mod tests;
