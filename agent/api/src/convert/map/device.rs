//! Devices by the kernel's classes, and NVMe controllers.

use kerf_types::map::{ClassDevice, DeviceClass, Namespace, Nvme};

use super::FUNCTION_LIMIT;
use crate::convert::{ConvertError, NAME_LIMIT, each, number_error, optional_text, parse, text};
use crate::v1;

impl From<&ClassDevice> for v1::ClassDevice {
    fn from(device: &ClassDevice) -> Self {
        Self {
            class: device.class.as_str().to_owned(),
            name: device.name.clone(),
            pci: device.pci.map(|pci| pci.to_string()),
            numa_node: device.numa_node,
        }
    }
}

impl TryFrom<v1::ClassDevice> for ClassDevice {
    type Error = ConvertError;

    fn try_from(device: v1::ClassDevice) -> Result<Self, ConvertError> {
        let class = DeviceClass::from_word(&device.class)
            .ok_or_else(|| number_error("class", &device.class, "a class of devices"))?;
        Ok(Self {
            class,
            name: text("name", device.name, NAME_LIMIT)?,
            pci: device.pci.map(|pci| parse("pci", &pci)).transpose()?,
            numa_node: device.numa_node,
        })
    }
}

impl From<&Nvme> for v1::Nvme {
    fn from(nvme: &Nvme) -> Self {
        let namespace = |one: &Namespace| v1::Namespace {
            name: one.name.clone(),
            bytes: one.bytes,
        };
        Self {
            name: nvme.name.clone(),
            pci: nvme.pci.map(|pci| pci.to_string()),
            numa_node: nvme.numa_node,
            transport: nvme.transport.clone(),
            model: nvme.model.clone(),
            serial: nvme.serial.clone(),
            firmware: nvme.firmware.clone(),
            state: nvme.state.clone(),
            namespaces: nvme.namespaces.iter().map(namespace).collect(),
        }
    }
}

impl TryFrom<v1::Nvme> for Nvme {
    type Error = ConvertError;

    fn try_from(nvme: v1::Nvme) -> Result<Self, ConvertError> {
        let namespace = |one: v1::Namespace| {
            Ok::<_, ConvertError>(Namespace {
                name: text("name", one.name, NAME_LIMIT)?,
                bytes: one.bytes,
            })
        };
        Ok(Self {
            name: text("name", nvme.name, NAME_LIMIT)?,
            pci: nvme.pci.map(|pci| parse("pci", &pci)).transpose()?,
            numa_node: nvme.numa_node,
            transport: optional_text("transport", nvme.transport, NAME_LIMIT)?,
            model: optional_text("model", nvme.model, NAME_LIMIT)?,
            serial: optional_text("serial", nvme.serial, NAME_LIMIT)?,
            firmware: optional_text("firmware", nvme.firmware, NAME_LIMIT)?,
            state: optional_text("state", nvme.state, NAME_LIMIT)?,
            namespaces: each("namespaces", nvme.namespaces, FUNCTION_LIMIT, namespace)?,
        })
    }
}
