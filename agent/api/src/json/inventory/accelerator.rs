//! Accelerators of every vendor in one shape, and the links between them, as documents show them.

use std::collections::BTreeMap;

use kerf_types::map as facts;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;

use super::place::known;

/// An accelerator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Accelerator {
    /// A name that stays while the machine is not rebuilt: the PCI address, or the kernel's name.
    pub id: String,
    /// `amd`, `aws`, `google`, `habana`, `intel`, `nec`, `nvidia`, else `pci-` and the vendor id; null where nobody says.
    pub vendor: Option<String>,
    /// Marketing name, else what the driver calls it, else the PCI ids.
    pub model: String,
    /// PCI address, `domain:bus:device.function`.
    pub bdf: Option<String>,
    /// NUMA node that it is next to.
    pub numa_node: Option<u32>,
    /// Its memory in bytes.
    pub memory_bytes: Option<u64>,
    /// How much of it is in use.
    pub memory_used_bytes: Option<u64>,
    /// Generation by its maker's word: `hopper`, `gfx942`, `gaudi3`, `trn2`.
    pub architecture: Option<String>,
    /// Serial number of the board.
    pub serial: Option<String>,
    /// An id that is unique in the world: NVIDIA's UUID, AMD's unique id.
    pub unique_id: Option<String>,
    /// Kernel driver that serves it.
    pub driver: Option<String>,
    /// Device nodes that open it.
    pub nodes: Vec<String>,
    /// `ok`, or the driver's word for what is wrong; null where nobody says.
    pub health: Option<String>,
    /// How busy it is, in per cent.
    pub utilisation_percent: Option<u32>,
    /// What it can do, by the registry's keys. A key that is absent is unknown, which is not "no".
    pub capabilities: Capabilities,
}

/// Values by key of the registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Capabilities(BTreeMap<&'static str, Capability>);

impl JsonSchema for Capabilities {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Capabilities".into()
    }

    /// Names the keys with their meaning; a later release may know more.
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let value = generator.subschema_for::<Capability>();
        let key = |key: &facts::CapabilityKey| {
            let mut schema = value.clone();
            schema.insert("description".to_owned(), key.meaning().into());
            (key.as_str().to_owned(), schema.to_value())
        };
        let properties: serde_json::Map<_, _> = facts::CapabilityKey::ALL.iter().map(key).collect();
        json_schema!({
            "type": "object",
            "properties": properties,
            "additionalProperties": value,
        })
    }
}

/// A value and how kerf knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Capability {
    /// The value, in the unit that the key has.
    pub value: Value,
    /// How kerf knows it.
    pub provenance: Provenance,
}

/// A value of a capability.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Value {
    /// Whether it can.
    Flag(bool),
    /// How much.
    Count(u64),
    /// Which one.
    Word(String),
    /// Which ones.
    Words(Vec<String>),
}

/// How a value is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
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

impl From<&facts::Accelerator> for Accelerator {
    fn from(one: &facts::Accelerator) -> Self {
        let capability = |(key, value): (&facts::CapabilityKey, &facts::Capability)| {
            (key.as_str(), Capability::from(value))
        };
        let health = match &one.health {
            facts::AcceleratorHealth::Unknown => None,
            facts::AcceleratorHealth::Ok => Some("ok".to_owned()),
            facts::AcceleratorHealth::Failed(word) => Some(word.clone()),
        };
        Self {
            id: one.id.clone(),
            vendor: one.vendor.map(|vendor| vendor.to_string()),
            model: one.model.clone(),
            bdf: one.pci.map(|pci| pci.to_string()),
            numa_node: one.numa_node,
            memory_bytes: one.memory.map(|bytes| bytes.0),
            memory_used_bytes: one.memory_used.map(|bytes| bytes.0),
            architecture: one.architecture.clone(),
            serial: one.serial.clone(),
            unique_id: one.unique_id.clone(),
            driver: one.driver.clone(),
            nodes: one.nodes.clone(),
            health,
            utilisation_percent: one.utilisation_percent,
            capabilities: Capabilities(one.capabilities.iter().map(capability).collect()),
        }
    }
}

impl From<&facts::Capability> for Capability {
    fn from(capability: &facts::Capability) -> Self {
        let value = match &capability.value {
            facts::CapabilityValue::Flag(flag) => Value::Flag(*flag),
            facts::CapabilityValue::Count(count) => Value::Count(*count),
            facts::CapabilityValue::Word(word) => Value::Word(word.clone()),
            facts::CapabilityValue::Words(words) => Value::Words(words.clone()),
        };
        let provenance = match capability.provenance {
            facts::Provenance::Driver => Provenance::Driver,
            facts::Provenance::Kernel => Provenance::Kernel,
            facts::Provenance::Published => Provenance::Published,
            facts::Provenance::Unverified => Provenance::Unverified,
        };
        Self { value, provenance }
    }
}

/// All links of one kind between two ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Link {
    /// One end: an accelerator's id, the PCI address of a switch (`switch` for those that are no PCI functions of this
    /// host), or `cpu` and a NUMA node (`cpu0`).
    pub a: String,
    /// The other end.
    pub b: String,
    /// `nvlink`, `nvlink-c2c`, `xgmi`, `xelink`, `gaudi`, `neuronlink`, `ici`, or the way over PCIe: `PIX`, `PXB`,
    /// `PHB`, `NODE`, `SYS`.
    pub kind: &'static str,
    /// How many; 1 for a way over PCIe.
    pub count: u32,
    /// What all of them carry one way, in gigabytes a second.
    pub gbps: Option<u32>,
    /// The lowest PCI bridge or host bridge above both, for a way over PCIe.
    pub ancestor: Option<String>,
}

impl From<&facts::Link> for Link {
    fn from(link: &facts::Link) -> Self {
        Self {
            a: end(&link.a),
            b: end(&link.b),
            kind: link.kind.as_str(),
            count: link.count,
            gbps: link.gbps,
            ancestor: known(&link.ancestor),
        }
    }
}

fn end(end: &facts::End) -> String {
    match end {
        facts::End::Accelerator(id) => id.clone(),
        facts::End::Switch(Some(pci)) => pci.to_string(),
        facts::End::Switch(None) => "switch".to_owned(),
        facts::End::Cpu(node) => format!("cpu{node}"),
    }
}

/// A file that is not as a kernel writes it; what it should have told is unknown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Oddity {
    /// Its path.
    pub path: String,
    /// What is odd about it.
    pub what: String,
}

impl From<&facts::Oddity> for Oddity {
    fn from(oddity: &facts::Oddity) -> Self {
        Self {
            path: oddity.path.clone(),
            what: oddity.what.clone(),
        }
    }
}
