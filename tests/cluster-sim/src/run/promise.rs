//! What the design promises of a job, in one place: which jobs must start and end once all is well.
//!
//! With one replica a job's register is at the host that it was submitted to. So a job waits for that host, and is
//! gone with its store; with three replicas, a majority of which is there, neither would hold: then
//! [`register_is_there`] changes, and `registers` with it.

use kerf_types::JobId;
use kerf_types::job::OnPartition;

use super::engine::World;
use super::jobs::Job;

/// Whether a job that a host has accepted must come to its end.
pub fn must_end(world: &World, id: JobId, job: &Job) -> bool {
    job.ended.is_none() && register_is_there(world, job) && no_host_alone_knows(world, id, job)
}

/// Whether somebody is there who can decide: with r = 1, the host that the job was submitted to, with its store.
pub fn register_is_there(world: &World, job: &Job) -> bool {
    !job.forgotten && world.hosts[job.host].kerfd.is_some()
}

/// Whether every member can be known to be gone. Under `on_partition: continue` only its own host can say that, so a
/// job waits for a host that is gone for good.
fn no_host_alone_knows(world: &World, id: JobId, job: &Job) -> bool {
    if job.spec.on_partition == OnPartition::Stop {
        return true;
    }
    let row = world.hosts[job.host].store.saved.jobs.get(&id);
    let mut members = row.into_iter().flat_map(|row| &row.members);
    members.all(|member| {
        let host = world.places.get(&member.host);
        host.is_some_and(|host| !world.hosts[*host].gone)
    })
}
