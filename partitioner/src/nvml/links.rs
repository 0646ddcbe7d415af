//! NVLinks of a GPU: which are up, and where they lead.

use kerf_types::inventory::{NvLink, NvLinkRemote};
use nvml_wrapper::Device;

use super::error::{NvmlError, called, optional};
use super::ffi::{self, LinkEnd};

/// Link numbers to ask for. nvml.h of 2026 has 18 links, and generations have doubled them before; the
/// driver refuses those that a GPU lacks, which need not be the last ones.
const LINK_NUMBERS: std::ops::Range<u32> = 0..36;

/// Every link that the GPU has, by number.
pub fn nvlinks(device: &Device<'_>) -> Result<Vec<NvLink>, NvmlError> {
    let mut links = Vec::new();
    for link in LINK_NUMBERS {
        let state = called(
            "nvmlDeviceGetNvLinkState",
            device.link_wrapper_for(link).is_active(),
        );
        let Some(active) = optional(state)? else {
            continue;
        };
        let version = device.link_wrapper_for(link).version();
        links.push(NvLink {
            link,
            active,
            version: optional(called("nvmlDeviceGetNvLinkVersion", version))?.unwrap_or(0),
            remote: remote(device, link, active)?,
        });
    }
    Ok(links)
}

/// Where a link leads. An inactive one leads to the unknown, and so does one whose end the driver cannot say. Switches
/// need not be on this host's bus: those of a rack are not, nor are a guest's. Then the driver calls the end a switch
/// without an address, or gives something for an address that is none; NCCL takes that for a switch too
/// (`ncclTopoGetXmlFromGpu`, src/graph/xml.cc).
fn remote(device: &Device<'_>, link: u32, active: bool) -> Result<NvLinkRemote, NvmlError> {
    let call = "nvmlDeviceGetNvLinkRemotePciInfo_v2";
    let info = called(call, device.link_wrapper_for(link).remote_pci_info());
    let told = optional(info)?;
    let address = told.as_ref().and_then(|info| info.bus_id.parse().ok());
    Ok(match (optional(ffi::link_end(device, link))?, address) {
        (Some(LinkEnd::Gpu), Some(address)) => NvLinkRemote::Gpu(address),
        (Some(LinkEnd::Switch), Some(address)) => NvLinkRemote::Switch(Some(address)),
        (Some(LinkEnd::Switch), None) if active => NvLinkRemote::Switch(None),
        (Some(LinkEnd::Unnamed) | None, None) if active && told.is_some() => {
            NvLinkRemote::Switch(None)
        }
        _ => NvLinkRemote::Unknown,
    })
}
