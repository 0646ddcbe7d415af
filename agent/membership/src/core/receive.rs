//! Receiving: a datagram is opened, its sender is looked up, and its message finds who handles it.

use std::net::SocketAddr;

use kerf_types::HostId;

use super::Core;
use crate::wire::{Header, MAX_DATAGRAM, Message};
use crate::{DropReason, Faults, Identity, Output};

impl<F: Faults> Core<F> {
    pub(super) fn datagram(&mut self, from: SocketAddr, bytes: &[u8], out: &mut Vec<Output>) {
        self.stats.received += 1;
        self.stats.received_bytes += bytes.len() as u64;
        let handled = self
            .open(bytes)
            .and_then(|(header, message)| self.message(from, &header, message, out));
        if let Err(reason) = handled {
            *self.stats.dropped.entry(reason).or_insert(0) += 1;
        }
    }

    /// What may be known from the bytes alone. Nothing changes here but the sealer's own state.
    fn open(&mut self, bytes: &[u8]) -> Result<(Header, Message), DropReason> {
        if bytes.len() > MAX_DATAGRAM {
            return Err(DropReason::Oversized);
        }
        let (header, head, sealed) = Header::split(bytes)?;
        if header.cluster != self.cluster && !F::ANY_CLUSTER {
            return Err(DropReason::ForeignCluster);
        }
        if header.version > self.newest_version {
            return Err(DropReason::Version);
        }
        if header.sender == self.me().host {
            return Err(DropReason::OwnName);
        }
        let mut body = Vec::with_capacity(sealed.len());
        self.sealer
            .open(&header, head, sealed, &mut body)
            .map_err(DropReason::Sealed)?;
        self.charge(header.sender)?;
        Ok((header, Message::read(&body)?))
    }

    /// One datagram more of this sender, if that is not too much. It is charged only once it was opened: nobody
    /// else can use up what a host may say.
    fn charge(&mut self, sender: HostId) -> Result<(), DropReason> {
        if !self.heard_in_round.contains_key(&sender) && self.heard_in_round.len() >= self.max_hosts
        {
            return Err(DropReason::Rate);
        }
        let heard = self.heard_in_round.entry(sender).or_insert(0);
        if *heard >= super::HEARD_PER_ROUND {
            return Err(DropReason::Rate);
        }
        *heard += 1;
        Ok(())
    }

    fn message(
        &mut self,
        from: SocketAddr,
        header: &Header,
        message: Message,
        out: &mut Vec<Output>,
    ) -> Result<(), DropReason> {
        let peer = header.sender;
        match message {
            Message::Swim(swim) => self.swim_message(header, swim, out)?,
            Message::Hello(profile) => {
                let sender = profile.into_identity(peer, header.life);
                self.hello(from, &sender, out)?;
            }
            Message::Welcome(profile) => {
                let sender = profile.into_identity(peer, header.life);
                self.welcome(from, sender, out)?;
            }
            Message::Digest(hashes) => {
                self.require_member(header)?;
                self.digest_came(peer, &hashes, out)?;
            }
            Message::Versions(versions) => {
                self.require_member(header)?;
                self.versions_came(peer, &versions, out)?;
            }
            Message::Delta(delta) => {
                self.require_member(header)?;
                self.delta_came(peer, delta, out)?;
            }
            Message::Suspected(host, life, refutation) => {
                self.require_member(header)?;
                if (host, life) != (self.me().host, self.me().life) {
                    return Err(DropReason::NotForUs);
                }
                self.suspected(peer, refutation, out)?;
            }
            Message::Silent(silent) => {
                self.require_member(header)?;
                self.health.helper_heard(peer, silent);
            }
            Message::Confirm(confirm) => {
                self.require_member(header)?;
                self.confirmed(confirm)?;
            }
            Message::Forgotten(hosts) => {
                self.require_member(header)?;
                self.forgotten_came(&hosts, out)?;
            }
        }
        self.heard(header);
        Ok(())
    }

    /// Only a living member, in the life that we know, is listened to beyond SWIM.
    fn require_member(&self, header: &Header) -> Result<(), DropReason> {
        let entry = self.view.get(header.sender);
        let known = entry.is_some_and(|e| e.is_active() && e.identity.life == header.life);
        if known {
            Ok(())
        } else {
            Err(DropReason::Stranger)
        }
    }

    /// A host that is known in this very life keeps the name and addresses that it is known by.
    pub(super) fn contradicts(&self, identity: &Identity) -> bool {
        let entry = self.view.get(identity.host);
        entry.is_some_and(|e| e.identity.life == identity.life && e.identity != *identity)
    }

    fn heard(&mut self, header: &Header) {
        let now = self.now;
        if let Some(entry) = self.view.get_mut(header.sender)
            && entry.identity.life == header.life
        {
            entry.heard = Some(now);
            entry.reads = header.reads;
            self.health.heard = true;
        }
    }
}
