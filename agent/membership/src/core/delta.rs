//! Deltas: packed within one datagram, and taken in.

use foca::State as SwimState;
use kerf_types::HostId;

use super::Core;
use super::merge::Way;
use crate::wire::{Delta, Known, Measure, Message, Peer, Write, parts};
use crate::{Aged, DropReason, Faults, Output, Wanted};

/// Bytes of a delta without any item: the kind, and four counts.
const EMPTY: usize = 1 + 4 * 2;

/// Fills a delta up to the room of a datagram.
#[derive(Debug)]
pub(super) struct Packer {
    delta: Delta,
    left: usize,
}

impl Packer {
    pub fn new(room: usize) -> Self {
        Self {
            delta: Delta::default(),
            left: room.saturating_sub(EMPTY),
        }
    }

    pub fn finish(self) -> Delta {
        self.delta
    }

    /// Adds a member, and its record or, when the record does not fit, the offer of it. False when there is
    /// no room even for that.
    pub fn give<F: Faults>(
        &mut self,
        member: Option<Peer>,
        record: Option<Aged>,
        known: Option<Known>,
    ) -> bool {
        let member_bytes = member
            .as_ref()
            .map_or(0, |m| length(|w| parts::put_member(w, m)));
        let record_bytes = record
            .as_ref()
            .map_or(0, |r| length(|w| parts::put_record(w, r)));
        let offer_bytes = known
            .as_ref()
            .map_or(0, |k| length(|w| parts::put_known(w, k)));
        let fits = self.left >= member_bytes + record_bytes || F::NO_SIZE_LIMIT;
        let offer = known.filter(|_| !fits && record.is_some());
        let rest = if fits { record_bytes } else { offer_bytes };
        let bytes = member_bytes + rest;
        if bytes > self.left && !F::NO_SIZE_LIMIT {
            return false;
        }
        self.left = self.left.saturating_sub(bytes);
        self.delta.members.extend(member);
        self.delta.offers.extend(offer);
        self.delta.records.extend(record.filter(|_| fits));
        true
    }

    /// Adds a member, and the offer of its record. False when there is no room.
    pub fn offer(&mut self, member: Option<Peer>, known: Option<Known>) -> bool {
        let member_bytes = member
            .as_ref()
            .map_or(0, |m| length(|w| parts::put_member(w, m)));
        let offer_bytes = known
            .as_ref()
            .map_or(0, |k| length(|w| parts::put_known(w, k)));
        let Some(left) = self.left.checked_sub(member_bytes + offer_bytes) else {
            return false;
        };
        self.left = left;
        self.delta.members.extend(member);
        self.delta.offers.extend(known);
        true
    }

    /// Adds a want. False when there is no room for it.
    pub fn want(&mut self, host: HostId) -> bool {
        let Some(left) = self.left.checked_sub(16) else {
            return false;
        };
        self.left = left;
        self.delta.wants.push(host);
        true
    }
}

fn length(write: impl Fn(&mut Measure)) -> usize {
    let mut measure = Measure::default();
    write(&mut measure);
    measure.0
}

impl<F: Faults> Core<F> {
    /// Whether a record fits in a datagram of its own.
    pub(super) fn fits_alone(&self, aged: &Aged) -> bool {
        let mut header = Measure::default();
        header.put(&[0; EMPTY]);
        parts::put_record(&mut header, aged);
        header.0 <= self.room()
    }

    /// The most that a record with a payload of this length takes, with its proof where records are signed.
    pub(crate) fn bytes_of_record(&self, payload_bytes: usize) -> usize {
        const LONGEST_RECORD_HEAD: usize = 16 + 10 + 10 + 1 + 10 + 2 + 1;
        LONGEST_RECORD_HEAD + payload_bytes + self.voucher.proof_bytes()
    }

    /// Whether a delta with items of this length together fits in a datagram.
    pub(super) fn may_fit(&self, bytes: usize) -> bool {
        EMPTY + bytes <= self.room()
    }

    /// Gives all that a peer may lack of a host. Of one that is gone that is the news alone, with its goodbye
    /// if it said one.
    pub(super) fn give(&self, packer: &mut Packer, host: HostId) -> bool {
        let entry = self.view.get(host);
        let is_gone = entry.is_some_and(|entry| !entry.is_active() && !entry.said_goodbye());
        let record = self.record_of(host).filter(|_| !is_gone);
        packer.give::<F>(self.peer_of(host), record, self.known_of(host))
    }

    /// A host as SWIM's updates carry it. A host that is gone is told of as down.
    pub(super) fn peer_of(&self, host: HostId) -> Option<Peer> {
        if host == self.me().host {
            let me = self.me().clone();
            return Some(Peer::new(me, self.swim.refutation, SwimState::Alive));
        }
        self.swim.find(host).cloned()
    }

    /// What this host knows of another, whether that lives or not.
    pub(super) fn known_of(&self, host: HostId) -> Option<Known> {
        if host == self.me().host {
            return Some(self.known_of_me());
        }
        self.view.get(host).and_then(crate::view::Entry::known)
    }

    pub(super) fn delta_came(
        &mut self,
        peer: HostId,
        delta: Delta,
        out: &mut Vec<Output>,
    ) -> Result<(), DropReason> {
        let members = self.believable(delta.members)?;
        if !members.is_empty() {
            self.learn(members, true, out);
        }
        for aged in delta.records {
            self.merge(aged, Way::Datagram, out);
        }
        let newer = |known: &&Known| self.is_news(known);
        let wanted: Vec<HostId> = delta.offers.iter().filter(newer).map(|k| k.host).collect();
        self.pull_from(peer, wanted, out);
        if delta.wants.is_empty() {
            return Ok(());
        }
        self.may_answer()?;
        let mut packer = Packer::new(self.room());
        for host in delta.wants {
            if !self.give(&mut packer, host) {
                break;
            }
        }
        let answer = packer.finish();
        if !answer.is_empty() {
            self.send_to_host(peer, &Message::Delta(answer), out);
        }
        Ok(())
    }

    /// Whether a peer knows a newer record of a member than this host does.
    fn is_news(&self, known: &Known) -> bool {
        let entry = self.view.get(known.host);
        entry.is_some_and(|entry| {
            let kept = entry.record.as_ref().map(|stored| stored.record.stamp);
            known.stamp > kept
        })
    }

    pub(super) fn pull_from(&mut self, peer: HostId, wanted: Vec<HostId>, out: &mut Vec<Output>) {
        let api = self.view.get(peer).map(|entry| entry.identity.api);
        if let (false, Some(api)) = (wanted.is_empty(), api) {
            self.request(peer, api, Wanted::Hosts(wanted), out);
        }
    }
}
