//! What the members of an attempt are told of each other. It is made once, when they are placed, and saved with them:
//! a `Start` that is sent again says the same.

use std::net::SocketAddr;

use kerf_types::peer::Tag;
use kerf_types::{Gang, GangHost, HostId};

use crate::core::job::Job;
use crate::core::{Core, Faults};

/// How a host without peers reaches itself, which then has all members.
const LOOPBACK: &str = "127.0.0.1";

impl<F: Faults> Core<F> {
    /// The members of a job that was placed. `None` for a single one, which has nobody to find, and where a host's record
    /// has no address that others could use: members then start without, and their owners say so.
    ///
    /// A single one is not told that it is rank 0 of 1: frameworks take that for the word of a launcher, and then use one
    /// device of several and open a port.
    pub(super) fn gang_of(&self, job: &Job) -> Option<Gang> {
        let hosts: Vec<HostId> = job.slots.iter().map(|slot| slot.host).collect();
        if hosts.len() < 2 {
            return None;
        }
        let address = |host| {
            let told = self.fleet.get(host)?.model.record().address.clone();
            (!told.is_empty()).then_some(told)
        };
        let ports = self.settings.master_ports;
        let port = ports.port_for(job.row.job, job.row.attempt);
        Gang::try_new(seats(&hosts, address), port).ok()
    }
}

/// Members, host by host. Members of one host are neighbours in `hosts`.
fn seats(hosts: &[HostId], address: impl Fn(HostId) -> Option<String>) -> Vec<GangHost> {
    let alike = hosts.chunk_by(|one, next| one == next);
    let seat = |members: &[HostId]| {
        let told = members.first().and_then(|host| address(*host));
        Some(GangHost {
            address: told.map_or_else(|| LOOPBACK.to_owned(), |told| without_port(&told)),
            members: u32::try_from(members.len()).ok()?,
        })
    };
    alike.filter_map(seat).collect()
}

/// The host in `host:port`, as programs want it: an IPv6 address without its brackets.
fn without_port(told: &str) -> String {
    if let Ok(address) = told.parse::<SocketAddr>() {
        return address.ip().to_canonical().to_string();
    }
    let host = told.rsplit_once(':').map_or(told, |(host, _)| host);
    host.trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned()
}

/// The port that the owner of a member is asked to keep: of the first, to which the others come.
pub(super) fn port_of(gang: Option<&Gang>, tag: Tag) -> Option<u16> {
    gang.filter(|_| tag.member == 0).map(Gang::master_port)
}

#[cfg(test)]
mod tests;
