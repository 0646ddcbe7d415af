//! The oracle: what the owners would say if all were asked at once. It knows what is true, and asks the real planner.

use kerf_scheduler::core::SavedPhase;
use kerf_types::peer::MemberAsk;
use kerf_types::{Ask, JobId};

use super::engine::World;
use super::jobs::Job;
use super::promise;
use crate::world::HostIndex;

/// Whether one member would get devices here now.
pub fn one_fits(world: &World, host: HostIndex, ask: &MemberAsk) -> bool {
    let Some(wanted) = &ask.accelerator else {
        return true;
    };
    let one = &world.hosts[host];
    let taken = one.taken();
    one.devices.choose(wanted, taken.iter()).is_ok()
}

/// Whether nothing stands in the way of a job: all of its members would get devices, or it has some already and is on
/// its way.
pub fn fits(world: &World, id: JobId, job: &Job) -> bool {
    let row = promise::coordinator(world, id);
    if row.is_none_or(|(_, row)| row.phase != SavedPhase::Open) {
        return true;
    }
    all_fit(world, job)
}

/// Whether all members would get devices now: each host takes as many as its planner finds room for.
pub fn all_fit(world: &World, job: &Job) -> bool {
    let ask = MemberAsk::of(&job.spec);
    let Some(wanted) = &ask.accelerator else {
        return true;
    };
    let mut left = job.spec.members;
    for host in world.hosts.iter().filter(|host| host.kerfd.is_some()) {
        let taken = host.taken();
        let fit = |count: &u32| {
            let ask = times(wanted, *count);
            ask.is_some_and(|ask| host.devices.choose(&ask, taken.iter()).is_ok())
        };
        let here = (1..=left).take_while(fit).count();
        left -= u32::try_from(here).unwrap_or(left);
        if left == 0 {
            return true;
        }
    }
    false
}

/// An ask for so many of what one member wants.
fn times(ask: &Ask, count: u32) -> Option<Ask> {
    match ask {
        Ask::Slice {
            profile,
            count: one,
        } => Some(Ask::Slice {
            profile: profile.clone(),
            count: one * count,
        }),
        Ask::Gpus { count: one, only } => Some(Ask::Gpus {
            count: one * count,
            only: only.clone(),
        }),
        _ => None,
    }
}
