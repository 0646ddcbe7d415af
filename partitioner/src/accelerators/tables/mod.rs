//! What makers publish of their accelerators, as data: a list of facts for each architecture and model.
//!
//! Pure. What the kernel or a library says of the device at hand always counts more than a line of a table. A value
//! stands here only with the document that it is from, else it is marked as unverified.

pub mod amd;
pub mod fpga;
pub mod gaudi;
pub mod intel;
pub mod nec;
pub mod neuron;
pub mod nvidia;
pub mod tpu;

use kerf_types::map::{Capabilities, Capability, CapabilityKey, CapabilityValue, Provenance};

/// A value that can stand in a table.
#[derive(Debug, Clone, Copy)]
enum Value {
    Flag(bool),
    Count(u64),
    Word(&'static str),
    Words(&'static [&'static str]),
}

/// One fact of a model.
#[derive(Debug, Clone, Copy)]
pub struct Fact {
    /// What it is about.
    pub key: CapabilityKey,
    /// How kerf knows it.
    pub provenance: Provenance,
    value: Value,
}

impl Fact {
    const fn published(key: CapabilityKey, value: Value) -> Self {
        Self {
            key,
            provenance: Provenance::Published,
            value,
        }
    }

    /// The same, which nobody could confirm in its maker's documents.
    const fn unverified(self) -> Self {
        Self {
            provenance: Provenance::Unverified,
            ..self
        }
    }

    /// The number, of one that is a number.
    const fn count(&self) -> Option<u64> {
        match self.value {
            Value::Count(count) => Some(count),
            _ => None,
        }
    }

    fn capability(&self) -> Capability {
        let value = match self.value {
            Value::Flag(flag) => CapabilityValue::Flag(flag),
            Value::Count(count) => CapabilityValue::Count(count),
            Value::Word(word) => CapabilityValue::Word(word.to_owned()),
            Value::Words(words) => {
                let mut words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
                words.sort();
                CapabilityValue::Words(words)
            }
        };
        Capability {
            value,
            provenance: self.provenance,
        }
    }
}

const fn flag(key: CapabilityKey, can: bool) -> Fact {
    Fact::published(key, Value::Flag(can))
}

const fn count(key: CapabilityKey, count: u64) -> Fact {
    Fact::published(key, Value::Count(count))
}

const fn word(key: CapabilityKey, word: &'static str) -> Fact {
    Fact::published(key, Value::Word(word))
}

const fn words(key: CapabilityKey, words: &'static [&'static str]) -> Fact {
    Fact::published(key, Value::Words(words))
}

/// Adds facts to what is known already, where nothing is.
pub fn fill(capabilities: &mut Capabilities, facts: &[Fact]) {
    for fact in facts {
        capabilities
            .entry(fact.key)
            .or_insert_with(|| fact.capability());
    }
}

/// Every fact of every table, with the vendor whose devices it is of.
#[cfg(test)]
pub fn every() -> Vec<(String, CapabilityKey, Capability)> {
    use kerf_types::map::Vendor;
    let mut lists: Vec<(Vendor, &[Fact])> = vec![(Vendor::Nec, nec::VECTOR_ENGINE)];
    lists.extend(amd::TARGETS.iter().map(|(_, facts)| (Vendor::Amd, *facts)));
    lists.extend(amd::MODELS.iter().map(|one| (Vendor::Amd, one.facts)));
    lists.extend(gaudi::MODELS.iter().map(|one| (Vendor::Habana, one.facts)));
    lists.extend(intel::MODELS.iter().map(|one| (Vendor::Intel, one.facts)));
    lists.extend(neuron::MODELS.iter().map(|one| (Vendor::Aws, one.facts)));
    lists.extend(tpu::MODELS.iter().map(|one| (Vendor::Google, one.facts)));
    let nvidia = nvidia::ARCHITECTURES.iter().map(|one| one.facts);
    let nvidia = nvidia.chain(nvidia::MODELS.iter().map(|one| one.facts));
    lists.extend(nvidia.map(|facts| (Vendor::Nvidia, facts)));
    let boards = fpga::BOARDS.iter();
    lists.extend(boards.map(|board| (fpga::maker(board.vendor), board.facts)));
    let fact =
        |vendor: Vendor| move |fact: &Fact| (vendor.to_string(), fact.key, fact.capability());
    lists
        .into_iter()
        .flat_map(|(vendor, facts)| facts.iter().map(fact(vendor)))
        .collect()
}
