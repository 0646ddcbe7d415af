//! A running container gets a lease, and gives it back: `kerf device attach|detach`.
//!
//! The lease is the container's from the moment that this is written down, which is before anything in the container is
//! changed; what an attachment has done is taken back by [`super::attached`], whoever finds it half done.

use std::path::PathBuf;

use kerf_runtime::frame::{DeviceNode, Grant};
use kerf_types::lease::{Holder, Lease, LeaseState, Subject};
use kerf_types::{ContainerRef, LeaseId};
use tokio::sync::oneshot;

use super::grant::user_of;
use super::view::process_on;
use super::{Host, HostError, watch};
use crate::errors::chain;
use crate::process::attach::{self, AttachError, Attachment, Node, Phase, Target};
use crate::process::holders;
use crate::process::workers::Planned;
use crate::store::LeaseRow;

/// What is asked about devices of running containers.
#[derive(Debug)]
pub enum DeviceCommand {
    /// Put the devices of a lease into a container.
    Attach {
        /// Which, and into which.
        request: Attach,
        /// What the container has then.
        reply: oneshot::Sender<Result<Attached, HostError>>,
    },
    /// Take them out again, and end the lease.
    Detach {
        /// Which.
        lease: LeaseId,
        /// Also while somebody in the container has them open.
        force: bool,
        /// The lease, and whether it has ended: where somebody has it open still, it ends with them.
        reply: oneshot::Sender<Result<(Lease, bool), HostError>>,
    },
}

/// A lease for a container that runs.
#[derive(Debug, Clone)]
pub struct Attach {
    /// The lease, promised.
    pub lease: LeaseId,
    /// The container.
    pub target: Target,
    /// Whether the lease was made for this, and ends where nothing comes of it.
    pub is_new: bool,
}

/// What a container has got.
#[derive(Debug, Clone)]
pub struct Attached {
    /// The lease.
    pub lease: Lease,
    /// `KEY=value` entries for processes that start in there.
    pub env: Vec<String>,
    /// Its nodes, by their paths in the container.
    pub nodes: Vec<String>,
    /// What it does not get, being made already.
    pub notes: Vec<String>,
}

impl Host {
    pub(super) async fn device(&mut self, command: DeviceCommand) {
        match command {
            DeviceCommand::Attach { request, reply } => {
                if reply.is_closed() {
                    // Nobody waits any more, and nothing was done but a promise.
                    return self.end_unattached(&request).await;
                }
                drop(reply.send(self.attach(&request).await));
            }
            DeviceCommand::Detach {
                lease,
                force,
                reply,
            } => drop(reply.send(self.detach(lease, force).await)),
        }
    }

    async fn attach(&mut self, request: &Attach) -> Result<Attached, HostError> {
        let outcome = self.attach_promised(request).await;
        if outcome.is_err() {
            self.end_unattached(request).await;
        }
        outcome
    }

    /// Ends a lease that was made for an attachment which did not come to be. One of which something is left in the
    /// container is not over: that is taken out first.
    async fn end_unattached(&mut self, request: &Attach) {
        let row = self.leases.get(&request.lease);
        let is_left = row.is_none_or(|row| row.attachment.is_some());
        if request.is_new && !is_left {
            self.release(request.lease, "launch_failed").await;
        }
    }

    async fn attach_promised(&mut self, request: &Attach) -> Result<Attached, HostError> {
        if self.draining {
            return Err(HostError::Draining);
        }
        self.refuse_in_maintenance()?;
        let lease = self.promised_to_target(request)?;
        if !lease.devices.is_empty() {
            let names = lease.devices.iter().map(ToString::to_string);
            let what = names.collect::<Vec<String>>().join(", ");
            return Err(AttachError::Others { what }.into());
        }
        let grant = self.fresh_grant(&lease).await?;
        self.refuse_mounts(&lease, &grant)?;
        let nodes: Vec<Node> = grant.devices.iter().map(node_of).collect();
        let target = &request.target;
        let others = self.given_to(&target.init);
        let processes = self.processes.clone();
        let planned = processes.plan_attachment(target, &nodes, &others).await?;
        let row = self.begin_attachment(request, nodes.clone(), &planned)?;
        let id = lease.id;
        let done = processes.attach(target, &nodes, &others, &planned).await;
        let done = done.map_err(HostError::from);
        match done.and_then(|()| self.hold_attachment(row)) {
            Ok(lease) => Ok(Attached {
                lease,
                env: env_of(&grant),
                nodes: paths(&grant),
                notes: self.notes_on(&grant),
            }),
            Err(error) => {
                self.take_off(id).await;
                Err(error)
            }
        }
    }

    /// The promise, if this container may have it.
    fn promised_to_target(&self, request: &Attach) -> Result<Lease, HostError> {
        let id = request.lease;
        let container = &request.target.container;
        let row = self.leases.get(&id);
        let lease = &row
            .ok_or_else(|| HostError::NoLease { id: id.to_string() })?
            .lease;
        let foreign = |why: String| HostError::ForeignLease {
            id,
            who: format!("container {container}"),
            why,
        };
        match &lease.holder {
            Holder::User { .. } => {}
            Holder::Container(bound) if is_same(bound, container) => {}
            _ => return Err(foreign(format!("it was made for {}", lease.holder))),
        }
        match lease.state {
            LeaseState::Reserved => Ok(lease.clone()),
            LeaseState::Active => Err(foreign(format!("{} has it", user_of(lease)))),
            LeaseState::Releasing => Err(foreign("it has ended".to_owned())),
        }
    }

    /// A place at an MPS daemon is reached through folders that only a container that is made now can get.
    fn refuse_mounts(&self, lease: &Lease, grant: &Grant) -> Result<(), HostError> {
        let mut own = grant.mounts.iter();
        let of_it = own.find(|mount| !self.driver_files.contains(mount));
        let Some(mount) = of_it else {
            return Ok(());
        };
        let what = format!("lease {} ({})", lease.id, mount.destination.display());
        Err(AttachError::Mounts { what }.into())
    }

    /// Writes down what is about to be done.
    fn begin_attachment(
        &mut self,
        request: &Attach,
        nodes: Vec<Node>,
        planned: &Planned,
    ) -> Result<LeaseRow, HostError> {
        let unknown = || HostError::NoLease {
            id: request.lease.to_string(),
        };
        let mut row = self.leases.get(&request.lease).ok_or_else(unknown)?.clone();
        let target = &request.target;
        // An engine's namespace that the cgroup does not tell is known from a lease that the container has already.
        let mut known = self.leases.values().map(|row| &row.lease);
        let known = known.find(|lease| lease.init.as_ref() == Some(&target.init));
        let container = known.and_then(|lease| lease.container.clone());
        row.lease.state = LeaseState::Active;
        row.lease.attached = true;
        row.lease.container = Some(container.unwrap_or_else(|| target.container.clone()));
        row.lease.init = Some(target.init.clone());
        row.cgroup = Some(target.cgroup.clone());
        row.attachment = Some(Attachment {
            phase: Phase::Begun,
            nodes,
            made: planned.made.clone(),
            allowed: planned.allowed.clone(),
            was_promised: !request.is_new,
        });
        self.put(row.clone())?;
        Ok(row)
    }

    /// The container has it.
    fn hold_attachment(&mut self, mut row: LeaseRow) -> Result<Lease, HostError> {
        row.lease.expires = None;
        row.until = None;
        if let Some(attachment) = &mut row.attachment {
            attachment.phase = Phase::Held;
        }
        self.put(row.clone())?;
        watch::start(&self.handle, &self.processes, &row);
        self.open_account(&row);
        let id = row.lease.id;
        let text = format!("attached to {}", user_of(&row.lease));
        self.events.add("lease", &id.to_string(), &text);
        self.publish();
        Ok(row.lease)
    }

    async fn detach(&mut self, id: LeaseId, force: bool) -> Result<(Lease, bool), HostError> {
        let unknown = || HostError::NoLease { id: id.to_string() };
        let mut row = self.leases.get(&id).ok_or_else(unknown)?.clone();
        let lease = row.lease.clone();
        let Some(attachment) = &mut row.attachment else {
            let has_it = user_of(&lease);
            return Err(AttachError::NotAttached { lease: id, has_it }.into());
        };
        if lease.state == LeaseState::Releasing {
            return Err(HostError::Busy {
                what: format!("lease {id}"),
                state: "releasing, and not yet clean".to_owned(),
                by: None,
            });
        }
        attachment.phase = Phase::Ending;
        row.lease.state = LeaseState::Releasing;
        if !force && let Some(by) = self.user_within(id).await {
            return Err(AttachError::InUse { lease: id, by }.into());
        }
        self.put(row)?;
        match self.take_off(id).await {
            // It is out of the container, and goes on to be theirs until they have ended.
            Some(HostError::Attach(AttachError::InUse { .. })) => {}
            Some(error) => return Err(error),
            None => {}
        }
        let left = self.leases.get(&id).map(|row| row.lease.clone());
        Ok((left.clone().unwrap_or(lease), left.is_none()))
    }

    /// A process of the container that has what only this lease gives, as `/proc` and the driver say it.
    pub(super) async fn user_within(&mut self, id: LeaseId) -> Option<String> {
        let row = self.leases.get(&id)?.clone();
        let off = self.off_of(id)?.0;
        let Some(members) = attach::members(row.cgroup.as_ref()?) else {
            return Some("its container has more cgroups than are looked at".to_owned());
        };
        let goes = off.nodes.into_iter();
        let goes = goes.filter(|node| off.deny.contains(&node.numbers));
        let names: Vec<String> = goes.map(|node| node.path.display().to_string()).collect();
        let seen = match self.processes.holders_within(names, &members).await {
            Ok(seen) => seen,
            Err(error) => {
                return Some(format!("who has it open cannot be told: {}", chain(&error)));
            }
        };
        if let Some(holder) = seen.into_iter().next() {
            let holds: Vec<String> = holder.holds.into_iter().collect();
            let (pid, command) = (holder.pid, holder.command);
            return Some(format!(
                "process {pid} ({command}) has {} open",
                holds.join(", ")
            ));
        }
        for subject in &row.lease.subjects {
            // A GPU that does not answer tells nothing here; it is not given again before it does.
            let busy = self.look_at(subject.gpu()).await.ok();
            let pid = busy.and_then(|gpu| user_of_subject(gpu, subject));
            if let Some(pid) = pid.filter(|pid| members.contains(pid)) {
                let command = holders::command(PathBuf::from("/").as_path(), pid);
                let command = command.unwrap_or_default();
                return Some(format!("process {pid} ({command}) computes on it"));
            }
        }
        None
    }

    fn notes_on(&self, grant: &Grant) -> Vec<String> {
        let mut notes = vec![
            "no process that runs gets the variables: start one with them".to_owned(),
            "driver libraries must be in the container already: nothing is mounted into it"
                .to_owned(),
        ];
        if !grant.additional_gids.is_empty() {
            let gids = &grant.additional_gids;
            let gids: Vec<String> = gids.iter().map(ToString::to_string).collect();
            notes.push(format!(
                "nodes that only a group may open need a process in it: {}",
                gids.join(", ")
            ));
        }
        notes
    }
}

/// Whether two names may be of one container: a cgroup does not always tell the namespace.
fn is_same(bound: &ContainerRef, found: &ContainerRef) -> bool {
    bound.id == found.id
        && (bound.namespace == found.namespace
            || bound.namespace.is_empty()
            || found.namespace.is_empty())
}

fn node_of(node: &DeviceNode) -> Node {
    Node {
        path: node.path.clone(),
        numbers: (node.major, node.minor),
        mode: node.file_mode,
        owner: (node.uid, node.gid),
    }
}

fn paths(grant: &Grant) -> Vec<String> {
    let paths = grant.devices.iter();
    paths.map(|node| node.path.display().to_string()).collect()
}

/// The variables for processes that start in the container; CUDA looks at one of its own.
fn env_of(grant: &Grant) -> Vec<String> {
    let mut env = grant.env.clone();
    let visible = grant.env.iter();
    let visible = visible.filter_map(|entry| entry.strip_prefix("NVIDIA_VISIBLE_DEVICES="));
    env.extend(visible.map(|names| format!("CUDA_VISIBLE_DEVICES={names}")));
    env
}

/// A process that the driver tells of on what was leased.
fn user_of_subject(gpu: &kerf_types::Gpu, subject: &Subject) -> Option<u32> {
    match subject {
        Subject::Gpu { .. } => gpu.processes.first().map(|process| process.pid),
        Subject::Slice { slice, uuid, .. } => {
            let is_it = |instance: &&kerf_types::GpuInstance| {
                instance.compute.iter().any(|one| one.uuid == *uuid)
            };
            let instance = gpu.instances.iter().find(is_it)?;
            process_on(gpu, *slice, instance).map(|process| process.pid)
        }
    }
}
