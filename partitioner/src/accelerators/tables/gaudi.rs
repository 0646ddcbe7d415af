//! Habana's accelerators by PCI device id.

use kerf_types::map::CapabilityKey as Key;

use super::{Fact, count, flag, word, words};

/// A model.
pub struct Model {
    /// PCI device ids, as `habanalabs_drv.c` lists them; those of Gaudi 3 are in Intel's release of the driver, which
    /// the kernel has not.
    pub devices: &'static [u16],
    /// What `device_type` begins with (`drivers/accel/habanalabs/common/sysfs.c`).
    pub kind: &'static str,
    /// Marketing name.
    pub name: &'static str,
    /// Its generation.
    pub architecture: &'static str,
    /// What it can do.
    pub facts: &'static [Fact],
}

const PORTS: Fact = word(Key::LinkKind, "gaudi");
const ECC: Fact = flag(Key::MemoryEcc, true);
/// Gaudi documentation, "Gaudi Direct": interfaces reach the memory through DMA-BUF.
const PEERS: Fact = flag(Key::PeerDma, true);
/// `hl_device_open` refuses a second user with EBUSY (`habanalabs_drv.c`).
const ALONE: Fact = words(Key::SharingModes, &["exclusive"]);

/// After "Gaudi Architecture" and "Network Configuration" (Gaudi 3: 21 ports up and 3 out, of 200 gigabits a second) of
/// the Gaudi documentation and the white paper of Gaudi 2 (2022). Tensor cores after the driver: `gaudi.h` has
/// `TPC_NUMBER_OF_ENGINES` and `gaudi2.h` `NUM_OF_TPC_PER_DCORE`; its matrix engines count otherwise than Intel's
/// leaflets. The other ports have 100 gigabits, and their counts are also the driver's (`get_dev_nic_ports_mask`). The
/// rest of Gaudi 3 was seen at second hand alone. The names with more letters stand first.
#[rustfmt::skip]
pub const MODELS: &[Model] = &[
    Model { devices: &[0x1060, 0x1062, 0x1063], kind: "GAUDI3", name: "Intel Gaudi 3", architecture: "gaudi3", facts: &[
        count(Key::ComputeUnits, 64).unverified(), count(Key::TensorUnits, 8).unverified(),
        count(Key::Chiplets, 2).unverified(), words(Key::Formats, &["bf16", "fp16", "fp8", "tf32"]).unverified(),
        word(Key::MemoryKind, "hbm2e").unverified(), count(Key::MemorySize, 128).unverified(),
        count(Key::MemoryBandwidth, 3700).unverified(), ECC.unverified(), PORTS, count(Key::LinkCount, 24),
        count(Key::LinkBandwidth, 600), words(Key::MediaEngines, &["decode", "jpeg"]).unverified(), PEERS, ALONE,
    ] },
    Model { devices: &[0x1020, 0x1021], kind: "GAUDI2", name: "Intel Gaudi 2", architecture: "gaudi2", facts: &[
        count(Key::ComputeUnits, 24), count(Key::TensorUnits, 2).unverified(),
        words(Key::Formats, &["bf16", "fp16", "fp8", "tf32"]),
        word(Key::MemoryKind, "hbm2e"), count(Key::MemorySize, 96), count(Key::MemoryBandwidth, 2450), ECC,
        PORTS, count(Key::LinkCount, 24), count(Key::LinkBandwidth, 300),
        words(Key::MediaEngines, &["decode", "jpeg"]), PEERS, ALONE,
    ] },
    Model { devices: &[0x1000, 0x1001, 0x1010, 0x1011], kind: "GAUDI", name: "Intel Gaudi", architecture: "gaudi",
        facts: &[
        count(Key::ComputeUnits, 8), count(Key::TensorUnits, 1).unverified(), flag(Key::TransformerEngine, false),
        words(Key::Formats, &["bf16"]),
        word(Key::MemoryKind, "hbm2"), count(Key::MemorySize, 32), count(Key::MemoryBandwidth, 1000).unverified(), ECC,
        PORTS, count(Key::LinkCount, 10), count(Key::LinkBandwidth, 125), ALONE,
    ] },
    Model { devices: &[0x0001], kind: "GOYA", name: "Habana Goya", architecture: "goya", facts: &[
        flag(Key::TransformerEngine, false).unverified(), word(Key::MemoryKind, "ddr4").unverified(),
    ] },
];

/// The model of a device id.
pub fn by_device(device: u16) -> Option<&'static Model> {
    MODELS.iter().find(|model| model.devices.contains(&device))
}

/// The model of a driver's `device_type`: `GAUDI2B` and `GAUDI SEC` are steps of their models.
pub fn by_kind(kind: &str) -> Option<&'static Model> {
    MODELS.iter().find(|model| kind.starts_with(model.kind))
}
