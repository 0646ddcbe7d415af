//! NVLinks of a GPU: which are up, and where they lead.

use kerf_types::PciAddress;
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

fn remote(device: &Device<'_>, link: u32, active: bool) -> Result<NvLinkRemote, NvmlError> {
    let call = "nvmlDeviceGetNvLinkRemotePciInfo_v2";
    let info = called(call, device.link_wrapper_for(link).remote_pci_info());
    let place = optional(info)?.map(|info| info.bus_id.parse().ok());
    Ok(far_end(
        active,
        optional(ffi::link_end(device, link))?,
        place,
    ))
}

/// Where a link leads, by the kind of its end and its place: `None` where the driver tells none, `Some(None)` where what
/// it tells is no address. An inactive link leads to the unknown, and so does one whose end the driver cannot say. Switches
/// need not be on this host's bus: those of a rack are not, nor are a guest's. Then the driver calls the end a switch
/// without an address, or gives something for an address that is none; NCCL takes that for a switch too
/// (`ncclTopoGetXmlFromGpu`, src/graph/xml.cc).
fn far_end(active: bool, kind: Option<LinkEnd>, place: Option<Option<PciAddress>>) -> NvLinkRemote {
    match (kind, place) {
        (Some(LinkEnd::Gpu), Some(Some(address))) => NvLinkRemote::Gpu(address),
        (Some(LinkEnd::Switch), Some(Some(address))) => NvLinkRemote::Switch(Some(address)),
        (Some(LinkEnd::Switch), _) if active => NvLinkRemote::Switch(None),
        (Some(LinkEnd::Unnamed) | None, Some(None)) if active => NvLinkRemote::Switch(None),
        _ => NvLinkRemote::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::{LinkEnd, NvLinkRemote, far_end};

    #[test]
    fn an_end_without_an_address_is_a_switch_unless_it_is_known_for_something_else() {
        let address = "0000:07:00.0".parse().expect("an address");
        let (told, odd) = (Some(Some(address)), Some(None));
        let (gpu, switch) = (Some(LinkEnd::Gpu), Some(LinkEnd::Switch));
        let (cpu, unnamed) = (Some(LinkEnd::Cpu), Some(LinkEnd::Unnamed));
        let unseen = NvLinkRemote::Switch(None);
        for (kind, place, up, down) in [
            (
                gpu,
                told,
                NvLinkRemote::Gpu(address),
                NvLinkRemote::Gpu(address),
            ),
            (gpu, odd, NvLinkRemote::Unknown, NvLinkRemote::Unknown),
            (
                switch,
                told,
                NvLinkRemote::Switch(Some(address)),
                NvLinkRemote::Switch(Some(address)),
            ),
            (switch, odd, unseen, NvLinkRemote::Unknown),
            (switch, None, unseen, NvLinkRemote::Unknown),
            (unnamed, odd, unseen, NvLinkRemote::Unknown),
            (None, odd, unseen, NvLinkRemote::Unknown),
            (unnamed, told, NvLinkRemote::Unknown, NvLinkRemote::Unknown),
            (unnamed, None, NvLinkRemote::Unknown, NvLinkRemote::Unknown),
            (None, None, NvLinkRemote::Unknown, NvLinkRemote::Unknown),
            // As on POWER9.
            (cpu, told, NvLinkRemote::Unknown, NvLinkRemote::Unknown),
            (cpu, odd, NvLinkRemote::Unknown, NvLinkRemote::Unknown),
            (cpu, None, NvLinkRemote::Unknown, NvLinkRemote::Unknown),
        ] {
            let ends = [true, false].map(|active| far_end(active, kind, place));
            assert_eq!(ends, [up, down], "{kind:?} {place:?}");
        }
    }
}
