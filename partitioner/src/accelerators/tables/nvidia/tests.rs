//! That a name finds its own line and no other.

use kerf_types::Bytes;
use kerf_types::map::{
    Capabilities, Capability, CapabilityKey as Key, CapabilityValue, Provenance,
};
use nvidia_ml::model::spec::Accelerators;
use nvidia_ml::model::tables::MACHINES;

use super::{ARCHITECTURES, MODELS, architecture, capabilities_of_nvidia, model};

fn of(cc: (u32, u32), name: &str) -> Capabilities {
    capabilities_of_nvidia(cc, name, None)
}

fn count(cc: (u32, u32), name: &str, key: Key) -> Option<u64> {
    match of(cc, name).get(&key)?.value {
        CapabilityValue::Count(count) => Some(count),
        _ => None,
    }
}

fn mib(mebibytes: u64) -> Option<Bytes> {
    Some(Bytes(mebibytes << 20))
}

#[test]
fn names_as_drivers_print_them_find_their_model() {
    for (cc, name, bandwidth, partitions) in [
        ((7, 0), "Tesla V100-SXM2-16GB", 900, None),
        ((8, 0), "NVIDIA A100-SXM4-80GB", 2039, Some(7)),
        ((8, 0), "NVIDIA A100-SXM4-40GB", 1555, Some(7)),
        ((8, 0), "NVIDIA A100 80GB PCIe", 1935, Some(7)),
        ((8, 0), "NVIDIA A30", 933, Some(4)),
        ((8, 9), "NVIDIA L40S", 864, None),
        ((8, 9), "NVIDIA L4", 300, None),
        ((9, 0), "NVIDIA H100 80GB HBM3", 3350, Some(7)),
        ((9, 0), "NVIDIA H100 PCIe", 2000, Some(7)),
        ((9, 0), "NVIDIA H100 NVL", 3900, Some(7)),
        ((9, 0), "NVIDIA H200", 4800, Some(7)),
        ((9, 0), "NVIDIA GH200 480GB", 4000, Some(7)),
        ((10, 0), "NVIDIA B200", 8000, Some(7)),
        ((10, 0), "NVIDIA GB200", 8000, Some(7)),
        ((10, 3), "NVIDIA B300 SXM6 AC", 8000, Some(7)),
        ((10, 3), "NVIDIA GB300", 8000, Some(7)),
        ((9, 0), "NVIDIA H200 NVL", 4800, Some(7)),
        ((7, 5), "Tesla T4", 320, None),
        ((8, 0), "A100-PCIE-40GB", 1555, Some(7)),
        (
            (12, 0),
            "NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition",
            1792,
            Some(4),
        ),
        (
            (12, 0),
            "NVIDIA RTX PRO 6000 Blackwell Server Edition",
            1597,
            Some(4),
        ),
    ] {
        assert_eq!(
            count(cc, name, Key::MemoryBandwidth),
            Some(bandwidth),
            "{name}"
        );
        assert_eq!(count(cc, name, Key::PartitionMax), partitions, "{name}");
    }
}

#[test]
fn a_model_unknown_has_what_its_architecture_has() {
    let known = of((8, 9), "NVIDIA GeForce RTX 4090");
    assert_eq!(
        known.get(&Key::TransformerEngine).map(|one| &one.value),
        Some(&CapabilityValue::Flag(true))
    );
    assert!(!known.contains_key(&Key::PartitionModes));
    assert!(of((99, 9), "NVIDIA H100 PCIe").is_empty());
    // The name of a model with the compute capability of another is no such model.
    assert_eq!(count((8, 0), "NVIDIA H100 PCIe", Key::ComputeUnits), None);
    assert!(model("").is_none());
    assert!(model("NVIDIA A1000").is_none());
}

/// Names of drivers, of which no document that stands here says anything.
#[test]
fn a_word_more_is_another_model() {
    for (cc, name) in [
        ((9, 0), "NVIDIA H20-3e"),
        ((9, 0), "NVIDIA H100 94GB HBM3"),
        ((9, 0), "NVIDIA H100 80GB HBM2e"),
        ((9, 0), "NVIDIA H200 NVL-16C"),
        ((8, 0), "NVIDIA A30-4C"),
        ((8, 0), "NVIDIA A100-SXM4-40GB MIG 1g.5gb"),
        ((7, 5), "GRID T4-8C"),
        ((7, 0), "Tesla V100-SXM2-16GB-LS"),
        ((12, 0), "NVIDIA RTX PRO 5000 72GB Blackwell"),
        (
            (12, 0),
            "NVIDIA RTX PRO 5000 Blackwell Generation Laptop GPU",
        ),
        ((12, 0), "NVIDIA RTX PRO 4500 Blackwell Server Edition"),
        ((12, 0), "NVIDIA RTX PRO 6000"),
    ] {
        assert!(model(name).is_none(), "{name}");
        let alone = architecture(cc).expect("an architecture").facts.len();
        assert_eq!(of(cc, name).len(), alone, "{name}");
    }
    for known in [
        "NVIDIA H20",
        "NVIDIA RTX PRO 5000 Blackwell",
        "NVIDIA RTX PRO 4500 Blackwell",
        "Tesla V100-PCIE-32GB",
        "NVIDIA GH200 120GB",
    ] {
        assert!(model(known).is_some(), "{known}");
    }
}

/// What NVML gave of each: with ECC and without, of old drivers and new ones.
#[test]
fn the_memory_that_a_driver_tells_is_of_its_model_or_it_is_another() {
    let size =
        |cc, name, memory| capabilities_of_nvidia(cc, name, memory).contains_key(&Key::MemorySize);
    for (cc, name, told) in [
        ((7, 0), "Tesla V100-SXM2-16GB", 16_160),
        ((7, 5), "Tesla T4", 15_109),
        ((8, 6), "NVIDIA A10", 22_731),
        ((8, 6), "NVIDIA A40", 45_634),
        ((8, 9), "NVIDIA L40S", 46_068),
        ((8, 9), "NVIDIA L4", 23_034),
        ((12, 0), "NVIDIA RTX PRO 5000 Blackwell", 48_935),
        ((9, 0), "NVIDIA H200", 143_771),
    ] {
        assert!(size(cc, name, mib(told)), "{name} of {told}");
    }
    for (cc, name, told) in [
        ((9, 0), "NVIDIA H20", 143_771),
        ((9, 0), "NVIDIA H100 NVL", 81_559),
        ((12, 0), "NVIDIA RTX PRO 5000 Blackwell", 73_415),
        ((10, 3), "NVIDIA GB300", 252 << 10),
        ((8, 0), "NVIDIA A30", 0),
        ((8, 0), "NVIDIA A30", u64::MAX >> 20),
    ] {
        let found = capabilities_of_nvidia(cc, name, mib(told));
        let alone = architecture(cc).expect("an architecture").facts.len();
        assert_eq!(found.len(), alone, "{name} of {told}");
    }
    // A row without a size is of every capacity.
    let generic = capabilities_of_nvidia((9, 0), "NVIDIA GH200 144G HBM3e", mib(146_331));
    assert!(generic.contains_key(&Key::PartitionMax));
}

#[test]
fn every_gpu_that_is_simulated_has_its_row() {
    let mut products = 0;
    for machine in &MACHINES {
        let Accelerators::Nvidia(product) = machine.accelerators else {
            continue;
        };
        products += 1;
        let memory = mib(product.memory_mib);
        let (major, minor) = product.compute_capability;
        let cc = (major.unsigned_abs(), minor.unsigned_abs());
        let found = capabilities_of_nvidia(cc, product.name, memory);
        for key in [Key::PartitionModes, Key::PartitionMax, Key::PeerDma] {
            assert!(found.contains_key(&key), "{key:?} of {}", product.name);
        }
    }
    assert!(products > 10, "{products}");
}

#[test]
fn a_gb300_has_what_is_published_of_it_and_of_all_of_blackwell() {
    let found = of((10, 3), "NVIDIA GB300");
    let published = Provenance::Published;
    let unverified = Provenance::Unverified;
    let count = CapabilityValue::Count;
    let word = |word: &str| CapabilityValue::Word(word.to_owned());
    let yes = CapabilityValue::Flag(true);
    for (key, value, provenance) in [
        (Key::Chiplets, count(2), published),
        (Key::MemoryKind, word("hbm3e"), published),
        (Key::MemorySize, count(278), unverified),
        (Key::LinkKind, word("nvlink"), published),
        (Key::LinkCount, count(18), published),
        (Key::LinkBandwidth, count(900), published),
        (Key::PartitionMax, count(7), published),
        (Key::PeerDma, yes.clone(), published),
        (Key::HostCoherent, yes, unverified),
    ] {
        let expected = Capability { value, provenance };
        assert_eq!(found.get(&key), Some(&expected), "{key:?}");
    }
}

#[test]
fn every_model_has_an_architecture_and_is_found_by_its_own_words() {
    for one in MODELS {
        assert!(architecture(one.compute).is_some(), "{:?}", one.words);
        let found = model(&one.words.join(" ")).expect("a model");
        assert_eq!(found.words, one.words, "a line above hides this one");
    }
    let mut seen: Vec<_> = ARCHITECTURES.iter().map(|one| one.compute).collect();
    seen.dedup();
    assert_eq!(seen.len(), ARCHITECTURES.len());
}

#[test]
fn words_are_sorted_and_nothing_claims_to_be_from_the_device() {
    for one in MODELS {
        for (key, capability) in of(one.compute, &one.words.join(" ")) {
            assert!(
                matches!(
                    capability.provenance,
                    Provenance::Published | Provenance::Unverified
                ),
                "{key:?}"
            );
            if let CapabilityValue::Words(words) = capability.value {
                assert!(words.is_sorted(), "{words:?}");
            }
        }
    }
}
