//! Whether anybody uses a device: asked of its driver where that tells, and of `/proc` for whoever has a node of it open.
//!
//! A device is given when nobody does, and given again when nobody does any more. Nodes that all devices of a driver
//! share say nothing of one device. Ends nobody.

use kerf_types::lease::Lease;
use kerf_types::{DeviceKind, LeasedDevice};

use super::offer::Offer;
use crate::errors::chain;
use crate::host::{Host, HostError};
use crate::process::holders::Seen;

/// Who has nodes open.
pub(super) struct Users(Seen);

impl Users {
    /// Who uses a device, in words. A process that does not let itself be looked at (the init of a sandbox, say) counts for
    /// nothing: it would keep every device from everybody. Those of a lease's own container are gone with its cgroup
    /// before this is asked.
    pub fn of(&self, offer: &Offer) -> Option<String> {
        let told = offer.users.first().cloned();
        let mut holders = self.0.holders.iter();
        let holder = holders.find(|one| offer.nodes.iter().any(|node| one.holds.contains(node)));
        let seen = || holder.map(|one| format!("process {} ({})", one.pid, one.command));
        told.or_else(seen)
    }
}

impl Host {
    /// Looks for whoever has these open, which takes as long as `/proc` does: some ten milliseconds for a thousand
    /// processes. Where that does not end nobody knows who has what, and nothing of it is given.
    pub(super) async fn users_of<'o>(
        &mut self,
        offers: impl IntoIterator<Item = &'o Offer>,
    ) -> Result<Users, HostError> {
        let nodes = offers.into_iter().flat_map(|offer| &offer.nodes);
        let nodes: Vec<String> = nodes.cloned().collect();
        if nodes.is_empty() {
            return Ok(Users(Seen::default()));
        }
        Ok(Users(self.processes.holders_of(nodes).await?))
    }

    /// Makes sure that nobody is left on what a lease has given. What is not there any more is nobody's; a vGPU whose GPU does
    /// not say whether it is there may be somebody's.
    pub(in crate::host) async fn clean_devices(&mut self, lease: &Lease) -> Result<(), HostError> {
        if let Err(error) = self.look_at_devices(lease).await {
            tracing::debug!(lease = %lease.id, error = chain(&error), "devices not looked at");
        }
        let all = self.offers();
        let is_vgpu = |device: &LeasedDevice| device.kind == DeviceKind::Vgpu;
        let is_in = |offer: &&Offer, device: &LeasedDevice| {
            let is_same = !is_vgpu(device) || offer.device.board == device.board;
            offer.device.name == device.name && is_same
        };
        for device in &lease.devices {
            if self.row_of(device).is_some_and(|row| self.is_unseen(row)) {
                return Err(HostError::Busy {
                    what: device.to_string(),
                    state: "not known to be free: its GPU does not answer".to_owned(),
                    by: None,
                });
            }
            let Some(offer) = all.iter().find(|offer| is_in(offer, device)) else {
                continue;
            };
            if let Some(by) = self.users_of([offer]).await?.of(offer) {
                return Err(HostError::Busy {
                    what: device.to_string(),
                    state: "still in use".to_owned(),
                    by: Some(by),
                });
            }
        }
        Ok(())
    }
}
