//! A host: driver, NUMA nodes, network interfaces, and the inventory that holds all of it.

use std::sync::Arc;

use kerf_types::inventory::{Driver, Nic, NumaNode};
use kerf_types::{AmdGpu, Gpu, HostMap, Inventory};

use super::{
    At, ConvertError, GPU_LIMIT, NAME_LIMIT, NIC_LIMIT, NUMA_LIMIT, PROBLEM_LIMIT, TEXT_LIMIT,
    distinct, each, optional_text, text,
};
use crate::v1;

impl From<&Inventory> for v1::Inventory {
    fn from(inventory: &Inventory) -> Self {
        Self {
            host: inventory.host.clone(),
            driver: inventory.driver.as_ref().map(Into::into),
            gpus: inventory.gpus.iter().map(Into::into).collect(),
            amd: inventory.amd.iter().map(Into::into).collect(),
            numa_nodes: inventory.numa_nodes.iter().map(Into::into).collect(),
            nics: inventory.nics.iter().map(Into::into).collect(),
            problems: inventory.problems.clone(),
            map: Some((&*inventory.map).into()),
        }
    }
}

impl TryFrom<v1::Inventory> for Inventory {
    type Error = ConvertError;

    fn try_from(inventory: v1::Inventory) -> Result<Self, ConvertError> {
        let gpus = each("gpus", inventory.gpus, GPU_LIMIT, Gpu::try_from)?;
        // A GPU that stands there twice could be given away twice.
        // One that has dropped out is kept at its last index, at which the driver counts another by now.
        let counted = gpus.iter().filter(|gpu| !gpu.health.is_lost());
        distinct("gpus", counted.map(|gpu| gpu.index))?;
        distinct("gpus", gpus.iter().map(|gpu| &gpu.uuid))?;
        distinct("gpus", gpus.iter().map(|gpu| gpu.pci))?;
        let amd = each("amd", inventory.amd, GPU_LIMIT, AmdGpu::try_from)?;
        let counted = amd.iter().filter(|gpu| !gpu.health.is_lost());
        distinct("amd", counted.map(|gpu| gpu.index))?;
        distinct("amd", amd.iter().map(|gpu| gpu.pci))?;
        let problem = |problem| text("", problem, TEXT_LIMIT);
        Ok(Self {
            host: text("host", inventory.host, NAME_LIMIT)?,
            driver: inventory
                .driver
                .map(Driver::try_from)
                .transpose()
                .at("driver")?,
            gpus,
            amd,
            numa_nodes: numa_nodes(inventory.numa_nodes)?,
            nics: each("nics", inventory.nics, NIC_LIMIT, Nic::try_from)?,
            // A host of an earlier release tells none.
            map: inventory
                .map
                .map(HostMap::try_from)
                .transpose()
                .at("map")?
                .map(Arc::new)
                .unwrap_or_default(),
            problems: each("problems", inventory.problems, PROBLEM_LIMIT, problem)?,
        })
    }
}

fn numa_nodes(values: Vec<v1::NumaNode>) -> Result<Vec<NumaNode>, ConvertError> {
    let nodes = each("numa_nodes", values, NUMA_LIMIT, NumaNode::try_from)?;
    distinct("numa_nodes", nodes.iter().map(|node| node.id))?;
    Ok(nodes)
}

impl From<&Driver> for v1::Driver {
    fn from(driver: &Driver) -> Self {
        Self {
            version: driver.version.clone(),
            nvml_version: driver.nvml_version.clone(),
            cuda_version: driver.cuda_version.clone(),
        }
    }
}

impl TryFrom<v1::Driver> for Driver {
    type Error = ConvertError;

    fn try_from(driver: v1::Driver) -> Result<Self, ConvertError> {
        Ok(Self {
            version: text("version", driver.version, NAME_LIMIT)?,
            nvml_version: text("nvml_version", driver.nvml_version, NAME_LIMIT)?,
            cuda_version: optional_text("cuda_version", driver.cuda_version, NAME_LIMIT)?,
        })
    }
}
