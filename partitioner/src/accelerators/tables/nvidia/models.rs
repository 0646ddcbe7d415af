//! NVIDIA's data-centre GPUs, each line after the data sheet of that name.

use kerf_types::map::CapabilityKey as Key;

use super::super::{Fact, count, flag, word, words};
use super::Model;

const MIG: Fact = words(Key::PartitionModes, &["mig", "vgpu"]);
const VGPU: Fact = words(Key::PartitionModes, &["vgpu"]);
/// MIG User Guide, "Supported GPUs": most instances of each.
const SEVEN: Fact = count(Key::PartitionMax, 7);
const TWO: Fact = count(Key::PartitionMax, 2);
const FOUR: Fact = count(Key::PartitionMax, 4);
const NVLINK: Fact = word(Key::LinkKind, "nvlink");
const ECC: Fact = flag(Key::MemoryEcc, true);
/// GPUDirect RDMA documentation: all data-centre GPUs.
const PEERS: Fact = flag(Key::PeerDma, true);
/// Without NVENC: A100, H100 and Blackwell data sheets, Video Codec SDK support matrix.
const DECODERS: Fact = words(Key::MediaEngines, &["decode", "jpeg", "optical-flow"]);
const CODECS: Fact = words(
    Key::MediaEngines,
    &["decode", "encode", "jpeg", "optical-flow"],
);

/// The documents of confidential computing name the H100 and the H200 of Hopper alone.
const SECRET: Fact = flag(Key::Confidential, true).unverified();

/// Links, and what all of them carry one way in gigabytes a second: half of the sheets' total.
const fn links(links: u64) -> Fact {
    count(Key::LinkCount, links)
}
const fn carry(gigabytes: u64) -> Fact {
    count(Key::LinkBandwidth, gigabytes)
}
const fn kind(kind: &'static str) -> Fact {
    word(Key::MemoryKind, kind)
}
const fn size(gibibytes: u64) -> Fact {
    count(Key::MemorySize, gibibytes)
}
const fn speed(gigabytes: u64) -> Fact {
    count(Key::MemoryBandwidth, gigabytes)
}
const fn units(multiprocessors: u64) -> Fact {
    count(Key::ComputeUnits, multiprocessors)
}
const fn tensors(cores: u64) -> Fact {
    count(Key::TensorUnits, cores)
}

/// In order: a name with more words stands before one that it contains.
#[rustfmt::skip]
pub(in crate::accelerators) const MODELS: &[Model] = &[
    // Tesla V100 data sheet (January 2020) and V100 white paper.
    Model { compute: (7, 0), words: &["V100", "SXM2", "16GB"], facts: &[
        units(80), tensors(640), kind("hbm2"), size(16), speed(900), ECC, VGPU, NVLINK, links(6), carry(150), PEERS,
    ] },
    Model { compute: (7, 0), words: &["V100", "SXM2", "32GB"], facts: &[
        units(80), tensors(640), kind("hbm2"), size(32), speed(900), ECC, VGPU, NVLINK, links(6), carry(150), PEERS,
    ] },
    Model { compute: (7, 0), words: &["V100"], facts: &[units(80), tensors(640), kind("hbm2"), ECC, VGPU, PEERS] },
    // T4 data sheet (2019).
    Model { compute: (7, 5), words: &["T4"], facts: &[
        units(40), tensors(320), kind("gddr6"), size(16), speed(320), ECC, VGPU, PEERS,
    ] },
    // A100 data sheet (2021) and white paper.
    Model { compute: (8, 0), words: &["A100", "SXM4", "80GB"], facts: &[
        units(108), tensors(432), kind("hbm2e"), size(80), speed(2039), ECC, MIG, SEVEN, NVLINK, links(12), carry(300),
        DECODERS, PEERS,
    ] },
    Model { compute: (8, 0), words: &["A100", "SXM4", "40GB"], facts: &[
        units(108), tensors(432), kind("hbm2"), size(40), speed(1555), ECC, MIG, SEVEN, NVLINK, links(12), carry(300),
        DECODERS, PEERS,
    ] },
    Model { compute: (8, 0), words: &["A100", "PCIE", "80GB"], facts: &[
        units(108), tensors(432), kind("hbm2e"), size(80), speed(1935), ECC, MIG, SEVEN, NVLINK, links(12), carry(300),
        DECODERS, PEERS,
    ] },
    Model { compute: (8, 0), words: &["A100", "PCIE", "40GB"], facts: &[
        units(108), tensors(432), kind("hbm2"), size(40), speed(1555), ECC, MIG, SEVEN, NVLINK, links(12), carry(300),
        DECODERS, PEERS,
    ] },
    // A30 data sheet (2021).
    Model { compute: (8, 0), words: &["A30"], facts: &[
        units(56), tensors(224), kind("hbm2"), size(24), speed(933), ECC, MIG, FOUR, NVLINK, links(4), carry(100),
        DECODERS, PEERS,
    ] },
    // A40, A10 data sheets (2021).
    Model { compute: (8, 6), words: &["A40"], facts: &[
        units(84), tensors(336), kind("gddr6"), size(48), speed(696), ECC, VGPU, PEERS,
    ] },
    Model { compute: (8, 6), words: &["A10"], facts: &[
        units(72), tensors(288), kind("gddr6"), size(24), speed(600), ECC, VGPU, PEERS,
    ] },
    // L4, L40, L40S data sheets (2023).
    Model { compute: (8, 9), words: &["L40S"], facts: &[
        units(142), tensors(568), kind("gddr6"), size(48), speed(864), ECC, VGPU, CODECS, PEERS,
    ] },
    Model { compute: (8, 9), words: &["L40"], facts: &[
        units(142), tensors(568), kind("gddr6"), size(48), speed(864), ECC, VGPU, CODECS, PEERS,
    ] },
    Model { compute: (8, 9), words: &["L4"], facts: &[
        kind("gddr6"), size(24), speed(300), ECC, VGPU, CODECS, PEERS,
    ] },
    // GH200 data sheet (2023): the processor's memory is coherent over NVLink-C2C.
    Model { compute: (9, 0), words: &["GH200", "480GB"], facts: &[
        units(132), tensors(528), kind("hbm3"), size(96), speed(4000), ECC, MIG, SEVEN, NVLINK, links(18), carry(450),
        DECODERS, PEERS, flag(Key::HostCoherent, true), SECRET,
    ] },
    Model { compute: (9, 0), words: &["GH200"], facts: &[
        units(132), tensors(528), ECC, MIG, SEVEN, NVLINK, links(18), carry(450), DECODERS, PEERS,
        flag(Key::HostCoherent, true), SECRET,
    ] },
    // H200 data sheet (2024).
    Model { compute: (9, 0), words: &["H200"], facts: &[
        units(132), tensors(528), kind("hbm3e"), size(141), speed(4800), ECC, MIG, SEVEN, NVLINK, links(18), carry(450),
        DECODERS, PEERS,
    ] },
    // H100 data sheet and white paper (2022, 2023).
    Model { compute: (9, 0), words: &["H100", "NVL"], facts: &[
        units(132), tensors(528), kind("hbm3"), size(94), speed(3900), ECC, MIG, SEVEN, NVLINK, links(12), carry(300),
        DECODERS, PEERS,
    ] },
    Model { compute: (9, 0), words: &["H100", "PCIE"], facts: &[
        units(114), tensors(456), kind("hbm2e"), size(80), speed(2000), ECC, MIG, SEVEN, NVLINK, links(12), carry(300),
        DECODERS, PEERS,
    ] },
    Model { compute: (9, 0), words: &["H100", "HBM3"], facts: &[
        units(132), tensors(528), kind("hbm3"), size(80), speed(3350), ECC, MIG, SEVEN, NVLINK, links(18), carry(450),
        DECODERS, PEERS,
    ] },
    // The H20 stands in the MIG User Guide, and in no public data sheet of NVIDIA's.
    Model { compute: (9, 0), words: &["H20"], facts: &[
        units(78).unverified(), tensors(312).unverified(), kind("hbm3").unverified(), size(96),
        speed(4000).unverified(), ECC.unverified(), MIG, SEVEN, NVLINK.unverified(), links(18).unverified(),
        carry(450).unverified(), SECRET,
    ] },
    // DGX B200 and GB200 NVL72 data sheets (2024, 2025), Blackwell architecture technical brief; the count of
    // multiprocessors is not in them.
    Model { compute: (10, 0), words: &["GB200"], facts: &[
        count(Key::Chiplets, 2), kind("hbm3e"), size(186), speed(8000), ECC, MIG, SEVEN, NVLINK, links(18), carry(900),
        PEERS, flag(Key::HostCoherent, true), units(152).unverified(), tensors(608).unverified(),
    ] },
    Model { compute: (10, 0), words: &["B200"], facts: &[
        count(Key::Chiplets, 2), kind("hbm3e"), size(180), speed(8000), ECC, MIG, SEVEN, NVLINK, links(18), carry(900),
        PEERS, units(148).unverified(), tensors(592).unverified(),
    ] },
    // DGX B300 data sheet (2025).
    Model { compute: (10, 3), words: &["B300"], facts: &[
        count(Key::Chiplets, 2), kind("hbm3e"), size(270).unverified(), speed(8000), ECC, MIG, SEVEN, NVLINK, links(18),
        carry(900), PEERS, units(148).unverified(), tensors(592).unverified(),
    ] },
    // RTX PRO 6000 Blackwell Server Edition data sheet (2025).
    Model { compute: (12, 0), words: &["RTX", "PRO", "6000", "SERVER"], facts: &[
        units(188), tensors(752), kind("gddr7"), size(96), speed(1597), ECC, MIG, FOUR, CODECS, PEERS,
        flag(Key::Confidential, true),
    ] },
    Model { compute: (12, 0), words: &["RTX", "PRO", "6000"], facts: &[
        units(188), tensors(752), kind("gddr7"), size(96), speed(1792), ECC, FOUR, CODECS,
        words(Key::PartitionModes, &["mig"]),
    ] },
    // MIG User Guide; no more is needed to cut them.
    Model { compute: (12, 0), words: &["RTX", "PRO", "5000"], facts: &[
        size(48), words(Key::PartitionModes, &["mig"]), TWO,
    ] },
    Model { compute: (12, 0), words: &["RTX", "PRO", "4500"], facts: &[
        size(32), words(Key::PartitionModes, &["mig"]), TWO,
    ] },
];
