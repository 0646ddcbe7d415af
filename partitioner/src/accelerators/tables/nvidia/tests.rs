//! That a name finds its own line and no other.

use kerf_types::map::{CapabilityKey as Key, CapabilityValue, Provenance};

use super::{ARCHITECTURES, MODELS, architecture, capabilities_of_nvidia, model};

fn count(cc: (u32, u32), name: &str, key: Key) -> Option<u64> {
    match capabilities_of_nvidia(cc, name).get(&key)?.value {
        CapabilityValue::Count(count) => Some(count),
        _ => None,
    }
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
    let known = capabilities_of_nvidia((8, 9), "NVIDIA GeForce RTX 4090");
    assert_eq!(
        known.get(&Key::TransformerEngine).map(|one| &one.value),
        Some(&CapabilityValue::Flag(true))
    );
    assert!(!known.contains_key(&Key::PartitionModes));
    assert!(capabilities_of_nvidia((99, 9), "NVIDIA H100 PCIe").is_empty());
    // The name of a model with the compute capability of another is no such model.
    assert_eq!(count((8, 0), "NVIDIA H100 PCIe", Key::ComputeUnits), None);
    assert!(model("").is_none());
    assert!(model("NVIDIA A1000").is_none());
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
        for (key, capability) in capabilities_of_nvidia(one.compute, &one.words.join(" ")) {
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
