//! What befalls AMD GPUs by themselves or by an operator: clients that come and go, the driver loaded anew, resets.

use super::{Amd, Client};
use crate::kernel::errno::Errno;

impl Amd {
    /// A process opens KFD and holds memory of a GPU. One that is there already holds this much now.
    ///
    /// # Errors
    /// ENOENT for a GPU that is not there.
    pub fn open(&mut self, client: Client) -> Result<(), Errno> {
        self.gpu_mut(client.gpu).ok_or(Errno::ENOENT)?;
        self.close(client.pid);
        self.clients.push(client);
        Ok(())
    }

    /// A process ends; says whether there was one.
    pub fn close(&mut self, pid: u32) -> bool {
        self.end(|client| client.pid == pid)
    }

    /// Ends the clients that are chosen; says whether there were any.
    pub fn end(&mut self, which: impl Fn(&Client) -> bool) -> bool {
        let before = self.clients.len();
        self.clients.retain(|client| !which(client));
        self.clients.len() != before
    }

    /// amdgpu is unloaded and loaded: a request for a memory mode is carried out on all GPUs, and KFD lists them in
    /// order of their addresses. The compute mode stays where the memory mode does: the hardware keeps it.
    ///
    /// # Errors
    /// EBUSY while a process uses it: a module in use is not unloaded.
    pub fn reload(&mut self) -> Result<(), Errno> {
        if !self.clients.is_empty() {
            return Err(Errno::EBUSY);
        }
        let xccs = self.product().xccs;
        let requested = self.requested.take();
        for gpu in &mut self.gpus {
            gpu.come_up(requested.unwrap_or(gpu.memory), xccs);
        }
        self.order = self.places(|_| true);
        self.generation += 1;
        Ok(())
    }

    /// A GPU goes into reset, or comes out of it.
    ///
    /// # Errors
    /// ENOENT for a GPU that is not there.
    pub fn set_reset(&mut self, place: u32, in_reset: bool) -> Result<(), Errno> {
        self.gpu_mut(place).ok_or(Errno::ENOENT)?.in_reset = in_reset;
        Ok(())
    }
}
