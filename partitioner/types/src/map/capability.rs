//! What an accelerator can do, with meaning: the keys that the registry (`capabilities.toml`) documents.

use std::collections::BTreeMap;

/// How kerf knows a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Provenance {
    /// The device's driver or library said so of this device.
    Driver,
    /// Files of the kernel said so of this device.
    Kernel,
    /// The maker's public documents say so of this model.
    Published,
    /// Nobody could confirm it on hardware or in a primary source.
    Unverified,
}

impl Provenance {
    /// The way of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        let all = [
            Self::Driver,
            Self::Kernel,
            Self::Published,
            Self::Unverified,
        ];
        all.into_iter().find(|one| one.as_str() == word)
    }

    /// The word of the documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Driver => "driver",
            Self::Kernel => "kernel",
            Self::Published => "published",
            Self::Unverified => "unverified",
        }
    }
}

/// A value. Its unit is the key's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CapabilityValue {
    /// Whether it can.
    Flag(bool),
    /// How much.
    Count(u64),
    /// Which one.
    Word(String),
    /// Which ones, sorted.
    Words(Vec<String>),
}

/// A value and how kerf knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capability {
    /// The value.
    pub value: CapabilityValue,
    /// How kerf knows it.
    pub provenance: Provenance,
}

/// Values by key. A key that is absent is unknown, which is not the same as "no".
pub type Capabilities = BTreeMap<CapabilityKey, Capability>;

macro_rules! keys {
    ($($variant:ident $word:literal $doc:literal)*) => {
        /// What a value is about.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum CapabilityKey {
            $(#[doc = $doc] $variant,)*
        }

        impl CapabilityKey {
            /// Every key, in order of the documents.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The key of the documents and of the registry.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }

            /// The key of that word.
            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|key| key.as_str() == word)
            }

            /// What it says, in words.
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Self::$variant => $doc,)*
                }
            }
        }
    };
}

keys! {
    ComputeUnits "compute.units" "Units that run threads: SMs of NVIDIA, CUs of AMD, Xe cores of Intel, TPCs of Gaudi, cores of TPU and Neuron."
    TensorUnits "compute.tensor_units" "Units that multiply matrices, by their maker's word."
    Formats "compute.formats" "Numeric formats that the matrix units multiply at their full rate or better than fp32 vectors do."
    TransformerEngine "compute.transformer_engine" "Whether it scales FP8 or narrower by layer in hardware, as NVIDIA's Transformer Engine does."
    Sparsity "compute.structured_sparsity" "Whether it skips two zeros of four."
    Chiplets "compute.chiplets" "Dies that compute in one device: XCCs of AMD, tiles of Intel."
    MemoryKind "memory.kind" "Kind of its memory: hbm2, hbm2e, hbm3, hbm3e, gddr6, lpddr5, ddr4."
    MemorySize "memory.nominal_gib" "Memory that its maker's documents give the model, in gibibytes: what there is where the kernel tells none."
    MemoryBandwidth "memory.bandwidth_gbps" "Peak of its memory in gigabytes a second."
    MemoryEcc "memory.ecc" "Whether its memory corrects errors."
    PartitionModes "partition.modes" "Ways to cut it: mig, vgpu, sriov, the regions of an FPGA, and AMD's spx, dpx, tpx, qpx, cpx."
    PartitionMemoryModes "partition.memory_modes" "Ways to cut its memory: AMD's nps1, nps2, nps4, nps8."
    PartitionMax "partition.max_count" "Most slices that it can be cut into."
    SharingModes "sharing.modes" "Ways to share it without cutting: mps, time-slice, exclusive."
    LinkKind "interconnect.kind" "Links to its peers: nvlink, xgmi, xelink, gaudi, neuronlink, ici."
    LinkCount "interconnect.links" "How many of them."
    LinkBandwidth "interconnect.bandwidth_gbps" "What all of them carry one way, in gigabytes a second."
    Confidential "confidential.computing" "Whether it can keep a tenant's memory from the host."
    MediaEngines "media.engines" "Fixed units for media: decode, encode, jpeg, optical-flow."
    PcieAtomics "pcie.atomics" "Whether atomic operations of its own reach the host over PCIe, or the host's reach it."
    PeerDma "pcie.peer_dma" "Whether interfaces and disks can reach its memory without the host's: GPUDirect, DMA-BUF."
    HostCoherent "memory.host_coherent" "Whether processor and device see each other's memory coherently: NVLink-C2C, Infinity Fabric of an APU."
    Virtualised "virtual.function" "Whether it is a virtual function, so a part of a device."
}
