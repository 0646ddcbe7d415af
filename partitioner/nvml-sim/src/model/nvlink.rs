//! NVLink wiring: which link of a GPU ends at which NVSwitch. Owns the distribution; traffic is
//! derived from activity. Switches that are no PCI functions of the host have no address.

use super::machine::{Machine, functions};
use super::spec::{PciFunction, Role};
use super::status::Status;

/// What a wired link ends at.
#[derive(Clone, Copy, Debug)]
pub enum LinkEnd {
    /// An NVSwitch of this host.
    Switch(&'static PciFunction),
    /// Another GPU.
    Gpu(&'static PciFunction),
    /// An NVSwitch that is no PCI function of a host.
    Outside,
    /// An NVSwitch that the host of this guest has on its bus, and the guest has not.
    Hidden,
}

impl Machine {
    /// Where link `link` of a GPU ends. A machine that was imported says it itself; else the links are dealt to the
    /// NVSwitches in turn, each GPU beginning one switch further, so that the switches are loaded evenly. `None` for a
    /// link that is not wired, as all are on a machine without NVSwitches of any kind.
    ///
    /// # Errors
    /// `NotSupported` for a product without NVLink, `InvalidArgument` for a link that it does not
    /// have.
    pub fn link_end(&self, gpu: u32, link: u32) -> Result<Option<LinkEnd>, Status> {
        let spec = self.spec().ok_or(Status::LibRmVersionMismatch)?;
        let links = self.product()?.nvlink.links;
        if links == 0 {
            return Err(Status::NotSupported);
        }
        if link >= links {
            return Err(Status::InvalidArgument);
        }
        if let Some(imported) = &self.imported {
            return Ok(imported.link_end(gpu, link));
        }
        let switches: Vec<_> = functions(spec)
            .iter()
            .filter(|function| matches!(function.role, Role::NvSwitch(_)))
            .collect();
        let count = u32::try_from(switches.len()).unwrap_or(0);
        if count == 0 {
            return Ok(spec.switches_outside.then_some(LinkEnd::Outside));
        }
        Ok(switches
            .get(super::machine::place((link + gpu) % count))
            .copied()
            .map(LinkEnd::Switch))
    }

    /// Whether the GPU's links end anywhere.
    #[must_use]
    pub fn wired(&self, gpu: u32) -> bool {
        matches!(self.link_end(gpu, 0), Ok(Some(_)))
    }

    /// How many of the GPU's links end at NVSwitches.
    #[must_use]
    pub fn switch_links(&self, gpu: u32) -> u32 {
        let links = self.product().map_or(0, |product| product.nvlink.links);
        let is_one = |link: &u32| {
            let end = self.link_end(gpu, *link);
            matches!(
                end,
                Ok(Some(
                    LinkEnd::Switch(_) | LinkEnd::Outside | LinkEnd::Hidden
                ))
            )
        };
        let links = (0..links).filter(is_one).count();
        u32::try_from(links).unwrap_or(u32::MAX)
    }

    /// Whether that link carries traffic now: it must be wired, and MIG mode takes it down.
    ///
    /// # Errors
    /// As `link_end`, and `InvalidArgument` for a GPU that does not exist.
    pub fn link_active(&self, gpu: u32, link: u32) -> Result<bool, Status> {
        Ok(self.link_end(gpu, link)?.is_some() && !self.gpu(gpu)?.mig)
    }
}
