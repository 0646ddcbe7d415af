//! NVLink wiring: which link of a GPU ends at which NVSwitch. Owns the distribution; traffic is
//! derived from activity.

use super::machine::{Machine, functions};
use super::spec::{PciFunction, Role};
use super::status::Status;

impl Machine {
    /// Where link `link` of a GPU ends: the links are dealt to the NVSwitches in turn, each GPU
    /// beginning one switch further, so that the switches are loaded evenly. `None` for a link
    /// that is not wired, as all are on a machine without NVSwitches.
    ///
    /// # Errors
    /// `InvalidArgument` for a link that the product does not have.
    pub fn link_end(&self, gpu: u32, link: u32) -> Result<Option<&'static PciFunction>, Status> {
        let spec = self.spec().ok_or(Status::LibRmVersionMismatch)?;
        if link >= spec.product.nvlink.links {
            return Err(Status::InvalidArgument);
        }
        let switches: Vec<_> = functions(spec)
            .iter()
            .filter(|function| matches!(function.role, Role::NvSwitch(_)))
            .collect();
        let count = u32::try_from(switches.len()).unwrap_or(0);
        if count == 0 {
            return Ok(None);
        }
        Ok(switches
            .get(super::machine::place((link + gpu) % count))
            .copied())
    }

    /// Whether that link carries traffic now: it must be wired, and MIG mode takes it down.
    ///
    /// # Errors
    /// As `link_end`, and `InvalidArgument` for a GPU that does not exist.
    pub fn link_active(&self, gpu: u32, link: u32) -> Result<bool, Status> {
        Ok(self.link_end(gpu, link)?.is_some() && !self.gpu(gpu)?.mig)
    }
}
