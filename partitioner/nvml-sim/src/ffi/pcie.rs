//! The PCI side of a GPU: address, link, throughput.

use super::call::{self, View};
use super::handle::Handle;
use super::pointer::{Out, Version, Versioned, text_field, version_of};
use crate::model::spec::Bdf;
use crate::model::status::Status;

nvml! {
    fn nvmlDeviceGetPciInfo_v3(device: Handle, out: Out<PciInfo>) { out.put(info(device)?) }

    fn nvmlDeviceGetPciInfo_v2(device: Handle, out: Out<PciInfo>) { out.put(info(device)?) }

    fn nvmlDeviceGetPciInfo(device: Handle, out: Out<PciInfo>) { out.put(info(device)?) }

    fn nvmlDeviceGetPciInfoExt(device: Handle, out: Versioned) {
        let view = call::parent(device)?;
        let bdf = view.machine.site(view.index)?.bdf;
        out.put(PciInfoExt {
            version: version_of::<PciInfoExt>(),
            domain: u32::from(bdf.domain),
            bus: u32::from(bdf.bus),
            device: u32::from(bdf.device),
            ids: view.product.device_id,
            subsystem: view.product.subsystem_id,
            base_class: 0x3,
            sub_class: 0x2,
            bus_id: bus_id(bdf),
        })
    }

    fn nvmlDeviceGetMaxPcieLinkGeneration(device: Handle, generation: Out<u32>) {
        generation.put(call::gpu(device)?.product.pcie_generation)
    }

    fn nvmlDeviceGetGpuMaxPcieLinkGeneration(device: Handle, generation: Out<u32>) {
        generation.put(call::gpu(device)?.product.pcie_generation)
    }

    fn nvmlDeviceGetCurrPcieLinkGeneration(device: Handle, generation: Out<u32>) {
        generation.put(call::gpu(device)?.product.pcie_generation)
    }

    fn nvmlDeviceGetMaxPcieLinkWidth(device: Handle, lanes: Out<u32>) {
        call::gpu(device)?;
        lanes.put(16)
    }

    fn nvmlDeviceGetCurrPcieLinkWidth(device: Handle, lanes: Out<u32>) {
        call::gpu(device)?;
        lanes.put(16)
    }

    // `NVML_PCIE_LINK_MAX_SPEED_*` counts generations.
    fn nvmlDeviceGetPcieLinkMaxSpeed(device: Handle, speed: Out<u32>) {
        speed.put(call::gpu(device)?.product.pcie_generation)
    }

    fn nvmlDeviceGetPcieSpeed(device: Handle, mbps: Out<u32>) {
        mbps.put(1_000 << call::gpu(device)?.product.pcie_generation)
    }

    // 0 sent, 1 received, in KB/s.
    fn nvmlDeviceGetPcieThroughput(device: Handle, direction: u32, kbps: Out<u32>) {
        let view = call::gpu(device)?;
        if direction > 1 {
            return Err(Status::InvalidArgument);
        }
        kbps.put(throughput_kbps(&view, direction == 0))
    }

    fn nvmlDeviceGetPcieReplayCounter(device: Handle, replays: Out<u32>) {
        call::gpu(device)?;
        replays.put(0)
    }
}

/// `nvmlPciInfo_t`.
#[repr(C)]
pub struct PciInfo {
    bus_id_legacy: [u8; 16],
    domain: u32,
    bus: u32,
    device: u32,
    ids: u32,
    subsystem: u32,
    bus_id: [u8; 32],
}

impl PciInfo {
    /// The information of a function with these ids.
    pub fn of(bdf: Bdf, ids: u32, subsystem: u32) -> Self {
        Self {
            bus_id_legacy: text_field(&bdf.to_string().to_uppercase()),
            domain: u32::from(bdf.domain),
            bus: u32::from(bdf.bus),
            device: u32::from(bdf.device),
            ids,
            subsystem,
            bus_id: bus_id(bdf),
        }
    }

    /// The information of something of which there is this text alone.
    pub fn unknown(text: &str) -> Self {
        Self {
            bus_id_legacy: text_field(text),
            domain: u32::MAX,
            bus: u32::MAX,
            device: u32::MAX,
            ids: 0,
            subsystem: 0,
            bus_id: text_field(text),
        }
    }
}

/// `nvmlPciInfoExt_v1_t`.
#[repr(C)]
#[derive(Clone, Copy)]
struct PciInfoExt {
    version: u32,
    domain: u32,
    bus: u32,
    device: u32,
    ids: u32,
    subsystem: u32,
    base_class: u32,
    sub_class: u32,
    bus_id: [u8; 32],
}

impl Version for PciInfoExt {
    const NUMBER: u32 = 1;
}

/// NVML's form has a domain of eight digits: `00000000:0F:00.0`.
fn bus_id(bdf: Bdf) -> [u8; 32] {
    text_field(&format!("0000{bdf}").to_uppercase())
}

fn info(device: Handle) -> Result<PciInfo, Status> {
    let view = call::parent(device)?;
    let bdf = view.machine.site(view.index)?.bdf;
    Ok(PciInfo::of(
        bdf,
        view.product.device_id,
        view.product.subsystem_id,
    ))
}

/// Idle chatter plus a share that grows with the load; figures of an H100 capture.
pub fn throughput_kbps(view: &View, sent: bool) -> u32 {
    let percent = view.gpu().sampled_percent(view.product, view.now_us);
    let (idle, full) = if sent { (329, 9_139) } else { (352, 19_191) };
    idle + (full - idle) * percent / 100 + view.gpu().jitter(3, view.now_us) % 24
}
