//! What amdgpu does with the values that are written into its files.

use super::{Amd, Busy, Compute, Gpu, Memory};
use crate::kernel::errno::Errno;

/// The file of the compute mode, in a GPU's folder.
pub(super) const COMPUTE: &str = "current_compute_partition";
/// The file of the memory mode.
pub(super) const MEMORY: &str = "current_memory_partition";

impl Amd {
    /// Gives a value to a file; `None` where the file is none of amdgpu's that take values.
    pub fn write(&mut self, path: &str, value: &[u8], delay: u32) -> Option<Result<(), Errno>> {
        let (folder, name) = path.rsplit_once('/')?;
        let place = *self.places(|gpu| gpu.folder == folder).first()?;
        match name {
            COMPUTE => Some(self.set_compute(place, value, delay)),
            MEMORY => Some(self.request_memory(place, value)),
            _ => None,
        }
    }

    /// Whether reading this file is refused now.
    #[must_use]
    pub fn refuses_read(&self, path: &str) -> bool {
        let Some((folder, name)) = path.rsplit_once('/') else {
            return false;
        };
        let of_mode = name == COMPUTE || name == MEMORY;
        of_mode
            && self
                .gpus
                .iter()
                .any(|gpu| gpu.folder == folder && gpu.in_reset)
    }

    fn set_compute(&mut self, place: u32, value: &[u8], delay: u32) -> Result<(), Errno> {
        let xccs = self.product().xccs;
        let in_use = self.is_in_use(place);
        let gpu = self.gpu_mut(place).ok_or(Errno::ENOENT)?;
        if gpu.in_reset {
            return Err(Errno::EPERM);
        }
        let mode = Compute::parse(value).ok_or(Errno::EINVAL)?;
        if mode == gpu.compute {
            return Ok(());
        }
        if !mode.is_valid(xccs, gpu.memory) {
            return Err(Errno::EINVAL);
        }
        if in_use {
            return Err(Errno::EBUSY);
        }
        gpu.compute = mode;
        gpu.looks_left = delay;
        if delay == 0 {
            self.enumerate(place);
        }
        Ok(())
    }

    /// Only a request, and the hive's: the driver carries it out when it is unloaded. The mode that the GPU has
    /// is passed over, so a request cannot be taken back that way.
    fn request_memory(&mut self, place: u32, value: &[u8]) -> Result<(), Errno> {
        let offered = self.product().memory;
        let gpu = self.gpu_mut(place).ok_or(Errno::ENOENT)?;
        if gpu.in_reset {
            return Err(Errno::EPERM);
        }
        let mode = Memory::parse(value).ok_or(Errno::EINVAL)?;
        if mode == gpu.memory {
            return Ok(());
        }
        if !offered.contains(&mode) {
            return Err(Errno::EINVAL);
        }
        self.requested = Some(mode);
        Ok(())
    }

    fn is_in_use(&self, place: u32) -> bool {
        match self.policy.busy {
            Busy::AnyClient => !self.clients.is_empty(),
            Busy::OwnClients => self.clients.iter().any(|client| client.gpu == place),
        }
    }
}

impl Gpu {
    /// Gives the GPU the memory mode with which the driver comes up, and the compute mode that follows.
    pub(super) fn come_up(&mut self, memory: Memory, xccs: u32) {
        if self.memory != memory {
            self.compute = Compute::at_load(xccs, memory);
        }
        self.memory = memory;
        self.listed = self.compute;
        self.looks_left = 0;
        self.in_reset = false;
    }
}
