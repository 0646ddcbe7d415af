//! Sending: one way out for every datagram, and the room that there is in one.

use std::net::SocketAddr;

use kerf_types::HostId;

use super::Core;
use crate::wire::{HEADER_BYTES, Header, MAX_DATAGRAM, Message, OLDEST_VERSION};
use crate::{Faults, Output};

impl<F: Faults> Core<F> {
    /// Bytes that a message may have.
    pub(super) fn room(&self) -> usize {
        MAX_DATAGRAM.saturating_sub(HEADER_BYTES + self.sealer.overhead())
    }

    /// Sends a message to an address. One that is too long stays here and is counted: everything that makes
    /// messages keeps within [`Core::room`], so this shows a defect.
    pub(super) fn send(&mut self, to: SocketAddr, message: &Message, out: &mut Vec<Output>) {
        let me = self.me();
        let mut header = Vec::with_capacity(HEADER_BYTES);
        let sender = Header {
            version: message.version(),
            reads: self.newest_version,
            ..Header::new(self.cluster, me.host, me.life)
        };
        sender.write(&mut header);
        let mut body = Vec::new();
        message.write(&mut body);
        let mut bytes = Vec::with_capacity(header.len() + body.len() + self.sealer.overhead());
        bytes.extend_from_slice(&header);
        let sealed = self.sealer.seal(&sender, &header, &body, &mut bytes);
        if sealed.is_err() {
            self.stats.unsealed += 1;
            return;
        }
        if bytes.len() > MAX_DATAGRAM && !F::NO_SIZE_LIMIT {
            self.stats.unsendable += 1;
            return;
        }
        self.stats.sent += 1;
        self.stats.sent_bytes += bytes.len() as u64;
        out.push(Output::Send { to, bytes });
    }

    /// Whether a host reads a message of this version, and this one may write it.
    pub(super) fn reads(&self, host: HostId, version: u8) -> bool {
        let reads = self.view.get(host).map(|entry| entry.reads);
        version <= self.newest_version && reads.is_some_and(|reads| reads >= version)
    }

    /// Sends a message to a host of the view, if it reads it.
    pub(super) fn send_to_host(&mut self, to: HostId, message: &Message, out: &mut Vec<Output>) {
        let version = message.version();
        if let Some(entry) = self.view.get(to)
            && (version == OLDEST_VERSION || self.reads(to, version))
        {
            self.send(entry.identity.gossip, message, out);
        }
    }
}
