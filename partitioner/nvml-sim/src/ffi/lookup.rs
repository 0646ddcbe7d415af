//! From a name to a device handle: index, UUID, PCI address, serial number.

use std::ffi::CStr;

use uuid::Uuid;

use super::call;
use super::handle::{Handle, Target};
use super::pointer::{InText, Out, Version, Versioned};
use crate::model::gpu::{Fault, Gpu};
use crate::model::machine::place;
use crate::model::status::Status;

nvml! {
    fn nvmlDeviceGetCount_v2(count: Out<u32>) { count.put(gpu_count()?) }

    fn nvmlDeviceGetCount(count: Out<u32>) { count.put(gpu_count()?) }

    fn nvmlDeviceGetHandleByIndex_v2(index: u32, device: Out<Handle>) {
        device.put(by_index(index)?)
    }

    fn nvmlDeviceGetHandleByIndex(index: u32, device: Out<Handle>) { device.put(by_index(index)?) }

    fn nvmlDeviceGetHandleByUUID(uuid: InText, device: Out<Handle>) {
        device.put(by_uuid(&uuid.get()?)?)
    }

    // Type 1 is text, 2 the sixteen bytes; bytes name a GPU.
    fn nvmlDeviceGetHandleByUUIDV(uuid: Versioned, device: Out<Handle>) {
        let uuid = uuid.get::<UuidV1>()?;
        let text = match uuid.kind {
            1 => CStr::from_bytes_until_nul(&uuid.value)
                .ok()
                .and_then(|text| text.to_str().ok())
                .ok_or(Status::InvalidArgument)?
                .to_owned(),
            2 => {
                let bytes = uuid.value.first_chunk::<16>().ok_or(Status::InvalidArgument)?;
                format!("GPU-{}", Uuid::from_bytes(*bytes))
            }
            _ => return Err(Status::InvalidArgument),
        };
        device.put(by_uuid(&text)?)
    }

    fn nvmlDeviceGetHandleBySerial(serial: InText, device: Out<Handle>) {
        let serial = serial.get()?;
        let machine = call::machine()?;
        let found = machine.listed().find(|gpu| gpu.serial == serial);
        device.put(handle_of(found.ok_or(Status::NotFound)?)?)
    }

    fn nvmlDeviceGetHandleByPciBusId_v2(address: InText, device: Out<Handle>) {
        device.put(by_address(&address.get()?)?)
    }

    fn nvmlDeviceGetHandleByPciBusId(address: InText, device: Out<Handle>) {
        device.put(by_address(&address.get()?)?)
    }
}

/// `nvmlUUID_v1_t`.
#[repr(C)]
#[derive(Clone, Copy)]
struct UuidV1 {
    version: u32,
    kind: u32,
    value: [u8; 41],
}

impl Version for UuidV1 {
    const NUMBER: u32 = 1;
}

fn gpu_count() -> Result<u32, Status> {
    u32::try_from(call::machine()?.listed().count()).map_err(|_| Status::Unknown)
}

fn by_index(index: u32) -> Result<Handle, Status> {
    let machine = call::machine()?;
    let found = machine.listed().nth(place(index));
    handle_of(found.ok_or(Status::InvalidArgument)?)
}

/// A look-up in the library's own table: it finds a GPU that hangs too, so that a client can name
/// the one that it leaves out. Calls on the handle block.
fn handle_of(gpu: &Gpu) -> Result<Handle, Status> {
    match gpu.fault {
        Fault::Lost | Fault::Gone => Err(Status::GpuIsLost),
        Fault::None | Fault::Hung | Fault::ResetRequired => Ok(Handle::of(Target::Gpu(gpu.index))),
    }
}

fn by_uuid(text: &str) -> Result<Handle, Status> {
    let machine = call::machine()?;
    if let Some(uuid) = text.strip_prefix("GPU-") {
        let found = machine.listed().find(|gpu| gpu.uuid.to_string() == uuid);
        return handle_of(found.ok_or(Status::NotFound)?);
    }
    let uuid = text.strip_prefix("MIG-").ok_or(Status::InvalidArgument)?;
    for gpu in machine.listed() {
        if let Some((_, ci)) = gpu
            .mig_devices()
            .find(|(_, ci)| ci.uuid.to_string() == uuid)
        {
            handle_of(gpu)?;
            return Ok(Handle::of(Target::Mig(gpu.index, ci.serial)));
        }
    }
    Err(Status::NotFound)
}

/// `domain:bus:device.function` in hexadecimal; domain and function may be absent.
fn by_address(text: &str) -> Result<Handle, Status> {
    let hex = |part: &str| u32::from_str_radix(part, 16).map_err(|_| Status::InvalidArgument);
    let (text, function) = text.split_once('.').unwrap_or((text, "0"));
    let parts: Vec<u32> = text.split(':').map(hex).collect::<Result<_, _>>()?;
    let (domain, bus, device) = match parts[..] {
        [domain, bus, device] => (domain, bus, device),
        [bus, device] => (0, bus, device),
        _ => return Err(Status::InvalidArgument),
    };
    let machine = call::machine()?;
    for gpu in machine.listed() {
        let bdf = machine.site(gpu.index)?.bdf;
        if (domain, bus, device, hex(function)?)
            == (
                u32::from(bdf.domain),
                u32::from(bdf.bus),
                u32::from(bdf.device),
                0,
            )
        {
            return handle_of(gpu);
        }
    }
    Err(Status::NotFound)
}
