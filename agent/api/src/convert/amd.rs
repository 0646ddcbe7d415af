//! An AMD GPU: what it is, its two modes, and the partitions that follow from them.

use std::fmt::Display;
use std::str::FromStr;

use kerf_types::amd::AmdPartition;
use kerf_types::{AmdGpu, Bytes, Health, ParseError};

use super::{
    At, ConvertError, GRID_LIMIT, NAME_LIMIT, PROCESS_LIMIT, count, distinct, each, optional_text,
    parse, required, text,
};
use crate::v1;

/// Most modes of a kind: there are five, and four.
const MODE_LIMIT: usize = 16;

impl From<&AmdGpu> for v1::AmdGpu {
    fn from(gpu: &AmdGpu) -> Self {
        Self {
            index: gpu.index,
            pci: gpu.pci.to_string(),
            name: gpu.name.clone(),
            pci_device_id: gpu.pci_device_id,
            unique_id: gpu.unique_id.clone(),
            serial: gpu.serial.clone(),
            memory_bytes: gpu.memory.0,
            memory_used_bytes: gpu.memory_used.map(|bytes| bytes.0),
            utilisation_percent: gpu.utilisation_percent,
            numa_node: gpu.numa_node,
            xccs: gpu.xccs,
            hive: gpu.hive.clone(),
            compute: word(gpu.compute),
            compute_modes: words(&gpu.compute_modes),
            memory_mode: word(gpu.memory_mode),
            memory_modes: words(&gpu.memory_modes),
            pending_memory: word(gpu.pending_memory),
            partitions: gpu.partitions.iter().map(Into::into).collect(),
            processes: gpu.processes.clone(),
            health: Some((&gpu.health).into()),
        }
    }
}

impl TryFrom<v1::AmdGpu> for AmdGpu {
    type Error = ConvertError;

    fn try_from(gpu: v1::AmdGpu) -> Result<Self, ConvertError> {
        let partition = |one| Ok::<_, ConvertError>(AmdPartition::from(one));
        let partitions = each("partitions", gpu.partitions, GRID_LIMIT, partition)?;
        distinct("partitions", partitions.iter().map(|one| one.kfd_node))?;
        distinct("partitions", partitions.iter().map(|one| one.render_minor))?;
        count("processes", gpu.processes.len(), PROCESS_LIMIT)?;
        Ok(Self {
            index: gpu.index,
            pci: parse("pci", &gpu.pci)?,
            name: text("name", gpu.name, NAME_LIMIT)?,
            pci_device_id: gpu.pci_device_id,
            unique_id: optional_text("unique_id", gpu.unique_id, NAME_LIMIT)?,
            serial: optional_text("serial", gpu.serial, NAME_LIMIT)?,
            memory: Bytes(gpu.memory_bytes),
            memory_used: gpu.memory_used_bytes.map(Bytes),
            utilisation_percent: gpu.utilisation_percent,
            numa_node: gpu.numa_node,
            xccs: gpu.xccs,
            hive: optional_text("hive", gpu.hive, NAME_LIMIT)?,
            compute: mode("compute", gpu.compute)?,
            compute_modes: modes("compute_modes", gpu.compute_modes)?,
            memory_mode: mode("memory_mode", gpu.memory_mode)?,
            memory_modes: modes("memory_modes", gpu.memory_modes)?,
            pending_memory: mode("pending_memory", gpu.pending_memory)?,
            partitions,
            processes: gpu.processes,
            health: Health::try_from(required("health", gpu.health)?).at("health")?,
        })
    }
}

impl From<&AmdPartition> for v1::AmdPartition {
    fn from(partition: &AmdPartition) -> Self {
        Self {
            kfd_node: partition.kfd_node,
            gpu_id: partition.gpu_id,
            render_minor: partition.render_minor,
            xccs: partition.xccs,
            memory_bytes: partition.memory.map(|bytes| bytes.0),
        }
    }
}

impl From<v1::AmdPartition> for AmdPartition {
    fn from(partition: v1::AmdPartition) -> Self {
        Self {
            kfd_node: partition.kfd_node,
            gpu_id: partition.gpu_id,
            render_minor: partition.render_minor,
            xccs: partition.xccs,
            memory: partition.memory_bytes.map(Bytes),
        }
    }
}

fn word<T: Display>(mode: Option<T>) -> Option<String> {
    mode.map(|mode| mode.to_string())
}

fn words<T: Display>(modes: &[T]) -> Vec<String> {
    modes.iter().map(ToString::to_string).collect()
}

fn mode<T>(field: &str, value: Option<String>) -> Result<Option<T>, ConvertError>
where
    T: FromStr<Err = ParseError>,
{
    value.map(|value| parse(field, &value)).transpose()
}

fn modes<T>(field: &str, values: Vec<String>) -> Result<Vec<T>, ConvertError>
where
    T: FromStr<Err = ParseError>,
{
    each(field, values, MODE_LIMIT, |value| parse("", &value))
}
