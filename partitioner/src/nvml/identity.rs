//! Who a GPU is: names, ids, addresses, and its PCIe link.

use kerf_types::inventory::{Architecture, PcieLink};
use kerf_types::{Bytes, DeviceMinor, GpuUuid, ParseError, PciAddress};
use nvml_wrapper::Device;
use nvml_wrapper::error::NvmlError as WrapperError;

use super::error::{NvmlError, called, optional};

/// What stays the same for as long as a GPU keeps its place and its driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub uuid: GpuUuid,
    pub pci: PciAddress,
    pub minor: DeviceMinor,
    pub name: String,
    pub pci_device_id: u32,
    pub pci_subsystem_id: u32,
    pub serial: Option<String>,
    pub architecture: Architecture,
    pub compute_capability: (u32, u32),
    pub memory: Bytes,
}

/// Reads it. A GPU that does not tell its UUID, address or minor cannot be handed out and is an error;
/// a missing serial number is not.
pub fn identity(device: &Device<'_>) -> Result<Identity, NvmlError> {
    let pci = called("nvmlDeviceGetPciInfo_v3", device.pci_info())?;
    let capability = called(
        "nvmlDeviceGetCudaComputeCapability",
        device.cuda_compute_capability(),
    )?;
    Ok(Identity {
        uuid: uuid(device)?,
        pci: address("nvmlDeviceGetPciInfo_v3", &pci.bus_id)?,
        minor: DeviceMinor(called("nvmlDeviceGetMinorNumber", device.minor_number())?),
        name: called("nvmlDeviceGetName", device.name())?,
        pci_device_id: pci.pci_device_id,
        pci_subsystem_id: pci.pci_sub_system_id.unwrap_or(0),
        serial: optional(called("nvmlDeviceGetSerial", device.serial()))?,
        architecture: architecture(device)?,
        compute_capability: (unsigned(capability.major), unsigned(capability.minor)),
        memory: Bytes(called("nvmlDeviceGetMemoryInfo_v2", device.memory_info())?.total),
    })
}

/// The GPU's UUID.
pub fn uuid(device: &Device<'_>) -> Result<GpuUuid, NvmlError> {
    let call = "nvmlDeviceGetUUID";
    called(call, device.uuid())?
        .parse()
        .map_err(|cause| NvmlError::Answer { call, cause })
}

/// An address as the driver writes it, `00000000:1B:00.0`.
pub fn address(call: &'static str, text: &str) -> Result<PciAddress, NvmlError> {
    text.parse()
        .map_err(|cause: ParseError| NvmlError::Answer { call, cause })
}

/// The GPU's generation. The wrapper refuses numbers that it has no name for, and names them then.
pub fn architecture(device: &Device<'_>) -> Result<Architecture, NvmlError> {
    let number = match device.architecture() {
        Ok(known) => known.as_c(),
        Err(WrapperError::UnexpectedVariant(number)) => number,
        Err(error) => return called("nvmlDeviceGetArchitecture", Err(error)),
    };
    Ok(kerf_api::convert::architecture(number))
}

/// The PCIe link; a figure that the driver does not tell is 0, which no link has.
pub fn pcie_link(device: &Device<'_>) -> Result<PcieLink, NvmlError> {
    let figure = |call, answer| Ok(optional(called(call, answer))?.unwrap_or(0));
    Ok(PcieLink {
        max_generation: figure(
            "nvmlDeviceGetMaxPcieLinkGeneration",
            device.max_pcie_link_gen(),
        )?,
        max_width: figure(
            "nvmlDeviceGetMaxPcieLinkWidth",
            device.max_pcie_link_width(),
        )?,
        current_generation: figure(
            "nvmlDeviceGetCurrPcieLinkGeneration",
            device.current_pcie_link_gen(),
        )?,
        current_width: figure(
            "nvmlDeviceGetCurrPcieLinkWidth",
            device.current_pcie_link_width(),
        )?,
    })
}

fn unsigned(number: i32) -> u32 {
    u32::try_from(number).unwrap_or(0)
}
