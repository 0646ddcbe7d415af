//! AMD's products, as data.

use super::{Compute, Memory};

/// Everything fixed about one GPU model.
#[derive(Debug)]
pub struct AmdProduct {
    /// As `product_name` has it.
    pub name: &'static str,
    /// As KFD's `name` has it.
    pub target: &'static str,
    /// KFD's number of the same: 90402 is gfx942.
    pub target_version: u32,
    /// PCI device id.
    pub device_id: u16,
    /// Accelerator complex dies.
    pub xccs: u32,
    /// Compute units of one XCC.
    pub units_per_xcc: u32,
    /// SDMA engines of the whole GPU.
    pub dma_engines: u32,
    /// Video decoders of the whole GPU.
    pub decoders: u32,
    /// JPEG engines of the whole GPU.
    pub jpeg_engines: u32,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// Compute modes that the driver offers.
    pub compute: &'static [Compute],
    /// Memory modes that the driver offers.
    pub memory: &'static [Memory],
}

/// AMD Instinct MI300X, 192 GB. Sizes as `mem_info_vram_total` and rocminfo print them.
pub static MI300X: AmdProduct = AmdProduct {
    name: "AMD Instinct MI300X OAM",
    target: "ip discovery",
    target_version: 90_402,
    device_id: 0x74a1,
    xccs: 8,
    units_per_xcc: 38,
    dma_engines: 16,
    decoders: 4,
    jpeg_engines: 32,
    memory_bytes: 206_141_652_992,
    compute: &[Compute::Spx, Compute::Dpx, Compute::Qpx, Compute::Cpx],
    memory: &[Memory::Nps1, Memory::Nps2, Memory::Nps4],
};
