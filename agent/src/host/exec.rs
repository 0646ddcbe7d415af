//! Bare processes under a lease: `kerf lease exec`, for those who bring a launcher of their own.
//!
//! The process that asks becomes the command, so it is known before anything is given. It gets a cgroup of its own
//! below the one that it is in: what is allowed there can only become less. The lease lasts as long as that cgroup has
//! processes. Where the kernel offers no such fence the process runs all the same, and the lease says so.

use kerf_runtime::frame::Grant;
use kerf_types::LeaseId;
use kerf_types::lease::{Holder, InitProcess, Lease, LeaseState};

use super::grant::{Reserve, Wanted, user_of};
use super::{Host, HostError, policy, watch};
use crate::process;
use crate::process::confine::{Confined, DeviceNumber};

/// A bare process that is to run under a lease.
#[derive(Debug, Clone)]
pub struct Exec {
    /// The process; it becomes the command by exec, with the same pid.
    pub process: InitProcess,
    /// Whose it is.
    pub uid: u32,
    /// Whether it may have what the policy allows nobody.
    pub is_admin: bool,
    /// The lease.
    pub under: Under,
}

/// Under which lease a process is to run.
#[derive(Debug, Clone)]
pub enum Under {
    /// One that is made for it.
    New(Reserve),
    /// One that was promised before.
    Lease(LeaseId),
}

/// What a process has.
#[derive(Debug, Clone)]
pub struct Held {
    /// Its lease.
    pub lease: Lease,
    /// `KEY=value` entries for its environment.
    pub env: Vec<String>,
    /// The processors nearest to its devices, as a list.
    pub cpus: Option<String>,
    /// Why it can open other accelerators too; `None` where the kernel keeps it from them.
    pub open: Option<String>,
    /// Whether what its devices pin counts against its limit of locked memory.
    pub memlock_unlimited: bool,
}

impl Exec {
    /// What is wanted; `None` for a lease that was made before.
    pub(super) fn wanted(&self) -> Option<&Wanted> {
        match &self.under {
            Under::New(reserve) => Some(&reserve.wanted),
            Under::Lease(_) => None,
        }
    }

    /// How long it may wait for room.
    pub(super) fn wait(&self) -> std::time::Duration {
        match &self.under {
            Under::New(reserve) => reserve.wait,
            Under::Lease(_) => std::time::Duration::ZERO,
        }
    }
}

impl Host {
    /// Gives a lease to a process and fences it in. Whatever fails, the process gets nothing.
    pub(super) async fn exec(&mut self, request: &Exec) -> Result<Held, HostError> {
        if !process::is_alive(&request.process) {
            return Err(HostError::NotFound {
                what: "process",
                name: request.process.pid.to_string(),
            });
        }
        let lease = match &request.under {
            Under::New(reserve) => self.reserve(reserve).await?,
            Under::Lease(id) => self.promised_to_user(*id, request)?,
        };
        let id = lease.id;
        let outcome = self.put_under(lease, request).await;
        if outcome.is_err() && request.wanted().is_some() {
            self.release(id, "launch_failed").await;
        }
        outcome
    }

    fn promised_to_user(&self, id: LeaseId, request: &Exec) -> Result<Lease, HostError> {
        if self.draining {
            return Err(HostError::Draining);
        }
        self.refuse_in_maintenance()?;
        let row = self.leases.get(&id);
        let lease = &row
            .ok_or_else(|| HostError::NoLease { id: id.to_string() })?
            .lease;
        let foreign = |why: String| HostError::ForeignLease {
            id,
            who: format!("processes of user {}", request.uid),
            why,
        };
        match lease.holder {
            Holder::User { uid } if uid == request.uid || request.is_admin => {}
            _ => return Err(foreign(format!("it was made for {}", lease.holder))),
        }
        let asks = &self.config.launch.asks;
        if !request.is_admin && !policy::may_have(asks, "", lease) {
            let why = "launch.asks lets no process without an engine (namespace \"\") have it";
            return Err(foreign(why.to_owned()));
        }
        match lease.state {
            LeaseState::Reserved => Ok(lease.clone()),
            LeaseState::Active => Err(foreign(format!("{} has it", user_of(lease)))),
            LeaseState::Releasing => Err(foreign("it has ended".to_owned())),
        }
    }

    async fn put_under(&mut self, lease: Lease, request: &Exec) -> Result<Held, HostError> {
        let grant = self.fresh_grant(&lease).await?;
        let offers = self.nccl_offers(&lease);
        let nodes: Vec<DeviceNumber> = grant.devices.iter().map(number_of).collect();
        let process = &request.process;
        let confined = self.processes.confine(process, lease.id, &nodes).await?;
        let lease = self.activate_for(&lease, request, &confined)?;
        let mut env = variables(&grant);
        for offer in &offers {
            // Nothing is mounted for a bare process: it finds the file where it lies.
            let source = offer.mount.source.display().to_string();
            let place = offer.mount.destination.display().to_string();
            env.extend(offer.env.iter().map(|entry| entry.replace(&place, &source)));
        }
        Ok(Held {
            lease,
            env,
            cpus: grant.cpuset_cpus,
            open: confined.open,
            memlock_unlimited: grant.memlock_unlimited,
        })
    }

    /// Gives the lease to the process, in the store first.
    fn activate_for(
        &mut self,
        lease: &Lease,
        request: &Exec,
        confined: &Confined,
    ) -> Result<Lease, HostError> {
        let unknown = || HostError::NoLease {
            id: lease.id.to_string(),
        };
        let mut row = self.leases.get(&lease.id).ok_or_else(unknown)?.clone();
        row.lease.state = LeaseState::Active;
        row.lease.expires = None;
        row.until = None;
        row.lease.init = Some(request.process.clone());
        row.lease.isolated = Some(confined.open.is_none());
        row.cgroup.clone_from(&confined.cgroup);
        if let Err(error) = self.put(row.clone()) {
            // The process ends with this answer, and its cgroup is empty then.
            watch::forget_cgroup(&self.processes, &row, confined.clone());
            return Err(error);
        }
        watch::start(&self.handle, &self.processes, &row);
        self.open_account(&row);
        let mut text = format!("given to process {}", request.process.pid);
        if let Some(why) = &confined.open {
            text.push_str(&format!(", which can open other accelerators too: {why}"));
        }
        self.events.add("lease", &lease.id.to_string(), &text);
        self.publish();
        Ok(row.lease)
    }
}

fn number_of(node: &kerf_runtime::frame::DeviceNode) -> DeviceNumber {
    DeviceNumber {
        path: node.path.clone(),
        major: node.major,
        minor: node.minor,
    }
}

/// The variables of a grant for a process that has no mounts: what they name inside a container lies elsewhere here. CUDA
/// itself looks at a variable of its own, since no runtime hides the other devices from it.
fn variables(grant: &Grant) -> Vec<String> {
    let mut env = Vec::new();
    for entry in &grant.env {
        let Some((key, value)) = entry.split_once('=') else {
            continue;
        };
        let mut mounts = grant.mounts.iter();
        let mount = mounts.find(|mount| mount.destination.as_os_str() == value);
        let value = mount.map_or_else(
            || value.to_owned(),
            |mount| mount.source.display().to_string(),
        );
        env.push(format!("{key}={value}"));
        if key == "NVIDIA_VISIBLE_DEVICES" {
            env.push(format!("CUDA_VISIBLE_DEVICES={value}"));
        }
    }
    env
}

#[cfg(test)]
mod tests;
