//! NVLink of a GPU. In MIG mode the driver answers none of these calls ("Nvlink queries are not
//! supported for Devices in MIG mode").

use super::call::{self, View};
use super::handle::Handle;
use super::pcie::PciInfo;
use super::pointer::{Out, Version, Versioned};
use crate::model::nvlink::LinkEnd;
use crate::model::status::Status;

/// `NVML_NVLINK_DEVICE_TYPE_GPU`, `_SWITCH` and `_UNKNOWN`.
const GPU: u32 = 0;
const SWITCH: u32 = 2;
const UNKNOWN: u32 = 0xff;
/// What NCCL finds for the address of a switch that a guest does not see (`ncclTopoGetXmlFromGpu`, src/graph/xml.cc).
const HIDDEN: &str = "fffffff:ffff:ff";

nvml! {
    fn nvmlDeviceGetNvLinkState(device: Handle, link: u32, active: Out<u32>) {
        let view = linked(device)?;
        active.put(u32::from(view.machine.link_active(view.index, link)?))
    }

    fn nvmlDeviceGetNvLinkVersion(device: Handle, link: u32, version: Out<u32>) {
        let view = linked(device)?;
        view.machine.link_end(view.index, link)?;
        version.put(view.product.nvlink.version)
    }

    // 0 P2P, 1 system memory, 2 P2P atomics, 3 system atomics, 4 SLI bridge, 5 valid.
    fn nvmlDeviceGetNvLinkCapability(
        device: Handle,
        link: u32,
        capability: u32,
        has: Out<u32>,
    ) {
        let view = linked(device)?;
        let wired = view.machine.link_end(view.index, link)?.is_some();
        match capability {
            0 | 2 | 5 => has.put(u32::from(wired)),
            1 | 3 | 4 => has.put(0),
            _ => Err(Status::InvalidArgument),
        }
    }

    fn nvmlDeviceGetNvLinkRemotePciInfo_v2(device: Handle, link: u32, pci: Out<PciInfo>) {
        pci.put(remote(device, link)?)
    }

    fn nvmlDeviceGetNvLinkRemotePciInfo(device: Handle, link: u32, pci: Out<PciInfo>) {
        pci.put(remote(device, link)?)
    }

    fn nvmlDeviceGetNvLinkRemoteDeviceType(device: Handle, link: u32, kind: Out<u32>) {
        let view = linked(device)?;
        kind.put(match far_end(&view, link)? {
            LinkEnd::Gpu(_) => GPU,
            LinkEnd::Switch(_) | LinkEnd::Outside => SWITCH,
            LinkEnd::Hidden => UNKNOWN,
        })
    }

    // Replay, recovery, CRC flit, CRC data, ECC: a simulated link makes no errors.
    fn nvmlDeviceGetNvLinkErrorCounter(
        device: Handle,
        link: u32,
        counter: u32,
        count: Out<u64>,
    ) {
        let view = linked(device)?;
        far_end(&view, link)?;
        if counter > 4 {
            return Err(Status::InvalidArgument);
        }
        count.put(0)
    }

    fn nvmlDeviceResetNvLinkErrorCounters(device: Handle, link: u32) {
        let view = linked(device)?;
        far_end(&view, link).map(|_| ())
    }

    fn nvmlDeviceGetNvLinkInfo(device: Handle, info: Versioned) {
        linked(device)?;
        let mut answer = info.get::<LinkInfo>()?;
        answer.encrypted = 0;
        info.put(answer)
    }
}

/// `nvmlNvLinkInfo_v1_t`.
#[repr(C)]
#[derive(Clone, Copy)]
struct LinkInfo {
    version: u32,
    encrypted: u32,
}

impl Version for LinkInfo {
    const NUMBER: u32 = 1;
}

fn linked(device: Handle) -> Result<View, Status> {
    let view = call::gpu(device)?;
    if view.gpu().mig {
        Err(Status::NotSupported)
    } else {
        Ok(view)
    }
}

/// What a wired link ends at; one that is not wired answers NOT_SUPPORTED, as an inactive one does.
fn far_end(view: &View, link: u32) -> Result<LinkEnd, Status> {
    view.machine
        .link_end(view.index, link)?
        .ok_or(Status::NotSupported)
}

fn remote(device: Handle, link: u32) -> Result<PciInfo, Status> {
    let view = linked(device)?;
    let end = match far_end(&view, link)? {
        LinkEnd::Switch(end) | LinkEnd::Gpu(end) => end,
        // It has no address to tell.
        LinkEnd::Outside => return Err(Status::NotSupported),
        LinkEnd::Hidden => return Ok(PciInfo::unknown(HIDDEN)),
    };
    let spec = view.machine.spec().ok_or(Status::LibRmVersionMismatch)?;
    let ids = crate::machine::pci_ids(spec, end.role);
    Ok(PciInfo::of(end.bdf, ids.0, ids.1))
}
