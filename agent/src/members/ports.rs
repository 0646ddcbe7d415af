//! Ports of this host at which the first members of jobs are met.
//!
//! A port follows from a job's id and attempt, so two jobs may come to the same one, and so may a program that has
//! nothing to do with kerf. A port is promised to one member at a time, and only while nobody listens at it. What this
//! cannot see: a program that begins to listen between the promise and the moment at which the member does, and, after a
//! restart of kerfd, the promise of a member that does not listen yet. Such a member fails to bind and says so itself.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::Mutex;

use kerf_types::peer::Tag;

use super::inner::lock;

/// Ports that are promised.
#[derive(Debug, Default)]
pub(super) struct Ports(Mutex<BTreeMap<Tag, u16>>);

impl Ports {
    /// Promises a port to a member; the error says who has it.
    pub fn promise(&self, tag: Tag, port: u16) -> Result<(), String> {
        let mut promised = lock(&self.0);
        let other = promised
            .iter()
            .find(|(one, has)| **has == port && **one != tag);
        if let Some((other, _)) = other {
            return Err(format!(
                "its members would meet at port {port}, which job {} has here: the next attempt takes another",
                other.job
            ));
        }
        if let Err(error) = is_free(port) {
            return Err(format!(
                "its members would meet at port {port}, which is taken here ({error}): the next attempt takes another"
            ));
        }
        promised.insert(tag, port);
        Ok(())
    }

    /// The member is over, or never came.
    pub fn forget(&self, tag: Tag) {
        lock(&self.0).remove(&tag);
    }
}

/// Whether a program could listen at a port of every address. Bound for a moment: nothing else tells it for sure.
fn is_free(port: u16) -> std::io::Result<()> {
    let all = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    drop(TcpListener::bind(all)?);
    let all = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
    match TcpListener::bind(all) {
        // A host may be without IPv6.
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
