//! NVIDIA's data-centre GPUs.
//!
//! What is published is in NVIDIA's own words: in the MIG User Guide (partitions, memory and media engines of what can
//! be cut), in "NVIDIA Ampere Architecture In-Depth" (V100, A100), "NVIDIA Hopper Architecture In-Depth" (H100), the
//! Blackwell architecture technical brief, in "Inside NVIDIA Blackwell Ultra" (B300, GB300), in TensorRT-LLM
//! (`auto_parallel/cluster_info.py`, which names the data sheet of each figure), in NVIDIA's descriptions of its
//! systems for MLPerf Inference v0.7 to v4.1, and in the configurations of vgpu-device-manager and mig-parted. What none
//! of these says is unverified.

use kerf_types::map::CapabilityKey as Key;

use super::super::{Fact, count, flag, word, words};
use super::Model;

/// `vgpu` after the types in vgpu-device-manager's `examples/config-example.yaml`, which ends with the GH200.
const MIG: Fact = words(Key::PartitionModes, &["mig", "vgpu"]);
const VGPU: Fact = words(Key::PartitionModes, &["vgpu"]);
/// MIG User Guide, "Supported GPUs": most instances of each; of a GB300 mig-parted's `config-default.yaml`.
const SEVEN: Fact = count(Key::PartitionMax, 7);
const TWO: Fact = count(Key::PartitionMax, 2);
const FOUR: Fact = count(Key::PartitionMax, 4);
const NVLINK: Fact = word(Key::LinkKind, "nvlink");
const ECC: Fact = flag(Key::MemoryEcc, true);
/// GPUDirect RDMA documentation: all of Tesla and Quadro.
const PEERS: Fact = flag(Key::PeerDma, true);
/// Without NVENC: the media engines of the largest profile in the MIG User Guide.
const DECODERS: Fact = words(Key::MediaEngines, &["decode", "jpeg", "optical-flow"]);
const CODECS: Fact = words(
    Key::MediaEngines,
    &["decode", "encode", "jpeg", "optical-flow"],
);

/// The documents of confidential computing name the H100 and the H200 of Hopper alone.
const SECRET: Fact = flag(Key::Confidential, true).unverified();
/// That the processor sees the memory coherently over NVLink-C2C.
const COHERENT: Fact = flag(Key::HostCoherent, true).unverified();

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

/// In order: a name with more words stands before one that it contains. A row of no figures of memory may be of several
/// capacities.
#[rustfmt::skip]
pub(in crate::accelerators) const MODELS: &[Model] = &[
    // The Ampere post compares the V100 of SXM2; of one in PCIe it says nothing.
    Model { compute: (7, 0), words: &["V100", "SXM2", "16GB"], also: &[], facts: &[
        units(80), tensors(640), kind("hbm2"), size(16), speed(900), ECC.unverified(), VGPU, NVLINK, links(6),
        carry(150), PEERS,
    ] },
    Model { compute: (7, 0), words: &["V100", "SXM2", "32GB"], also: &[], facts: &[
        units(80), tensors(640), kind("hbm2"), size(32), speed(900), ECC.unverified(), VGPU, NVLINK, links(6),
        carry(150), PEERS,
    ] },
    Model { compute: (7, 0), words: &["V100"], also: &["16GB", "32GB", "DGXS", "FHHL", "PCIE", "SXM2", "SXM3"],
        facts: &[
            units(80).unverified(), tensors(640).unverified(), kind("hbm2").unverified(), ECC.unverified(), VGPU, PEERS,
        ] },
    // MLPerf v0.7: its memory, and that ECC was off.
    Model { compute: (7, 5), words: &["T4"], also: &[], facts: &[
        units(40).unverified(), tensors(320).unverified(), kind("gddr6"), size(16), speed(320).unverified(), ECC, VGPU,
        PEERS,
    ] },
    // What the Ampere post says of links it says of SXM4. MLPerf has HBM2 in the 80GB of PCIe, the data sheet HBM2e.
    Model { compute: (8, 0), words: &["A100", "SXM4", "80GB"], also: &[], facts: &[
        units(108), tensors(432), kind("hbm2e"), size(80), speed(2039), ECC, MIG, SEVEN, NVLINK, links(12), carry(300),
        DECODERS, PEERS,
    ] },
    Model { compute: (8, 0), words: &["A100", "SXM4", "40GB"], also: &[], facts: &[
        units(108), tensors(432), kind("hbm2"), size(40), speed(1555), ECC, MIG, SEVEN, NVLINK, links(12), carry(300),
        DECODERS, PEERS,
    ] },
    Model { compute: (8, 0), words: &["A100", "PCIE", "80GB"], also: &[], facts: &[
        units(108), tensors(432), kind("hbm2e").unverified(), size(80), speed(1935), ECC, MIG, SEVEN,
        NVLINK.unverified(), links(12).unverified(), carry(300).unverified(), DECODERS, PEERS,
    ] },
    Model { compute: (8, 0), words: &["A100", "PCIE", "40GB"], also: &[], facts: &[
        units(108), tensors(432), kind("hbm2"), size(40), speed(1555), ECC, MIG, SEVEN, NVLINK.unverified(),
        links(12).unverified(), carry(300).unverified(), DECODERS, PEERS,
    ] },
    Model { compute: (8, 0), words: &["A30"], also: &[], facts: &[
        units(56).unverified(), tensors(224).unverified(), kind("hbm2"), size(24), speed(933), ECC.unverified(), MIG,
        FOUR, NVLINK.unverified(), links(4).unverified(), carry(100).unverified(), DECODERS, PEERS,
    ] },
    Model { compute: (8, 6), words: &["A40"], also: &[], facts: &[
        units(84).unverified(), tensors(336).unverified(), kind("gddr6").unverified(), size(48), speed(696),
        ECC.unverified(), VGPU, PEERS,
    ] },
    Model { compute: (8, 6), words: &["A10"], also: &[], facts: &[
        units(72).unverified(), tensors(288).unverified(), kind("gddr6"), size(24), speed(600), ECC.unverified(), VGPU,
        PEERS,
    ] },
    Model { compute: (8, 9), words: &["L40S"], also: &[], facts: &[
        units(142).unverified(), tensors(568).unverified(), kind("gddr6"), size(48), speed(864), ECC.unverified(), VGPU,
        CODECS.unverified(), PEERS,
    ] },
    Model { compute: (8, 9), words: &["L40"], also: &[], facts: &[
        units(142).unverified(), tensors(568).unverified(), kind("gddr6").unverified(), size(48), speed(864),
        ECC.unverified(), VGPU, CODECS.unverified(), PEERS,
    ] },
    Model { compute: (8, 9), words: &["L4"], also: &[], facts: &[
        kind("gddr6"), size(24), speed(300), ECC.unverified(), VGPU, CODECS.unverified(), PEERS,
    ] },
    Model { compute: (9, 0), words: &["GH200", "480GB"], also: &[], facts: &[
        units(132).unverified(), tensors(528).unverified(), kind("hbm3"), size(96), speed(4000).unverified(),
        ECC.unverified(), MIG, SEVEN, NVLINK.unverified(), links(18).unverified(), carry(450).unverified(), DECODERS,
        PEERS, COHERENT, SECRET,
    ] },
    Model { compute: (9, 0), words: &["GH200"], also: &["120GB", "144G", "HBM3E"], facts: &[
        units(132).unverified(), tensors(528).unverified(), ECC.unverified(), MIG, SEVEN, NVLINK.unverified(),
        links(18).unverified(), carry(450).unverified(), DECODERS, PEERS, COHERENT, SECRET,
    ] },
    // The guide counts its memory and instances; TensorRT-LLM and MLPerf are about the H200 of SXM.
    Model { compute: (9, 0), words: &["H200", "NVL"], also: &[], facts: &[
        units(132).unverified(), tensors(528).unverified(), kind("hbm3e").unverified(), size(141),
        speed(4800).unverified(), ECC.unverified(), MIG.unverified(), SEVEN, NVLINK.unverified(),
        links(18).unverified(), carry(450).unverified(), DECODERS, PEERS,
    ] },
    Model { compute: (9, 0), words: &["H200"], also: &[], facts: &[
        units(132).unverified(), tensors(528).unverified(), kind("hbm3e"), size(141), speed(4800), ECC.unverified(),
        MIG.unverified(), SEVEN, NVLINK, links(18), carry(450), DECODERS, PEERS,
    ] },
    // MLPerf v4.0 gives the NVL 600 GB/s, and 18 links, which would carry 900.
    Model { compute: (9, 0), words: &["H100", "NVL"], also: &[], facts: &[
        units(132).unverified(), tensors(528).unverified(), kind("hbm3"), size(94), speed(3900).unverified(),
        ECC.unverified(), MIG, SEVEN, NVLINK, links(12).unverified(), carry(300), DECODERS, PEERS,
    ] },
    // H100 PCIe product brief.
    Model { compute: (9, 0), words: &["H100", "PCIE"], also: &[], facts: &[
        units(114), tensors(456), kind("hbm2e"), size(80), speed(2000), ECC, MIG, SEVEN, NVLINK, links(12), carry(300),
        DECODERS, PEERS,
    ] },
    Model { compute: (9, 0), words: &["H100", "80GB", "HBM3"], also: &[], facts: &[
        units(132), tensors(528), kind("hbm3"), size(80), speed(3350), ECC.unverified(), MIG, SEVEN, NVLINK, links(18),
        carry(450), DECODERS, PEERS,
    ] },
    // The H20 stands in the MIG User Guide and in TensorRT-LLM, and in no public data sheet of NVIDIA's.
    Model { compute: (9, 0), words: &["H20"], also: &[], facts: &[
        units(78).unverified(), tensors(312).unverified(), kind("hbm3").unverified(), size(96), speed(4000),
        ECC.unverified(), MIG, SEVEN, NVLINK.unverified(), links(18).unverified(), carry(450), SECRET,
    ] },
    // The technical brief gives 8 TB/s to a GPU of the GB200, and the links to all of Blackwell.
    Model { compute: (10, 0), words: &["GB200"], also: &[], facts: &[
        count(Key::Chiplets, 2), kind("hbm3e"), size(186), speed(8000), ECC.unverified(), MIG.unverified(), SEVEN,
        NVLINK, links(18), carry(900), PEERS, COHERENT, units(152).unverified(), tensors(608).unverified(),
    ] },
    Model { compute: (10, 0), words: &["B200"], also: &[], facts: &[
        count(Key::Chiplets, 2), kind("hbm3e"), size(180), speed(8000).unverified(), ECC.unverified(),
        MIG.unverified(), SEVEN, NVLINK, links(18), carry(900), PEERS, units(148).unverified(),
        tensors(592).unverified(),
    ] },
    // The post has its dies and their kind of memory, mig-parted its instances; of its memory these two differ.
    Model { compute: (10, 3), words: &["GB300"], also: &[], facts: &[
        count(Key::Chiplets, 2), kind("hbm3e"), size(278).unverified(), speed(8000).unverified(), ECC.unverified(),
        MIG.unverified(), SEVEN, NVLINK, links(18), carry(900), PEERS, COHERENT, units(152).unverified(),
        tensors(608).unverified(),
    ] },
    Model { compute: (10, 3), words: &["B300"], also: &["SXM6", "AC"], facts: &[
        count(Key::Chiplets, 2), kind("hbm3e"), size(270).unverified(), speed(8000).unverified(), ECC.unverified(),
        MIG.unverified(), SEVEN, NVLINK, links(18), carry(900), PEERS, units(148).unverified(),
        tensors(592).unverified(),
    ] },
    Model { compute: (12, 0), words: &["RTX", "PRO", "6000", "BLACKWELL", "SERVER", "EDITION"], also: &[], facts: &[
        units(188).unverified(), tensors(752).unverified(), kind("gddr7").unverified(), size(96),
        speed(1597).unverified(), ECC.unverified(), MIG.unverified(), FOUR, CODECS, PEERS,
        flag(Key::Confidential, true).unverified(),
    ] },
    Model { compute: (12, 0), words: &["RTX", "PRO", "6000", "BLACKWELL", "WORKSTATION", "EDITION"],
        also: &["MAX", "Q"], facts: &[
            units(188).unverified(), tensors(752).unverified(), kind("gddr7").unverified(), size(96),
            speed(1792).unverified(), ECC.unverified(), FOUR, CODECS, words(Key::PartitionModes, &["mig"]),
        ] },
    // MIG User Guide; no more is needed to cut them.
    Model { compute: (12, 0), words: &["RTX", "PRO", "5000", "BLACKWELL"], also: &[], facts: &[
        size(48), words(Key::PartitionModes, &["mig"]), TWO,
    ] },
    Model { compute: (12, 0), words: &["RTX", "PRO", "4500", "BLACKWELL"], also: &[], facts: &[
        size(32), words(Key::PartitionModes, &["mig"]), TWO,
    ] },
];
