//! Hosts that were put out of the cluster: their datagrams are dropped, they are down at once, and then forgotten.

use kerf_membership::Input;
use kerf_membership::wire::Header;
use kerf_scheduler::Liveness;
use kerf_types::HostId;

use super::Driver;
use crate::cluster::now_s;
use crate::peers::shared::Shared;

/// Whether a datagram says that it is of a host that was put out. It still has the keys of gossip until they are
/// changed, so it can speak in another's name until then, and never sign a record. `version` is the one of the list.
pub(super) fn is_of_revoked(shared: &Shared, version: u64, datagram: &[u8]) -> bool {
    // It is 0 while nobody was put out.
    version > 0
        && Header::split(datagram).is_ok_and(|(header, ..)| shared.is_revoked(header.sender))
}

impl Driver {
    /// Carries a newer list of revoked hosts out, and keeps the clock of signatures.
    pub(super) fn follow_revoked(&mut self) {
        let Some(member) = self.shared.member.get().cloned() else {
            return;
        };
        member.clock().set(now_s());
        let version = member.gate().version();
        if version != self.revoked {
            self.revoked = version;
            for (host, _) in member.gate().revoked().hosts() {
                self.put_out(host);
            }
            self.list_soon();
        }
    }

    fn put_out(&mut self, host: HostId) {
        let Some(name) = self.named(host) else {
            return;
        };
        tracing::warn!(peer.id = %host, peer.name = name, "peer was revoked");
        let text = format!("revoked ({host})");
        self.shared.events.add("peer", &name, &text);
        self.shared.links.forget(host);
        self.outbox.presence(host, Liveness::Down);
    }

    fn named(&self, host: HostId) -> Option<String> {
        let now = kerf_membership::Moment(crate::process::boot_ms());
        let member = self.core.member(host, now)?;
        Some(member.identity.name.to_string())
    }

    /// Once the fleet sees that such a host is silent, nothing is kept of it.
    pub(super) fn forget_out(&mut self) {
        let Some(member) = self.shared.member.get().cloned() else {
            return;
        };
        for (host, _) in member.gate().revoked().hosts() {
            if self.core.may_forget(host).is_ok() {
                self.step(Input::Forget(host));
            }
        }
    }
}
