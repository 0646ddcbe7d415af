//! AWS's Inferentia and Trainium by the name that their driver has for them.

use kerf_types::map::CapabilityKey as Key;

use super::{Fact, count, flag, word, words};

/// A model.
pub struct Model {
    /// PCI device ids, as `neuron_device.h` of the driver has them.
    pub devices: &'static [u16],
    /// `info/architecture/device_name` (`arch_device_name_suffix` in `v1` to `v4` of the driver).
    pub name: &'static str,
    /// The generation, as instances are called after it (`arch_instance_suffix`).
    pub architecture: &'static str,
    /// What it can do.
    pub facts: &'static [Fact],
}

const NEURONLINK: Fact = word(Key::LinkKind, "neuronlink");
/// That the driver counts uncorrected ECC errors shows that memory has them.
const ECC: Fact = flag(Key::MemoryEcc, true);
/// The driver's `neuron_dmabuf.c` and `neuron_p2p.c`: EFA reaches the memory through DMA-BUF.
const PEERS: Fact = flag(Key::PeerDma, true);
/// Neuron Runtime documentation: a NeuronCore belongs to one process, by `NEURON_RT_VISIBLE_CORES`.
const ALONE: Fact = words(Key::SharingModes, &["exclusive"]);

/// After "Inferentia", "Inferentia2", "Trainium", "Trainium2" and "Trainium3 Architecture" and the NKI architecture
/// guides of the Neuron documentation. What links carry is given there without a direction.
#[rustfmt::skip]
pub const MODELS: &[Model] = &[
    Model { devices: &[0x7064, 0x7065, 0x7066, 0x7067], name: "Inferentia", architecture: "inf1", facts: &[
        count(Key::ComputeUnits, 4), count(Key::TensorUnits, 4).unverified(),
        words(Key::Formats, &["bf16", "fp16", "int8"]),
        flag(Key::TransformerEngine, false), word(Key::MemoryKind, "ddr4").unverified(), count(Key::MemorySize, 8),
        NEURONLINK, ALONE,
    ] },
    Model { devices: &[0x7164], name: "Trainium1", architecture: "trn1", facts: &[
        count(Key::ComputeUnits, 2), count(Key::TensorUnits, 2),
        words(Key::Formats, &["bf16", "fp16", "fp8", "int8", "tf32"]),
        flag(Key::Sparsity, false), word(Key::MemoryKind, "hbm2e").unverified(), count(Key::MemorySize, 32),
        count(Key::MemoryBandwidth, 820), ECC, NEURONLINK, count(Key::LinkCount, 4), PEERS, ALONE,
    ] },
    Model { devices: &[0x7264], name: "Inferentia2", architecture: "inf2", facts: &[
        count(Key::ComputeUnits, 2), count(Key::TensorUnits, 2),
        words(Key::Formats, &["bf16", "fp16", "fp8", "int8", "tf32"]),
        flag(Key::Sparsity, false), word(Key::MemoryKind, "hbm2e").unverified(), count(Key::MemorySize, 32),
        count(Key::MemoryBandwidth, 820), ECC, NEURONLINK, count(Key::LinkCount, 2), PEERS, ALONE,
    ] },
    Model { devices: &[0x7364], name: "Trainium2", architecture: "trn2", facts: &[
        count(Key::ComputeUnits, 8), count(Key::TensorUnits, 8),
        words(Key::Formats, &["bf16", "fp16", "fp8", "tf32"]),
        flag(Key::Sparsity, true), word(Key::MemoryKind, "hbm3").unverified(), count(Key::MemorySize, 96),
        count(Key::MemoryBandwidth, 2900), ECC, NEURONLINK, count(Key::LinkCount, 4),
        count(Key::LinkBandwidth, 640).unverified(), PEERS, ALONE,
    ] },
    Model { devices: &[0x7564, 0x7565], name: "Trainium3", architecture: "trn3", facts: &[
        count(Key::ComputeUnits, 8), count(Key::TensorUnits, 8),
        words(Key::Formats, &["bf16", "fp16", "fp4", "fp8", "tf32"]),
        flag(Key::Sparsity, true), word(Key::MemoryKind, "hbm3e").unverified(), count(Key::MemorySize, 144),
        count(Key::MemoryBandwidth, 4900), ECC, NEURONLINK, count(Key::LinkCount, 4),
        count(Key::LinkBandwidth, 1280).unverified(), PEERS, ALONE,
    ] },
];

/// The model of a device id.
pub fn by_device(device: u16) -> Option<&'static Model> {
    MODELS.iter().find(|model| model.devices.contains(&device))
}

/// The model of a `device_name`.
pub fn by_name(name: &str) -> Option<&'static Model> {
    MODELS.iter().find(|model| model.name == name)
}
