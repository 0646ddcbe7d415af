//! Accelerators of every vendor, and what they can do.

use kerf_types::Bytes;
use kerf_types::map::{
    Accelerator, AcceleratorHealth, Capability, CapabilityKey, CapabilityValue, Provenance, Vendor,
};

use super::names;
use crate::convert::{
    At, ConvertError, NAME_LIMIT, number_error, optional_text, parse, required, text,
};
use crate::v1;
use crate::v1::capability::{Value, Words};

impl From<&Accelerator> for v1::Accelerator {
    fn from(one: &Accelerator) -> Self {
        let capability =
            |(key, value): (&CapabilityKey, &Capability)| (key.as_str().to_owned(), value.into());
        Self {
            id: one.id.clone(),
            vendor: one.vendor.map(|vendor| vendor.to_string()),
            model: one.model.clone(),
            pci: one.pci.map(|pci| pci.to_string()),
            numa_node: one.numa_node,
            memory_bytes: one.memory.map(|bytes| bytes.0),
            memory_used_bytes: one.memory_used.map(|bytes| bytes.0),
            architecture: one.architecture.clone(),
            serial: one.serial.clone(),
            unique_id: one.unique_id.clone(),
            driver: one.driver.clone(),
            nodes: one.nodes.clone(),
            health: health(&one.health),
            utilisation_percent: one.utilisation_percent,
            capabilities: one.capabilities.iter().map(capability).collect(),
        }
    }
}

impl TryFrom<v1::Accelerator> for Accelerator {
    type Error = ConvertError;

    fn try_from(one: v1::Accelerator) -> Result<Self, ConvertError> {
        let vendor = |word: String| {
            Vendor::from_word(&word)
                .ok_or_else(|| number_error("vendor", &word, "a vendor of accelerators"))
        };
        let mut capabilities = std::collections::BTreeMap::new();
        for (word, value) in one.capabilities {
            // A later release may know more keys than this one; what it says of them is not understood.
            let Some(key) = CapabilityKey::from_word(&word) else {
                continue;
            };
            if Provenance::from_word(&value.provenance).is_none() {
                continue;
            }
            let value = Capability::try_from(value);
            capabilities.insert(key, value.at(&word).at("capabilities")?);
        }
        Ok(Self {
            id: text("id", one.id, NAME_LIMIT)?,
            vendor: one.vendor.map(vendor).transpose()?,
            model: text("model", one.model, NAME_LIMIT)?,
            pci: one.pci.map(|pci| parse("pci", &pci)).transpose()?,
            numa_node: one.numa_node,
            memory: one.memory_bytes.map(Bytes),
            memory_used: one.memory_used_bytes.map(Bytes),
            architecture: optional_text("architecture", one.architecture, NAME_LIMIT)?,
            serial: optional_text("serial", one.serial, NAME_LIMIT)?,
            unique_id: optional_text("unique_id", one.unique_id, NAME_LIMIT)?,
            driver: optional_text("driver", one.driver, NAME_LIMIT)?,
            nodes: names("nodes", one.nodes)?,
            health: match one.health {
                None => AcceleratorHealth::Unknown,
                Some(health) if health.ok => AcceleratorHealth::Ok,
                Some(health) => AcceleratorHealth::Failed(text("health", health.word, NAME_LIMIT)?),
            },
            utilisation_percent: one.utilisation_percent,
            capabilities,
        })
    }
}

fn health(health: &AcceleratorHealth) -> Option<v1::AcceleratorHealth> {
    match health {
        AcceleratorHealth::Unknown => None,
        AcceleratorHealth::Ok => Some(v1::AcceleratorHealth {
            ok: true,
            word: String::new(),
        }),
        AcceleratorHealth::Failed(word) => Some(v1::AcceleratorHealth {
            ok: false,
            word: word.clone(),
        }),
    }
}

impl From<&Capability> for v1::Capability {
    fn from(capability: &Capability) -> Self {
        let value = match &capability.value {
            CapabilityValue::Flag(flag) => Value::Flag(*flag),
            CapabilityValue::Count(count) => Value::Count(*count),
            CapabilityValue::Word(word) => Value::Word(word.clone()),
            CapabilityValue::Words(words) => Value::Words(Words {
                words: words.clone(),
            }),
        };
        Self {
            value: Some(value),
            provenance: capability.provenance.as_str().to_owned(),
        }
    }
}

impl TryFrom<v1::Capability> for Capability {
    type Error = ConvertError;

    fn try_from(capability: v1::Capability) -> Result<Self, ConvertError> {
        let value = match required("value", capability.value)? {
            Value::Flag(flag) => CapabilityValue::Flag(flag),
            Value::Count(count) => CapabilityValue::Count(count),
            Value::Word(word) => CapabilityValue::Word(text("value", word, NAME_LIMIT)?),
            Value::Words(words) => CapabilityValue::Words(names("value", words.words)?),
        };
        let word = &capability.provenance;
        let provenance = Provenance::from_word(word)
            .ok_or_else(|| number_error("provenance", word, "a way to know a value"))?;
        Ok(Self { value, provenance })
    }
}
