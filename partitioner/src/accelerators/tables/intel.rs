//! Intel's GPUs by PCI device id.

use kerf_types::map::CapabilityKey as Key;

use super::{Fact, count, flag, word, words};

/// A model.
pub struct Model {
    /// PCI device id, as the kernel's `include/drm/intel/pciids.h` lists it.
    pub device: u16,
    /// Its name in the `NAMEDDEVICE` list of Intel's compute runtime.
    pub name: &'static str,
    /// Its generation.
    pub architecture: &'static str,
    /// What it can do.
    pub facts: &'static [Fact],
}

/// Ponte Vecchio.
const HPC: &str = "xe-hpc";
/// Alchemist and Arctic Sound-M.
const HPG: &str = "xe-hpg";
/// Battlemage.
const HPG2: &str = "xe2-hpg";

const HPC_FORMATS: Fact = words(Key::Formats, &["bf16", "fp16", "int8", "tf32"]).unverified();
/// Intel's article 000098346, "AI Engines and Supported Datatypes": matrix engines (XMX) of Xe-HPG, without FP8.
const HPG_FORMATS: Fact = words(Key::Formats, &["bf16", "fp16", "int4", "int8"]);
const HPG2_FORMATS: Fact =
    words(Key::Formats, &["bf16", "fp16", "int4", "int8", "tf32"]).unverified();
const NO_FP8: Fact = flag(Key::TransformerEngine, false);
const CODECS: Fact = words(Key::MediaEngines, &["decode", "encode", "jpeg"]).unverified();
const ECC: Fact = flag(Key::MemoryEcc, true).unverified();
/// "Intel Data Center GPU Max Series Technical Overview": tiles of Xe Link.
const XE_LINK: Fact = word(Key::LinkKind, "xelink");

const fn cores(xe_cores: u64) -> Fact {
    count(Key::ComputeUnits, xe_cores)
}
/// The product specifications (ark.intel.com) were not seen, so none of what only they tell is confirmed.
const fn xmx(engines: u64) -> Fact {
    count(Key::TensorUnits, engines).unverified()
}
const fn memory(kind: &'static str) -> Fact {
    word(Key::MemoryKind, kind).unverified()
}
const fn size(gibibytes: u64) -> Fact {
    count(Key::MemorySize, gibibytes).unverified()
}
const fn speed(gigabytes: u64) -> Fact {
    count(Key::MemoryBandwidth, gigabytes).unverified()
}
const fn links(ports: u64) -> Fact {
    count(Key::LinkCount, ports).unverified()
}

const MAX_1550: &[Fact] = &[
    cores(128),
    xmx(1024),
    memory("hbm2e"),
    count(Key::MemorySize, 128),
    speed(3276),
    ECC,
    XE_LINK,
    links(16),
    HPC_FORMATS,
    NO_FP8.unverified(),
];
const MAX_1100: &[Fact] = &[
    cores(56),
    xmx(448),
    memory("hbm2e"),
    count(Key::MemorySize, 48),
    speed(1228),
    ECC,
    XE_LINK,
    links(6),
    HPC_FORMATS,
    NO_FP8.unverified(),
];
const MAX: &[Fact] = &[memory("hbm2e"), ECC, HPC_FORMATS, NO_FP8.unverified()];

/// Xe cores and memory of the Max 1550 and 1100 after the setup guide of Intel's `llm-on-ray`; Xe cores of A770, A750
/// and Flex after `GPU-Occupancy-Calculator` of Intel's `oneAPI-samples` (execution units by sixteen), which has the
/// device ids of A380 and A310 the other way round.
#[rustfmt::skip]
pub const MODELS: &[Model] = &[
    Model { device: 0x0bd5, name: "Intel Data Center GPU Max 1550", architecture: HPC, facts: MAX_1550 },
    Model { device: 0x0bd6, name: "Intel Data Center GPU Max 1550", architecture: HPC, facts: MAX_1550 },
    Model { device: 0x0bd7, name: "Intel Data Center GPU Max 1350", architecture: HPC, facts: MAX },
    Model { device: 0x0bd8, name: "Intel Data Center GPU Max 1350", architecture: HPC, facts: MAX },
    Model { device: 0x0bd9, name: "Intel Data Center GPU Max 1100", architecture: HPC, facts: MAX_1100 },
    Model { device: 0x0bda, name: "Intel Data Center GPU Max 1100", architecture: HPC, facts: MAX_1100 },
    Model { device: 0x0bdb, name: "Intel Data Center GPU Max 1100", architecture: HPC, facts: MAX_1100 },
    Model { device: 0x0b69, name: "Intel Data Center GPU Max 1450", architecture: HPC, facts: MAX },
    Model { device: 0x0b6e, name: "Intel Data Center GPU Max 1100C", architecture: HPC, facts: MAX },
    Model { device: 0x56c0, name: "Intel Data Center GPU Flex 170", architecture: HPG, facts: &[
        cores(32), xmx(512), memory("gddr6"), size(16), speed(576), ECC, CODECS, HPG_FORMATS, NO_FP8,
    ] },
    Model { device: 0x56c1, name: "Intel Data Center GPU Flex 140", architecture: HPG, facts: &[
        cores(8), xmx(128), memory("gddr6"), size(6), ECC, CODECS, HPG_FORMATS, NO_FP8,
    ] },
    Model { device: 0x56a0, name: "Intel Arc A770 Graphics", architecture: HPG, facts: &[
        cores(32), xmx(512), memory("gddr6"), speed(560), CODECS, HPG_FORMATS, NO_FP8,
    ] },
    Model { device: 0x56a1, name: "Intel Arc A750 Graphics", architecture: HPG, facts: &[
        cores(28), xmx(448), memory("gddr6"), size(8), speed(512), CODECS, HPG_FORMATS, NO_FP8,
    ] },
    Model { device: 0x56a2, name: "Intel Arc A580 Graphics", architecture: HPG, facts: &[
        cores(24).unverified(), xmx(384), memory("gddr6"), size(8), speed(512), CODECS, HPG_FORMATS, NO_FP8,
    ] },
    Model { device: 0x56a5, name: "Intel Arc A380 Graphics", architecture: HPG, facts: &[
        cores(8).unverified(), xmx(128), memory("gddr6"), size(6), speed(186), CODECS, HPG_FORMATS, NO_FP8,
    ] },
    Model { device: 0x56a6, name: "Intel Arc A310 Graphics", architecture: HPG, facts: &[
        cores(6).unverified(), xmx(96), memory("gddr6"), size(4), speed(124), CODECS, HPG_FORMATS, NO_FP8,
    ] },
    Model { device: 0x56b1, name: "Intel Arc Pro A40/A50 Graphics", architecture: HPG, facts: &[
        memory("gddr6"), size(6), CODECS, HPG_FORMATS, NO_FP8,
    ] },
    Model { device: 0xe20b, name: "Intel Arc B580 Graphics", architecture: HPG2, facts: &[
        cores(20).unverified(), xmx(160), memory("gddr6"), size(12), speed(456), CODECS, HPG2_FORMATS,
    ] },
    Model { device: 0xe20c, name: "Intel Arc B570 Graphics", architecture: HPG2, facts: &[
        cores(18).unverified(), xmx(144), memory("gddr6"), size(10), speed(380), CODECS, HPG2_FORMATS,
    ] },
    Model { device: 0xe211, name: "Intel Arc Pro B60 Graphics", architecture: HPG2, facts: &[
        cores(20).unverified(), xmx(160), memory("gddr6"), size(24), speed(456), CODECS, HPG2_FORMATS,
    ] },
    Model { device: 0xe212, name: "Intel Arc Pro B50 Graphics", architecture: HPG2, facts: &[
        cores(16).unverified(), xmx(128), memory("gddr6"), size(16), speed(224), CODECS, HPG2_FORMATS,
    ] },
];

/// The model of a device id.
pub fn model(device: u16) -> Option<&'static Model> {
    MODELS.iter().find(|model| model.device == device)
}

/// Whether a device id is Ponte Vecchio's (`INTEL_PVC_IDS`): each of its GTs is a tile.
pub fn is_ponte_vecchio(device: u16) -> bool {
    model(device).is_some_and(|model| model.architecture == HPC)
        || matches!(device, 0x0bd4 | 0x0be0 | 0x0be1 | 0x0be5)
}
