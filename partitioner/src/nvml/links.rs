//! NVLinks of a GPU: which are up, and where they lead.

use kerf_types::inventory::{NvLink, NvLinkRemote};
use nvml_wrapper::Device;

use super::error::{NvmlError, called, optional};
use super::ffi::{self, LinkEnd};
use super::identity;

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
            remote: remote(device, link)?,
        });
    }
    Ok(links)
}

/// An inactive link, or one to something without a PCI address, leads to the unknown.
fn remote(device: &Device<'_>, link: u32) -> Result<NvLinkRemote, NvmlError> {
    let call = "nvmlDeviceGetNvLinkRemotePciInfo_v2";
    let info = called(call, device.link_wrapper_for(link).remote_pci_info());
    let Some(info) = optional(info)? else {
        return Ok(NvLinkRemote::Unknown);
    };
    let Some(address) = optional(identity::address(call, &info.bus_id))? else {
        return Ok(NvLinkRemote::Unknown);
    };
    Ok(match optional(ffi::link_end(device, link))? {
        Some(LinkEnd::Gpu) => NvLinkRemote::Gpu(address),
        Some(LinkEnd::Switch) => NvLinkRemote::Switch(address),
        Some(LinkEnd::Other) | None => NvLinkRemote::Unknown,
    })
}
