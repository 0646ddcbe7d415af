//! PCI functions.

use kerf_types::PciAddress;
use kerf_types::map::{Acs, LinkSpeed, PciFunction, PciLink, SriovFunctions};

use crate::convert::{
    At, ConvertError, NAME_LIMIT, TEXT_LIMIT, number_error, optional_text, parse, text,
};
use crate::v1;

impl From<&PciFunction> for v1::PciFunction {
    fn from(function: &PciFunction) -> Self {
        let pair = |(vendor, device): (u16, u16)| u32::from(vendor) << 16 | u32::from(device);
        let address = |address: PciAddress| address.to_string();
        Self {
            address: address(function.address),
            class: function.class,
            vendor: function.vendor.map(Into::into),
            device: function.device.map(Into::into),
            subsystem: function.subsystem.map(pair),
            numa_node: function.numa_node,
            parent: function.parent.map(address),
            host_bridge: function.host_bridge.clone(),
            path: function.path.clone(),
            link: function.link.as_ref().map(Into::into),
            driver: function.driver.clone(),
            iommu_group: function.iommu_group,
            physical_function: function.physical_function.map(address),
            sriov: function.sriov.map(|functions| v1::SriovFunctions {
                total: functions.total,
                enabled: functions.enabled,
            }),
            acs: function.acs.map(|acs| v1::Acs {
                capable: acs.capable.into(),
                enabled: acs.enabled.into(),
            }),
        }
    }
}

impl TryFrom<v1::PciFunction> for PciFunction {
    type Error = ConvertError;

    fn try_from(function: v1::PciFunction) -> Result<Self, ConvertError> {
        let address =
            |field, value: Option<String>| value.map(|value| parse(field, &value)).transpose();
        let id = |field, value: Option<u32>| value.map(|value| short(field, value)).transpose();
        let pair = |pair: u32| Ok((short("subsystem", pair >> 16)?, short("", pair & 0xffff)?));
        let sriov = |functions: v1::SriovFunctions| SriovFunctions {
            total: functions.total,
            enabled: functions.enabled,
        };
        Ok(Self {
            address: parse("address", &function.address)?,
            class: function.class,
            vendor: id("vendor", function.vendor)?,
            device: id("device", function.device)?,
            subsystem: function.subsystem.map(pair).transpose()?,
            numa_node: function.numa_node,
            parent: address("parent", function.parent)?,
            host_bridge: text("host_bridge", function.host_bridge, NAME_LIMIT)?,
            path: text("path", function.path, TEXT_LIMIT)?,
            link: function.link.map(Into::into),
            driver: optional_text("driver", function.driver, NAME_LIMIT)?,
            iommu_group: function.iommu_group,
            physical_function: address("physical_function", function.physical_function)?,
            sriov: function.sriov.map(sriov),
            acs: function.acs.map(acs).transpose().at("acs")?,
        })
    }
}

fn acs(acs: v1::Acs) -> Result<Acs, ConvertError> {
    Ok(Acs {
        capable: short("capable", acs.capable)?,
        enabled: short("enabled", acs.enabled)?,
    })
}

fn short(field: &str, value: u32) -> Result<u16, ConvertError> {
    u16::try_from(value).map_err(|_| number_error(field, value, "a number of 16 bits"))
}

impl From<&PciLink> for v1::PciLink {
    fn from(link: &PciLink) -> Self {
        let speed = |speed: LinkSpeed| speed.0;
        Self {
            speed: link.speed.map(speed),
            width: link.width,
            max_speed: link.max_speed.map(speed),
            max_width: link.max_width,
            is_old_spelling: link.is_old_spelling,
        }
    }
}

impl From<v1::PciLink> for PciLink {
    fn from(link: v1::PciLink) -> Self {
        Self {
            speed: link.speed.map(LinkSpeed),
            width: link.width,
            max_speed: link.max_speed.map(LinkSpeed),
            max_width: link.max_width,
            is_old_spelling: link.is_old_spelling,
        }
    }
}
