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
    /// As `product_number` has it.
    pub number: &'static str,
    /// PCI device id.
    pub device_id: u16,
    /// PCI subsystem device id.
    pub subsystem_id: u16,
    /// PCI class code, 24 bits.
    pub class: u32,
    /// PCIe generation of its link.
    pub pcie_generation: u32,
    /// How the GPUs of a machine are wired to each other.
    pub hive: Hive,
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
    /// Compute modes that the driver offers; none where it does not partition at all and has none of the files.
    pub compute: &'static [Compute],
    /// Memory modes that the driver offers.
    pub memory: &'static [Memory],
}

/// The xGMI links between the GPUs of a machine, by their places.
#[derive(Debug)]
pub struct Hive {
    /// What one link moves in one direction, in MB/s: sixteen lanes at the speed of the product
    /// (`amdgpu_xgmi_get_bandwidth`).
    pub link_mbps: u32,
    /// Pairs that are wired, with the number of their links; `None` where each pair is, with one link.
    pub pairs: Option<&'static [(u32, u32, u32)]>,
}

impl Hive {
    /// Links between two GPUs, which are 0 where traffic goes through others.
    #[must_use]
    pub fn links(&self, one: u32, other: u32) -> u32 {
        let ends = (one.min(other), one.max(other));
        let Some(pairs) = self.pairs else {
            return u32::from(one != other);
        };
        let mut pairs = pairs.iter();
        let found = pairs.find(|(low, high, _)| (*low, *high) == ends);
        found.map_or(0, |(.., links)| *links)
    }

    /// Hops between two of `count` GPUs; 0 where there is no way.
    #[must_use]
    pub fn hops(&self, one: u32, other: u32, count: u32) -> u32 {
        let mut reached = vec![one];
        for hops in 1..count {
            let further =
                (0..count).filter(|next| reached.iter().any(|at| self.links(*at, *next) > 0));
            let further: Vec<u32> = further.collect();
            if further.contains(&other) {
                return hops;
            }
            reached.extend(further);
            reached.sort_unstable();
            reached.dedup();
        }
        0
    }
}

/// AMD Instinct MI300X, 192 GB. Sizes as `mem_info_vram_total` and rocminfo print them.
pub static MI300X: AmdProduct = AmdProduct {
    name: "AMD Instinct MI300X OAM",
    target: "ip discovery",
    target_version: 90_402,
    number: "102-G30211-00",
    device_id: 0x74a1,
    subsystem_id: 0x74a1,
    class: 0x12_0000,
    pcie_generation: 5,
    hive: Hive {
        link_mbps: 64_000,
        pairs: None,
    },
    xccs: 8,
    units_per_xcc: 38,
    dma_engines: 16,
    decoders: 4,
    jpeg_engines: 32,
    memory_bytes: 206_141_652_992,
    compute: &[Compute::Spx, Compute::Dpx, Compute::Qpx, Compute::Cpx],
    memory: &[Memory::Nps1, Memory::Nps2, Memory::Nps4],
};

/// One of the two GPUs of an AMD Instinct MI250X, 64 GB. Who is wired to whom is as in RCCL's `topo_8p_90a.xml`, which
/// counts one link to each pair; boards have more between the two GPUs of a package. Ids as in `topo_8p_90a_1.xml`,
/// names as ROCm's tools print them.
pub static MI250X: AmdProduct = AmdProduct {
    name: "AMD Instinct MI250X",
    target: "gfx90a",
    target_version: 90_010,
    number: "102-D65201-00",
    device_id: 0x7408,
    subsystem_id: 0x0b0c,
    class: 0x03_8000,
    pcie_generation: 4,
    hive: Hive {
        link_mbps: 50_000,
        pairs: Some(&[
            (0, 1, 1),
            (0, 2, 1),
            (0, 6, 1),
            (1, 3, 1),
            (1, 5, 1),
            (2, 3, 1),
            (2, 4, 1),
            (3, 7, 1),
            (4, 5, 1),
            (4, 6, 1),
            (5, 7, 1),
            (6, 7, 1),
        ]),
    },
    xccs: 1,
    units_per_xcc: 110,
    dma_engines: 5,
    decoders: 2,
    jpeg_engines: 1,
    memory_bytes: 68_702_699_520,
    compute: &[],
    memory: &[],
};
