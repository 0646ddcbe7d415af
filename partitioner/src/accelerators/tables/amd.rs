//! AMD's GPUs: what a `gfx` target can do, and models by PCI device id.

use kerf_types::map::CapabilityKey as Key;

use super::{Fact, count, flag, word, words};

/// A model.
pub struct Model {
    /// PCI device id.
    pub device: u16,
    /// Its name in libdrm's `data/amdgpu.ids`.
    pub name: &'static str,
    /// What it can do beside what its target can.
    pub facts: &'static [Fact],
}

/// What a target can do: formats of the matrix cores after "Data types and precision support" of the ROCm
/// documentation, which has no row for int4; of CDNA 4's TF32 it and the white paper differ, so it is left out. That
/// matrix cores skip zeros since CDNA 3 is in its white paper (2023).
pub const TARGETS: &[(&str, &[Fact])] = &[
    (
        "gfx906",
        &[
            flag(Key::TransformerEngine, false).unverified(),
            flag(Key::Sparsity, false).unverified(),
            flag(Key::MemoryEcc, true).unverified(),
            INFINITY_FABRIC.unverified(),
            TURNS,
        ],
    ),
    (
        "gfx908",
        &[
            words(Key::Formats, &["bf16", "fp16", "fp32", "int8"]),
            flag(Key::TransformerEngine, false),
            flag(Key::Sparsity, false),
            flag(Key::MemoryEcc, true).unverified(),
            INFINITY_FABRIC,
            PEERS,
            TURNS,
        ],
    ),
    (
        "gfx90a",
        &[
            words(Key::Formats, &["bf16", "fp16", "fp32", "fp64", "int8"]),
            flag(Key::TransformerEngine, false),
            flag(Key::Sparsity, false),
            flag(Key::MemoryEcc, true).unverified(),
            INFINITY_FABRIC,
            PEERS,
            TURNS,
        ],
    ),
    (
        "gfx942",
        &[
            words(
                Key::Formats,
                &["bf16", "fp16", "fp32", "fp64", "fp8", "int8", "tf32"],
            ),
            flag(Key::Sparsity, true),
            flag(Key::MemoryEcc, true),
            INFINITY_FABRIC,
            PEERS,
            TURNS,
        ],
    ),
    (
        "gfx950",
        &[
            words(
                Key::Formats,
                &["bf16", "fp16", "fp32", "fp4", "fp6", "fp64", "fp8", "int8"],
            ),
            flag(Key::Sparsity, true).unverified(),
            flag(Key::MemoryEcc, true).unverified(),
            INFINITY_FABRIC.unverified(),
            PEERS,
            TURNS,
        ],
    ),
    (
        "gfx1100",
        &[
            words(Key::Formats, &["bf16", "fp16", "int4", "int8"]).unverified(),
            flag(Key::Sparsity, false).unverified(),
            TURNS,
        ],
    ),
    (
        "gfx1201",
        &[
            words(Key::Formats, &["bf16", "fp16", "fp8", "int4", "int8"]).unverified(),
            flag(Key::Sparsity, true).unverified(),
            TURNS,
        ],
    ),
];

const INFINITY_FABRIC: Fact = word(Key::LinkKind, "xgmi");
/// ROCm documentation, "GPU-enabled MPI": interfaces reach the memory of Instinct GPUs by DMA-BUF and PeerDirect.
const PEERS: Fact = flag(Key::PeerDma, true);
/// That processes share a GPU by turns is how the scheduler of KFD works; no document of AMD's calls it a mode.
const TURNS: Fact = words(Key::SharingModes, &["time-slice"]).unverified();
/// "rocJPEG chroma subsampling and hardware capabilities" of the ROCm documentation: VCN and JPEG cores.
const DECODERS: Fact = words(Key::MediaEngines, &["decode", "jpeg"]);

const fn matrix_cores(cores: u64) -> Fact {
    count(Key::TensorUnits, cores)
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
/// Links, and what all of them carry one way: half of the sheets' total.
const fn links(links: u64) -> Fact {
    count(Key::LinkCount, links)
}
const fn carry(gigabytes: u64) -> Fact {
    count(Key::LinkBandwidth, gigabytes)
}

/// MI300A, MI300X and MI325X, and the matrix cores, memory and bandwidth of MI250X and MI250, after the CDNA 3 white
/// paper (table 2, endnotes MI300-14 and MI300-15); MI100 after "MI100 microarchitecture" of the ROCm documentation;
/// sizes of the others after its "GPU hardware specifications". An MI250 has two of these functions, each with half of
/// what its documents say.
#[rustfmt::skip]
pub const MODELS: &[Model] = &[
    Model { device: 0x66a0, name: "AMD Instinct MI60 / MI50", facts: &[
        memory("hbm2").unverified(), speed(1024).unverified(),
    ] },
    Model { device: 0x66a1, name: "AMD Instinct MI60 / MI50", facts: &[
        memory("hbm2").unverified(), speed(1024).unverified(),
    ] },
    Model { device: 0x738c, name: "AMD Instinct MI100", facts: &[
        matrix_cores(480).unverified(), memory("hbm2"), size(32), speed(1228), links(3), carry(138).unverified(),
    ] },
    Model { device: 0x7408, name: "AMD Instinct MI250X", facts: &[
        matrix_cores(440), memory("hbm2e"), size(64), speed(1638), DECODERS,
    ] },
    Model { device: 0x740c, name: "AMD Instinct MI250X / MI250", facts: &[
        memory("hbm2e"), size(64), speed(1638), DECODERS,
    ] },
    Model { device: 0x740f, name: "AMD Instinct MI210", facts: &[
        matrix_cores(416).unverified(), memory("hbm2e").unverified(), size(64), speed(1638).unverified(),
        links(3).unverified(), carry(150).unverified(), DECODERS,
    ] },
    Model { device: 0x74a0, name: "AMD Instinct MI300A", facts: &[
        matrix_cores(912), memory("hbm3"), size(128), speed(5300), DECODERS,
    ] },
    Model { device: 0x74a1, name: "AMD Instinct MI300X", facts: &[
        matrix_cores(1216), memory("hbm3"), size(192), speed(5300), links(7), carry(448), DECODERS,
    ] },
    Model { device: 0x74a2, name: "AMD Instinct MI308X", facts: &[] },
    Model { device: 0x74a5, name: "AMD Instinct MI325X", facts: &[
        matrix_cores(1216), memory("hbm3e"), size(256), speed(6000), links(7), carry(448), DECODERS.unverified(),
    ] },
    Model { device: 0x74a9, name: "AMD Instinct MI300X HF", facts: &[] },
    Model { device: 0x74b5, name: "AMD Instinct MI300X VF", facts: &[memory("hbm3")] },
    Model { device: 0x75a0, name: "AMD Instinct MI350X", facts: &[
        matrix_cores(1024).unverified(), memory("hbm3e").unverified(), size(288), speed(8000).unverified(),
        links(7).unverified(), carry(537).unverified(), DECODERS.unverified(),
    ] },
    Model { device: 0x75a3, name: "AMD Instinct MI355X", facts: &[
        matrix_cores(1024).unverified(), memory("hbm3e").unverified(), size(288), speed(8000).unverified(),
        links(7).unverified(), carry(537).unverified(), DECODERS.unverified(),
    ] },
    Model { device: 0x75b0, name: "AMD Instinct MI350X VF", facts: &[memory("hbm3e").unverified()] },
    Model { device: 0x75b3, name: "AMD Instinct MI355X VF", facts: &[memory("hbm3e").unverified()] },
];

/// The facts of a target.
pub fn target(gfx: &str) -> &'static [Fact] {
    TARGETS
        .iter()
        .find(|(name, _)| *name == gfx)
        .map_or(&[], |(_, facts)| facts)
}

/// The model of a device id.
pub fn model(device: u16) -> Option<&'static Model> {
    MODELS.iter().find(|model| model.device == device)
}
