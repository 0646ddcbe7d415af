//! Who a device is: names, numbers, firmware. A MIG device has a name and a UUID of its own and
//! otherwise answers for its GPU.

use super::call::{self, Device};
use super::handle::Handle;
use super::pointer::{Out, OutText, Version, Versioned};
use crate::DRIVER_VERSION;
use crate::model::capacity::ci_profile;
use crate::model::status::Status;

/// `NVML_BRAND_NVIDIA`, what data-centre products report since Ampere.
const BRAND_NVIDIA: u32 = 14;
/// `NVML_BUS_TYPE_PCIE`.
const BUS_PCIE: u32 = 2;

nvml! {
    fn nvmlDeviceGetName(device: Handle, name: OutText, length: u32) {
        name.put(length, &device_name(&call::device(device)?)?)
    }

    fn nvmlDeviceGetUUID(device: Handle, uuid: OutText, length: u32) {
        let text = match call::device(device)? {
            Device::Gpu(view) => format!("GPU-{}", view.gpu().uuid),
            Device::Mig(ci) => format!("MIG-{}", ci.instances()?.1.uuid),
        };
        uuid.put(length, &text)
    }

    fn nvmlDeviceGetIndex(device: Handle, index: Out<u32>) {
        match call::device(device)? {
            Device::Gpu(view) => {
                let before = view.machine.listed().position(|gpu| gpu.index == view.index);
                let before = before.ok_or(Status::GpuIsLost)?;
                index.put(u32::try_from(before).map_err(|_| Status::Unknown)?)
            }
            Device::Mig(ci) => index.put(ci.instances()?.1.mig_index),
        }
    }

    fn nvmlDeviceGetMinorNumber(device: Handle, minor: Out<u32>) {
        minor.put(call::gpu(device)?.gpu().minor)
    }

    fn nvmlDeviceGetSerial(device: Handle, serial: OutText, length: u32) {
        serial.put(length, &call::parent(device)?.gpu().serial)
    }

    fn nvmlDeviceGetBrand(device: Handle, brand: Out<u32>) {
        call::parent(device)?;
        brand.put(BRAND_NVIDIA)
    }

    fn nvmlDeviceGetArchitecture(device: Handle, architecture: Out<u32>) {
        architecture.put(call::parent(device)?.product.architecture.number())
    }

    fn nvmlDeviceGetCudaComputeCapability(device: Handle, major: Out<i32>, minor: Out<i32>) {
        let capability = call::parent(device)?.product.compute_capability;
        major.put(capability.0)?;
        minor.put(capability.1)
    }

    fn nvmlDeviceGetVbiosVersion(device: Handle, version: OutText, length: u32) {
        version.put(length, call::gpu(device)?.product.vbios)
    }

    fn nvmlDeviceGetBoardPartNumber(device: Handle, number: OutText, length: u32) {
        number.put(length, call::gpu(device)?.product.board_part_number)
    }

    fn nvmlDeviceGetBoardId(device: Handle, id: Out<u32>) {
        let view = call::gpu(device)?;
        let bdf = view.machine.site(view.index)?.bdf;
        id.put(u32::from(bdf.bus) << 8 | u32::from(bdf.device))
    }

    fn nvmlDeviceGetMultiGpuBoard(device: Handle, multi: Out<u32>) {
        call::gpu(device)?;
        multi.put(0)
    }

    fn nvmlDeviceOnSameBoard(one: Handle, other: Handle, same: Out<i32>) {
        let (one, other) = (call::gpu(one)?, call::gpu(other)?);
        same.put(i32::from(one.index == other.index))
    }

    fn nvmlDeviceGetModuleId(device: Handle, id: Out<u32>) {
        id.put(call::gpu(device)?.index + 1)
    }

    // A GPU's PDI is a 64-bit number of its own; here it is the UUID's first half.
    fn nvmlDeviceGetPdi(device: Handle, pdi: Versioned) {
        let view = call::gpu(device)?;
        let mut answer = pdi.get::<Pdi>()?;
        answer.value = view.gpu().uuid.as_u64_pair().0;
        pdi.put(answer)
    }

    fn nvmlDeviceGetInforomImageVersion(device: Handle, version: OutText, length: u32) {
        version.put(length, call::gpu(device)?.product.inforom_image)
    }

    // 0 OEM, 1 ECC, 2 power: the last is not there on the products here.
    fn nvmlDeviceGetInforomVersion(device: Handle, object: u32, version: OutText, length: u32) {
        let product = call::gpu(device)?.product;
        match object {
            0 => version.put(length, product.inforom_oem),
            1 => version.put(length, product.inforom_ecc),
            2 | 3 => Err(Status::NotSupported),
            _ => Err(Status::InvalidArgument),
        }
    }

    fn nvmlDeviceGetInforomConfigurationChecksum(device: Handle, checksum: Out<u32>) {
        let view = call::gpu(device)?;
        checksum.put(view.gpu().uuid.as_fields().0)
    }

    fn nvmlDeviceValidateInforom(device: Handle) { call::gpu(device).map(|_| ()) }

    fn nvmlDeviceGetGspFirmwareVersion(device: Handle, version: OutText) {
        call::gpu(device)?;
        // The header gives the buffer a fixed size of 64 bytes and passes no length.
        version.put(64, DRIVER_VERSION)
    }

    fn nvmlDeviceGetGspFirmwareMode(device: Handle, enabled: Out<u32>, default: Out<u32>) {
        call::gpu(device)?;
        enabled.put(1)?;
        default.put(1)
    }

    fn nvmlDeviceGetIrqNum(device: Handle, irq: Out<u32>) {
        irq.put(128 + call::gpu(device)?.index)
    }

    fn nvmlDeviceGetNumGpuCores(device: Handle, cores: Out<u32>) {
        cores.put(call::gpu(device)?.product.cores)
    }

    fn nvmlDeviceGetBusType(device: Handle, bus: Out<u32>) {
        call::gpu(device)?;
        bus.put(BUS_PCIE)
    }

    fn nvmlDeviceGetDisplayMode(device: Handle, _mode: Out<u32>) {
        call::gpu(device)?;
        Err(Status::Deprecated)
    }

    fn nvmlDeviceGetDisplayActive(device: Handle, active: Out<u32>) {
        call::gpu(device)?;
        active.put(0)
    }

    // 0 none, 1 pass-through, 2 vGPU, 3 host vGPU, 4 host vSGA.
    fn nvmlDeviceGetVirtualizationMode(device: Handle, mode: Out<u32>) {
        call::gpu(device)?;
        mode.put(0)
    }

    // Bit 0 is extended GPU memory, which needs Grace.
    fn nvmlDeviceGetCapabilities(device: Handle, capabilities: Versioned) {
        call::gpu(device)?;
        let mut answer = capabilities.get::<Pair>()?;
        answer.value = 0;
        capabilities.put(answer)
    }

    // 0 none, 1 HMM, 2 ATS.
    fn nvmlDeviceGetAddressingMode(device: Handle, mode: Versioned) {
        call::gpu(device)?;
        let mut answer = mode.get::<Pair>()?;
        answer.value = 0;
        mode.put(answer)
    }
}

/// `nvmlPdi_v1_t`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Pdi {
    version: u32,
    value: u64,
}

impl Version for Pdi {
    const NUMBER: u32 = 1;
}

/// `nvmlDeviceCapabilities_v1_t` and `nvmlDeviceAddressingMode_v1_t`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Pair {
    version: u32,
    value: u32,
}

impl Version for Pair {
    const NUMBER: u32 = 1;
}

fn device_name(device: &Device) -> Result<String, Status> {
    match device {
        Device::Gpu(view) => Ok(view.product.name.to_owned()),
        Device::Mig(found) => {
            let product = found.view.product;
            let (gi, ci) = found.instances()?;
            let profile = ci_profile(product, gi, ci.profile).ok_or(Status::Unknown)?;
            let gi = gi.profile(product).ok_or(Status::Unknown)?;
            Ok(format!("{} MIG {}", product.name, profile.name(gi)))
        }
    }
}
