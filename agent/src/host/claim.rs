//! A container claims a device by its standing CDI name: the engine has put the nodes into it already, and the hook asks
//! whether it may have them.

use kerf_runtime::frame::{DeviceNode, Grant, LaunchRequest};
use kerf_types::ContainerRef;
use kerf_types::lease::{InitProcess, Lease, LeaseState};

use super::grant::Wanted;
use super::{Host, HostError, LaunchPeer, policy};
use crate::process;
use crate::store::LeaseRow;

impl Host {
    /// Answers the hook of a standing name.
    pub(super) async fn claim(
        &mut self,
        request: &LaunchRequest,
        container: ContainerRef,
        peer: &LaunchPeer,
    ) -> Result<Grant, HostError> {
        let device = request.claim.clone().unwrap_or_default();
        let init = request
            .init_pid
            .and_then(|pid| u32::try_from(pid).ok())
            .and_then(process::identify)
            .ok_or_else(|| HostError::Incomplete {
                container: container.to_string(),
                what: "a first process that runs",
            })?;
        let again = self.claimed_again(&container, &init, &device).await?;
        if let Some(grant) = again {
            return Ok(grant);
        }
        // A hook knows the namespace only where the bundle lies in containerd's folders. That its parent is the
        // runtime that was granted something tells for certain that this is the same container.
        let parent = process::parent(peer.process.pid);
        let granted = self.leases.values().find(|row| {
            row.pending.as_ref().is_some_and(|pending| {
                Some(pending.runtime.pid) == parent
                    || row.lease.container.as_ref() == Some(&container)
            })
        });
        if let Some(row) = granted {
            // Its annotation was served already; the CDI name of that very lease may come with it.
            if device == format!("lease={}", row.lease.id) {
                let lease = row.lease.clone();
                return self.grant_of(&lease).await;
            }
            let first = format!("lease {}", row.lease.id);
            return Err(HostError::TwoAsks {
                container: container.to_string(),
                first,
                second: device,
            });
        }
        let lease = self.claimable(&device, &container, peer).await?;
        if !request.isolated {
            self.note_open(lease.id);
        }
        let made_now = !device.starts_with("lease=");
        let claimed = self.claimed_by(&container).await?;
        let grant = self
            .give(lease, container, None, Some(init), made_now)
            .await?;
        Ok(Grant { claimed, ..grant })
    }

    /// The lease of a standing name, made for this container, or one that was made for it before. kerf's own files have
    /// no hook for the latter; those of an earlier release had.
    async fn claimable(
        &mut self,
        device: &str,
        container: &ContainerRef,
        peer: &LaunchPeer,
    ) -> Result<Lease, HostError> {
        match device.split_once('=') {
            Some(("lease", id)) => {
                let sandbox = self.sandbox_of(id, container);
                self.reserved(id, container, sandbox.as_deref(), peer)
            }
            Some((class @ ("slice" | "gpu" | "device"), name)) => {
                if !policy::may_ask(&self.config.launch.asks, &container.namespace, device) {
                    let namespace = container.namespace.clone();
                    return Err(HostError::NotAllowed {
                        namespace,
                        ask: device.to_owned(),
                    });
                }
                let wanted = match class {
                    "slice" => Wanted::Slice(name.to_owned()),
                    "device" => Wanted::Device(name.to_owned()),
                    _ => Wanted::Gpu(name.to_owned()),
                };
                let request = self.reserve_now(wanted, container);
                self.reserve(&request).await
            }
            _ => Err(HostError::NotFound {
                what: "device",
                name: device.to_owned(),
            }),
        }
    }

    /// The grant that a hook asks for a second time, since it never heard the first answer.
    async fn claimed_again(
        &mut self,
        container: &ContainerRef,
        init: &InitProcess,
        device: &str,
    ) -> Result<Option<Grant>, HostError> {
        let mut rows = self.leases.values();
        let Some(row) = rows.find(|row| is_claimed_again(row, container, init, device)) else {
            return Ok(None);
        };
        let lease = row.lease.clone();
        let grant = self.fresh_grant(&lease).await?;
        let claimed = self.claimed_by(container).await?;
        Ok(Some(Grant { claimed, ..grant }))
    }

    /// Devices that a container has by other standing names, each with a lease of its own.
    async fn claimed_by(&mut self, container: &ContainerRef) -> Result<Vec<DeviceNode>, HostError> {
        let rows = self.leases.values().map(|row| &row.lease);
        let own = rows.filter(|lease| {
            lease.container.as_ref() == Some(container) && lease.state == LeaseState::Active
        });
        let mut claimed = Vec::new();
        for lease in own.cloned().collect::<Vec<Lease>>() {
            claimed.extend(self.lease_device(&lease).await?.nodes);
        }
        Ok(claimed)
    }
}

/// The same of a hook: the container that it speaks for is told from another of its name by its first process.
fn is_claimed_again(
    row: &LeaseRow,
    container: &ContainerRef,
    init: &InitProcess,
    device: &str,
) -> bool {
    let lease = &row.lease;
    lease.state == LeaseState::Active
        && lease.container.as_ref() == Some(container)
        && lease.init.as_ref() == Some(init)
        && row.pending.is_none()
        && (row.wanted == device || device == format!("lease={}", lease.id))
}
