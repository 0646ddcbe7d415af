//! Devices of running containers over the API. For admins alone: a container is somebody's, and root's to change.

use std::collections::BTreeSet;
use std::time::Duration;

use kerf_api::v1;
use kerf_types::LeaseId;
use kerf_types::lease::Holder;
use tonic::{Code, Status};

use super::Service;
use super::auth::Peer;
use super::leases::{WAIT_LIMIT, parse, wanted};
use super::status::with_hint;
use crate::host::{Attach, Command, DeviceCommand, HostError, Reserve};
use crate::process::attach::{self, Named, Target};
use crate::process::workers::Processes;

impl Service {
    pub(super) async fn attach_device_to(
        &self,
        peer: Peer,
        request: v1::AttachDeviceRequest,
    ) -> Result<v1::AttachDeviceResponse, Status> {
        // Before anything is cut for it.
        let target = found(&self.processes, &request).await?;
        let (lease, is_new) = match request.ask.is_empty() {
            true => (parse(&request.lease)?, false),
            false => self.reserved_for(peer, &target, &request).await?,
        };
        let asked = self.host.ask(|reply| {
            let request = Attach {
                lease,
                target,
                is_new,
            };
            Command::Device(Box::new(DeviceCommand::Attach { request, reply }))
        });
        let attached = asked.await?;
        Ok(v1::AttachDeviceResponse {
            lease: Some(v1::Lease::from(&attached.lease)),
            env: attached.env,
            nodes: attached.nodes,
            notes: attached.notes,
        })
    }

    /// A lease for a container, and whether it is a new one.
    async fn reserved_for(
        &self,
        peer: Peer,
        target: &Target,
        request: &v1::AttachDeviceRequest,
    ) -> Result<(LeaseId, bool), Status> {
        let known: Vec<LeaseId> = self.host.view().leases.iter().map(|one| one.id).collect();
        let request = Reserve {
            wanted: wanted(&request.ask)?,
            holder: Holder::Container(target.container.clone()),
            ttl: self.config.borrow().config.launch.reservation_ttl,
            by: Some(peer.uid),
            wait: Duration::from_millis(request.wait_ms).min(WAIT_LIMIT),
            // The bound of locked memory of a process that runs is not to be taken away.
            nics: false,
            is_nameless: false,
        };
        let lease = self.host.ask(|reply| Command::Reserve { request, reply });
        let id = lease.await?.id;
        Ok((id, !known.contains(&id)))
    }

    pub(super) async fn detach_device_of(
        &self,
        request: &v1::DetachDeviceRequest,
    ) -> Result<v1::Lease, Status> {
        let (lease, force) = (parse(&request.lease)?, request.force);
        let asked = self.host.ask(|reply| {
            let detach = DeviceCommand::Detach {
                lease,
                force,
                reply,
            };
            Command::Device(Box::new(detach))
        });
        let (lease, is_over) = asked.await?;
        let mut message = v1::Lease::from(&lease);
        if is_over {
            "released".clone_into(&mut message.state);
        }
        Ok(message)
    }
}

/// The container that is meant, if devices can be put into it at all.
async fn found(processes: &Processes, request: &v1::AttachDeviceRequest) -> Result<Target, Status> {
    let named = match (request.pid, request.container.is_empty()) {
        (0, false) => Named::Id {
            namespace: request.namespace.clone(),
            id: request.container.clone(),
        },
        (pid, true) if pid != 0 => Named::Pid(pid),
        _ => {
            return Err(with_hint(
                Code::InvalidArgument,
                "one container is to be named, by its id or by a process in it",
                "kerf and kerfd may differ in version",
            ));
        }
    };
    let looked = tokio::task::spawn_blocking(move || attach::find(&named)).await;
    let looked = looked.map_err(|error| Status::internal(error.to_string()))?;
    let target = looked.map_err(HostError::from)?;
    let nothing = BTreeSet::new();
    let planned = processes.plan_attachment(&target, &[], &nothing);
    planned.await.map_err(HostError::from)?;
    Ok(target)
}
