//! MIG mode, MIG devices and their attributes.

use super::call::{self, CiView, Device};
use super::handle::{Handle, Target};
use super::pointer::Out;
use super::types::Attributes;
use crate::model::capacity::ci_profile;
use crate::model::mig::Activation;
use crate::model::status::Status;

nvml! {
    fn nvmlDeviceGetMigMode(device: Handle, current: Out<u32>, pending: Out<u32>) {
        let view = call::gpu(device)?;
        current.put(u32::from(view.gpu().mig))?;
        pending.put(u32::from(view.gpu().mig_pending))
    }

    fn nvmlDeviceSetMigMode(device: Handle, mode: u32, activation: Out<u32>) {
        let view = call::gpu(device)?;
        if mode > 1 {
            return Err(Status::InvalidArgument);
        }
        let done = call::change(view.index, |machine, now| {
            machine.set_mig_mode(view.index, mode == 1, now)
        });
        match done {
            Ok(Activation::Done) => activation.put(0),
            Ok(Activation::Pending(why)) => activation.put(why.code()),
            Err(status) => {
                activation.put(status.code())?;
                Err(status)
            }
        }
    }

    fn nvmlDeviceGetMaxMigDeviceCount(device: Handle, count: Out<u32>) {
        count.put(call::gpu(device)?.product.max_mig_devices)
    }

    fn nvmlDeviceGetMigDeviceHandleByIndex(device: Handle, index: u32, mig: Out<Handle>) {
        let view = call::gpu(device)?;
        view.gpu().require_mig()?;
        if index >= view.product.max_mig_devices {
            return Err(Status::InvalidArgument);
        }
        let found = view.gpu().mig_devices().find(|(_, ci)| ci.mig_index == index);
        let (_, ci) = found.ok_or(Status::NotFound)?;
        mig.put(Handle::of(Target::Mig(view.index, ci.serial)))
    }

    fn nvmlDeviceGetDeviceHandleFromMigDeviceHandle(mig: Handle, device: Out<Handle>) {
        let ci = mig_device(mig).map_err(|_| Status::InvalidArgument)?;
        device.put(Handle::of(Target::Gpu(ci.view.index)))
    }

    fn nvmlDeviceIsMigDeviceHandle(device: Handle, is_mig: Out<u32>) {
        is_mig.put(u32::from(matches!(call::device(device)?, Device::Mig(_))))
    }

    fn nvmlDeviceGetGpuInstanceId(device: Handle, id: Out<u32>) {
        id.put(mig_device(device)?.instances()?.0.id)
    }

    fn nvmlDeviceGetComputeInstanceId(device: Handle, id: Out<u32>) {
        id.put(mig_device(device)?.instances()?.1.id)
    }

    fn nvmlDeviceGetAttributes_v2(device: Handle, attributes: Out<Attributes>) {
        attributes.put(mig_attributes(device)?)
    }

    fn nvmlDeviceGetAttributes(device: Handle, attributes: Out<Attributes>) {
        attributes.put(mig_attributes(device)?)
    }
}

/// The MIG device behind a handle; a GPU does not offer the function.
fn mig_device(handle: Handle) -> Result<CiView, Status> {
    match call::device(handle)? {
        Device::Mig(ci) => Ok(ci),
        Device::Gpu(_) => Err(Status::NotSupported),
    }
}

fn mig_attributes(handle: Handle) -> Result<Attributes, Status> {
    let device = mig_device(handle)?;
    let product = device.view.product;
    let (gi, ci) = device.instances()?;
    let profile = gi.profile(product).ok_or(Status::Unknown)?;
    let compute = ci_profile(product, gi, ci.profile).ok_or(Status::Unknown)?;
    Ok(Attributes {
        multiprocessors: compute.multiprocessors(profile, product.multiprocessors_per_slice),
        copy_engines: profile.engines.copy,
        decoders: profile.engines.decoder,
        encoders: profile.engines.encoder,
        jpegs: profile.engines.jpeg,
        ofas: profile.engines.ofa,
        gi_slices: profile.slices,
        ci_slices: compute.slices,
        memory_mib: device.view.memory_of(gi).total >> 20,
    })
}
