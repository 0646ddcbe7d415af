//! What the design promises of a job, in one place: which jobs must start and end once all is well.
//!
//! Where one host keeps a job, the job waits for that host and is gone with its store. Where three keep it, it goes on
//! while a majority of them is there, whoever took it in.

use kerf_scheduler::core::{JobRow, RegisterRow};
use kerf_types::JobId;
use kerf_types::job::OnPartition;

use super::engine::World;
use super::jobs::Job;
use crate::world::HostIndex;

/// Whether a job that a host has accepted must come to its end.
pub fn must_end(world: &World, id: JobId, job: &Job) -> bool {
    let there = register_is_there(world, id, job);
    job.ended.is_none() && there && no_host_alone_knows(world, id, job)
}

/// Whether somebody is there who can decide: the host that the job was submitted to, with its store; or a majority of
/// those that keep it, each with the store in which it has accepted what it has.
pub fn register_is_there(world: &World, id: JobId, job: &Job) -> bool {
    if !job.shared {
        return !job.forgotten && world.hosts[job.host].kerfd.is_some();
    }
    let newest = newest(world, id).and_then(|row| row.accepted.as_ref());
    newest.is_some_and(|accepted| {
        accepted.state.config.has_quorum(|one| {
            let place = world.places.get(&one.host);
            let host = place.map(|place| &world.hosts[*place]);
            host.is_some_and(|host| {
                host.kerfd.is_some() && u64::from(host.store.epoch) == one.epoch
            })
        })
    })
}

/// The replica of a job's register, of those on hosts that live, that has accepted the latest.
fn newest(world: &World, id: JobId) -> Option<&RegisterRow> {
    let living = world.hosts.iter().filter(|host| host.kerfd.is_some());
    let rows = living.filter_map(|host| host.store.saved.registers.get(&id));
    let accepted = |row: &&RegisterRow| row.accepted.as_ref().map(|accepted| accepted.ballot);
    rows.max_by_key(accepted)
}

/// The host that coordinates a job, as far as stores say, and what it knows of it.
pub fn coordinator(world: &World, id: JobId) -> Option<(HostIndex, &JobRow)> {
    let living = world.hosts.iter().filter(|host| host.kerfd.is_some());
    let rows = living.filter_map(|host| Some((host.index, host.store.saved.jobs.get(&id)?)));
    rows.max_by_key(|(_, row)| row.term)
}

/// Whether every member can be known to be gone. Under `on_partition: continue` only its own host can say that, so a
/// job waits for a host that is gone for good.
fn no_host_alone_knows(world: &World, id: JobId, job: &Job) -> bool {
    if job.spec.on_partition == OnPartition::Stop {
        return true;
    }
    let row = coordinator(world, id).map(|(_, row)| row);
    let agreed = newest(world, id).and_then(|row| row.accepted.as_ref());
    let agreed = agreed.map(|accepted| &accepted.state.value.row);
    let members = row.into_iter().chain(agreed).flat_map(|row| &row.members);
    let there = |host: &kerf_types::HostId| {
        let place = world.places.get(host);
        place.is_some_and(|place| !world.hosts[*place].gone)
    };
    members.map(|member| &member.host).all(there)
}
