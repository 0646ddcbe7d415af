//! What befalls vGPUs by themselves or by an operator: virtual machines that come and go, the mix of sizes.

use super::{Device, Vgpu, Vm};
use crate::kernel::errno::Errno;

impl Vgpu {
    /// A virtual machine opens the vGPU of a function's address or a mediated device's UUID.
    ///
    /// # Errors
    /// ENOENT where there is no vGPU; EBUSY where another VM has it.
    pub fn attach(&mut self, name: &str, vm: Vm) -> Result<(), Errno> {
        let device = self.named(name).ok_or(Errno::ENOENT)?;
        if device.vm.is_some() {
            return Err(Errno::EBUSY);
        }
        device.vm = Some(vm);
        Ok(())
    }

    /// Ends the virtual machines that are chosen; says whether there were any.
    pub fn detach(&mut self, which: impl Fn(&Vm) -> bool) -> bool {
        let mut any = false;
        for device in self.devices_mut() {
            any |= device.vm.take_if(|vm| which(vm)).is_some();
        }
        any
    }

    /// Whether sizes may be mixed on a GPU.
    ///
    /// # Errors
    /// ENOENT for a GPU that is not there; EBUSY while it has vGPUs.
    pub fn set_heterogeneous(&mut self, gpu: u32, on: bool) -> Result<(), Errno> {
        let place = crate::model::machine::place(gpu);
        let gpu = self.gpus.get_mut(place).ok_or(Errno::ENOENT)?;
        if gpu.vgpus().next().is_some() {
            return Err(Errno::EBUSY);
        }
        gpu.heterogeneous = on;
        Ok(())
    }

    fn named(&mut self, name: &str) -> Option<&mut Device> {
        let mut found = None;
        for (at, gpu) in self.gpus.iter().enumerate() {
            for (nth, function) in gpu.functions.iter().enumerate() {
                let is_function = self.function_bdf(gpu, nth) == name;
                let mut vgpus = function.vgpus.iter();
                let place =
                    vgpus.position(|device| is_function || device.uuid.as_deref() == Some(name));
                found = found.or(place.map(|place| (at, nth, place)));
            }
        }
        let (at, nth, place) = found?;
        let function = self.gpus.get_mut(at)?.functions.get_mut(nth)?;
        function.vgpus.get_mut(place)
    }
}
