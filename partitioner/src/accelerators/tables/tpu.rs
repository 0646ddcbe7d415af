//! Google's TPUs by PCI device id.

use kerf_types::map::CapabilityKey as Key;

use super::{Fact, count, flag, word, words};

/// A generation.
pub struct Model {
    /// PCI device id, and the subsystem's where it takes that, as Google's `tpu_info` has them
    /// (`AI-Hypercomputer/cloud-accelerator-diagnostics`, `tpu_info/device.py`).
    pub device: (u16, Option<u16>),
    /// Its name there.
    pub name: &'static str,
    /// The generation alone.
    pub architecture: &'static str,
    /// What it can do.
    pub facts: &'static [Fact],
}

const ICI: Fact = word(Key::LinkKind, "ici");
const NO_FP8: Fact = flag(Key::TransformerEngine, false);
const BF16: Fact = words(Key::Formats, &["bf16"]);
const BF16_INT8: Fact = words(Key::Formats, &["bf16", "int8"]);
const BF16_FP8_INT8: Fact = words(Key::Formats, &["bf16", "fp8", "int8"]);
/// A chip belongs to the process that has opened it (`libtpu`).
const ALONE: Fact = words(Key::SharingModes, &["exclusive"]).unverified();

const fn cores(cores: u64) -> Fact {
    count(Key::ComputeUnits, cores)
}
const fn mxus(units: u64) -> Fact {
    count(Key::TensorUnits, units)
}
const fn memory(kind: &'static str) -> Fact {
    word(Key::MemoryKind, kind)
}
const fn size(gibibytes: u64) -> Fact {
    count(Key::MemorySize, gibibytes)
}
const fn speed(gigabytes: u64) -> Fact {
    count(Key::MemoryBandwidth, gigabytes)
}
const fn links(ports: u64) -> Fact {
    count(Key::LinkCount, ports)
}
/// One way: half of what Cloud TPU's pages give for both.
const fn carry(gigabytes: u64) -> Fact {
    count(Key::LinkBandwidth, gigabytes)
}

/// After the pages "TPU v2" to "TPU7x" of the Cloud TPU documentation, for a chip. That of v2 refers to a paper, so its
/// cores and memory are from `tpu_info/device.py`; that v6e multiplies FP8, at the rate of bf16, is on that of TPU7x.
#[rustfmt::skip]
pub const MODELS: &[Model] = &[
    Model { device: (0x0027, Some(0x004e)), name: "TPU v2", architecture: "v2", facts: &[
        cores(2), mxus(2).unverified(), BF16.unverified(), NO_FP8.unverified(), memory("hbm2").unverified(), size(16),
        speed(700).unverified(), ICI.unverified(), links(4).unverified(), ALONE,
    ] },
    Model { device: (0x0027, Some(0x004f)), name: "TPU v3", architecture: "v3", facts: &[
        cores(2), mxus(4), BF16, NO_FP8, memory("hbm2"), size(32), speed(900), ICI,
        links(4).unverified(), ALONE,
    ] },
    Model { device: (0x005e, None), name: "TPU v4", architecture: "v4", facts: &[
        cores(2), mxus(8), BF16_INT8, NO_FP8, memory("hbm2"), size(32), speed(1200), ICI, links(6),
        carry(150).unverified(), ALONE,
    ] },
    Model { device: (0x0063, None), name: "TPU v5e", architecture: "v5e", facts: &[
        cores(1), mxus(4), BF16_INT8, NO_FP8, memory("hbm2"), size(16), speed(819), ICI, links(4), carry(200), ALONE,
    ] },
    Model { device: (0x0062, None), name: "TPU v5p", architecture: "v5p", facts: &[
        cores(2), mxus(8), BF16_FP8_INT8, memory("hbm2e"), size(95), speed(2765), ICI, links(6), carry(600), ALONE,
    ] },
    Model { device: (0x006f, None), name: "TPU v6e", architecture: "v6e", facts: &[
        cores(1), mxus(2), BF16_FP8_INT8, size(32), speed(1600), ICI, links(4), carry(400), ALONE,
    ] },
    Model { device: (0x0076, None), name: "TPU7x", architecture: "7x", facts: &[
        cores(2), words(Key::Formats, &["bf16", "fp8"]), count(Key::Chiplets, 2), size(192), speed(7380), ICI,
        carry(600), ALONE,
    ] },
];

/// The generation of a device id; v2 and v3 have one, and differ by their subsystem's.
pub fn model(device: u16, subsystem: Option<u16>) -> Option<&'static Model> {
    let is_it = |model: &&Model| {
        let (id, second) = model.device;
        id == device && (second.is_none() || second == subsystem)
    };
    MODELS.iter().find(is_it)
}
