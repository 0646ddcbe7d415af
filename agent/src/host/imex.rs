//! IMEX channels of leases. A channel belongs to one lease from its promise until the lease is gone; which ones are
//! given follows from the leases alone and is stored nowhere beside them.

use std::path::Path;

use kerf_runtime::frame::DeviceNode;
use kerf_types::Ask;

use super::grant::Wanted;
use super::{Host, HostError};

impl Host {
    /// The channel that goes with what is wanted: the lowest that no lease has.
    pub(super) fn channel_for(&self, wanted: &Wanted) -> Result<Option<u32>, HostError> {
        let Wanted::Ask(ask @ Ask::Imex(_)) = wanted else {
            return Ok(None);
        };
        let ask = ask.to_string();
        let channels = self.inventory.map.imex.as_ref();
        let Some(channels) = channels.filter(|channels| !channels.is_empty()) else {
            let seen = match channels.map(|channels| channels.count) {
                None => "/proc/devices has no nvidia-caps-imex-channels".to_owned(),
                Some(None) => "/proc/driver/nvidia/params has no ImexChannelCount".to_owned(),
                Some(Some(count)) => {
                    format!("ImexChannelCount in /proc/driver/nvidia/params is {count}")
                }
            };
            let why = format!(
                "its driver has no IMEX channels ({seen}); it has as many as its module nvidia is loaded for with \
                 NVreg_ImexChannelCount"
            );
            return Err(HostError::Unknown { ask, why });
        };
        match channels.free(|channel| self.has_channel(channel)) {
            Some(channel) => Ok(Some(channel)),
            None => {
                let why = "every IMEX channel of this host is with a lease".to_owned();
                Err(HostError::NoRoom { ask, why })
            }
        }
    }

    /// Whether a lease has it, in whatever state.
    pub(super) fn has_channel(&self, channel: u32) -> bool {
        let mut rows = self.leases.values();
        rows.any(|row| row.lease.imex == Some(channel))
    }

    /// The node of a channel. The worker is asked each time, since the driver's major is another one when it was
    /// loaded anew.
    pub(super) async fn channel_node(&mut self, channel: u32) -> Result<DeviceNode, HostError> {
        let made = self.hardware.ensure_channel(channel).await?;
        let node = made.into_iter().find(|node| node.minor == channel);
        let node = node.ok_or_else(|| HostError::Node {
            path: format!("/dev/nvidia-caps-imex-channels/channel{channel}"),
            why: "the driver does not have it".to_owned(),
        })?;
        let numbers = (node.major, node.minor);
        self.node(Path::new(&node.path), Some(numbers))
    }
}

#[cfg(test)]
mod tests;
