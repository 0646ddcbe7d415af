//! `kerf topology`: how near the devices of a host are to each other.

use serde::Serialize;

use super::schema_tag;
use crate::convert::{ConvertError, Fault};
use crate::v1;

schema_tag!(TopologySchema, "kerf.v1.Topology");

/// The matrix that `nvidia-smi topo -m` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Topology {
    /// Names this document.
    pub schema: TopologySchema,
    /// The devices, in the order of each row's links.
    pub devices: Vec<String>,
    /// One row for each device.
    pub rows: Vec<TopologyRow>,
}

/// One device and its way to each other one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TopologyRow {
    /// `GPU0` or `NIC3`.
    pub device: String,
    /// Its PCI address; null where it has none.
    pub pci: Option<String>,
    /// `X`, `NV18`, `PIX`, `PXB`, `PHB`, `NODE` or `SYS` for each device.
    pub links: Vec<String>,
    /// CPUs near to it, as the kernel lists them; null where nobody knows.
    pub cpu_affinity: Option<String>,
    /// NUMA node that it is next to.
    pub numa_node: Option<u32>,
    /// NUMA node that its own memory is; null for nearly all.
    pub gpu_numa_id: Option<u32>,
}

impl TryFrom<&v1::Topology> for Topology {
    type Error = ConvertError;

    fn try_from(topology: &v1::Topology) -> Result<Self, ConvertError> {
        let ragged = |row: &v1::TopologyRow| row.links.len() != topology.header.len();
        if let Some(row) = topology.rows.iter().position(ragged) {
            let why = "a row has one link for each device of the header";
            return Err(ConvertError::new(
                format!("rows[{row}].links"),
                Fault::Conflict { why },
            ));
        }
        Ok(Self {
            schema: TopologySchema::V1,
            devices: topology.header.clone(),
            rows: topology.rows.iter().map(Into::into).collect(),
        })
    }
}

impl From<&v1::TopologyRow> for TopologyRow {
    fn from(row: &v1::TopologyRow) -> Self {
        Self {
            device: row.device.clone(),
            pci: Some(row.pci.clone()).filter(|pci| !pci.is_empty()),
            links: row.links.clone(),
            cpu_affinity: row.cpu_affinity.clone(),
            numa_node: row.numa_node,
            gpu_numa_id: row.memory_node,
        }
    }
}
