//! Anti-entropy: two hosts find where they differ, and each gets what it lacks.
//!
//! ```text
//!  A ── digest: 64 hashes ──────────────────────────────► B   in each round, to a few random peers
//!  A ◄─ versions: what B knows of buckets that differ ──── B   nothing when none does
//!  A ── delta: what B lacks; wants: what A lacks ───────► B   what is too long is offered or pulled
//!  A ◄─ delta: what A wanted ───────────────────────────── B
//! ```
//! Each is one datagram, whatever the size of the fleet: of many buckets that differ a random few are taken,
//! of a long one a random part. What is left comes in a later round.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use kerf_types::HostId;

use super::Core;
use super::delta::Packer;
use crate::digest::BUCKETS;
use crate::timers::Task;
use crate::wire::{Known, Measure, Message, Span, Versions, Write, parts};
use crate::{DropReason, Faults, Output, Stamp};

/// Bytes of a span without what is known: bucket, flags, bounds, count.
const SPAN: usize = 1 + 1 + 32 + 2;

/// When more buckets than this differ, after a mass start or a healed split, datagrams would take many rounds:
/// a stream brings it all.
const MANY_BUCKETS: usize = BUCKETS / 4;

/// More wants than this go in one pull instead of many rounds.
const MANY_WANTS: usize = 24;

/// What one host lacks of another's.
#[derive(Debug, Default)]
struct Difference {
    /// Hosts that the peer lacks, with the stamp that it has.
    give: Vec<(Option<Stamp>, HostId)>,
    /// Hosts that this one lacks and that fit in a datagram together.
    want: Vec<HostId>,
    /// Bytes of those.
    want_bytes: usize,
    /// Hosts that this one lacks and that do not.
    pull: Vec<HostId>,
}

impl<F: Faults> Core<F> {
    /// One round: a digest for a few peers, and a look for the fleet when there are none.
    pub(super) fn round(&mut self, out: &mut Vec<Output>) {
        self.timers
            .set(self.now.plus(self.timing.round_ms), Task::Round);
        self.answers_left = super::ANSWERS_PER_ROUND;
        self.hellos_left = super::HELLOS_PER_ROUND;
        self.heard_in_round.clear();
        self.rounds += 1;
        let peers = self.some_peers(self.timing.round_peers);
        if peers.is_empty() {
            return self.ask_the_dead(out);
        }
        if F::NO_ANTI_ENTROPY {
            return;
        }
        let digest = Message::Digest(self.digest.hashes());
        for peer in peers {
            self.send_to_host(peer, &digest, out);
        }
    }

    /// A host that is alone looks for its fleet at the seeds and at those that it held for dead.
    fn ask_the_dead(&mut self, out: &mut Vec<Output>) {
        const EVERY: u64 = 5;
        self.look_for_fleet();
        if !self.rounds.is_multiple_of(EVERY) {
            return;
        }
        let dead: Vec<_> = self.view.iter().map(|e| e.identity.clone()).collect();
        if dead.is_empty() {
            return;
        }
        let place = usize::try_from(self.below(dead.len() as u64)).unwrap_or(0);
        for identity in dead.into_iter().skip(place).take(1) {
            let outcome = self.swim.announce(identity);
            self.absorb(outcome, out);
        }
    }

    pub(super) fn digest_came(
        &mut self,
        peer: HostId,
        theirs: &[u32; BUCKETS],
        out: &mut Vec<Output>,
    ) -> Result<(), DropReason> {
        let mine = self.digest.hashes();
        let pairs = mine.iter().zip(theirs).enumerate();
        let mut differing: Vec<usize> = pairs
            .filter(|(_, (mine, theirs))| mine != theirs)
            .map(|(bucket, _)| bucket)
            .collect();
        if differing.is_empty() {
            return Ok(());
        }
        self.may_answer()?;
        if differing.len() > MANY_BUCKETS && self.request_newer(peer, out) {
            return Ok(());
        }
        let mut versions = Versions::default();
        let mut left = self.room().saturating_sub(2);
        while !differing.is_empty() {
            let place = usize::try_from(self.below(differing.len() as u64)).unwrap_or(0);
            let bucket = differing.swap_remove(place);
            let Some(span) = self.span(bucket, left, versions.spans.is_empty()) else {
                break;
            };
            left = left.saturating_sub(length(&span.known) + SPAN);
            versions.spans.push(span);
        }
        self.send_to_host(peer, &Message::Versions(versions), out);
        Ok(())
    }

    /// What is known of a bucket, or of a part that fits; a part only if there is nothing before it.
    fn span(&mut self, bucket: usize, room: usize, may_be_part: bool) -> Option<Span> {
        let number = u8::try_from(bucket).ok()?;
        let room = room.checked_sub(SPAN)?;
        let all: Vec<Known> = self.digest.bucket(bucket).copied().collect();
        if length(&all) <= room {
            return Some(Span {
                bucket: number,
                part: None,
                known: all,
            });
        }
        if !may_be_part {
            return None;
        }
        let start = usize::try_from(self.below(all.len() as u64)).unwrap_or(0);
        let mut known: Vec<Known> = Vec::new();
        let mut bytes = 0;
        for one in all.iter().skip(start) {
            bytes += length(std::slice::from_ref(one));
            if bytes > room {
                break;
            }
            known.push(*one);
        }
        let reaches_end = start + known.len() == all.len();
        let lowest = HostId::from_bits(0);
        let first = if start == 0 {
            lowest
        } else {
            known.first()?.host
        };
        let highest = HostId::from_bits(u128::MAX);
        let last = if reaches_end {
            highest
        } else {
            known.last()?.host
        };
        Some(Span {
            bucket: number,
            part: Some((first, last)),
            known,
        })
    }

    pub(super) fn versions_came(
        &mut self,
        peer: HostId,
        versions: &Versions,
        out: &mut Vec<Output>,
    ) -> Result<(), DropReason> {
        self.may_answer()?;
        let mut difference = Difference::default();
        for span in &versions.spans {
            self.compare(span, &mut difference);
        }
        self.remind_of_forgotten(peer, &difference.give, out);
        let Difference {
            mut give,
            mut want,
            mut pull,
            ..
        } = difference;
        if want.len() > MANY_WANTS {
            pull.append(&mut want);
        }
        // Least known first: what the peer has nothing of, then its oldest.
        give.sort_unstable_by_key(|(stamp, host)| (*stamp, Reverse(*host)));
        let mut packer = Packer::new(self.room());
        for host in want {
            packer.want(host);
        }
        for (_, host) in give {
            if !self.give(&mut packer, host) {
                break;
            }
        }
        let delta = packer.finish();
        if !delta.is_empty() {
            self.send_to_host(peer, &Message::Delta(delta), out);
        }
        self.pull_from(peer, pull, out);
        Ok(())
    }

    fn compare(&self, span: &Span, difference: &mut Difference) {
        let theirs: BTreeMap<HostId, &Known> = span.known.iter().map(|k| (k.host, k)).collect();
        for mine in self.digest.bucket(usize::from(span.bucket)) {
            if !span.covers(mine.host) {
                continue;
            }
            let Some(their) = theirs.get(&mine.host) else {
                difference.give.push((None, mine.host));
                continue;
            };
            if mine.life > their.life || mine.stamp > their.stamp {
                difference.give.push((their.stamp, mine.host));
            }
            if their.life > mine.life || their.stamp > mine.stamp {
                self.lacks(their, difference);
            }
        }
        for their in &span.known {
            if self
                .digest
                .bucket(usize::from(span.bucket))
                .any(|mine| mine.host == their.host)
            {
                continue;
            }
            // Not among the living here: gone in that life, as the peer will be told, or not known at all.
            if self.is_gone(their) {
                difference.give.push((their.stamp, their.host));
            } else {
                self.lacks(their, difference);
            }
        }
    }

    /// Whether a host that a peer holds for living is gone in that life, or was forgotten in it.
    pub(super) fn is_gone(&self, their: &Known) -> bool {
        let entry = self.view.get(their.host);
        let is_dead = entry.is_some_and(|e| !e.is_active() && e.identity.life >= their.life);
        is_dead || self.is_forgotten_in(their.host, their.life)
    }

    fn lacks(&self, their: &Known, difference: &mut Difference) {
        if their.host == self.me().host {
            return;
        }
        let bytes = difference.want_bytes + self.bytes_of_record(their.payload_bytes);
        if self.may_fit(bytes) {
            difference.want_bytes = bytes;
            difference.want.push(their.host);
        } else {
            difference.pull.push(their.host);
        }
    }
}

fn length(known: &[Known]) -> usize {
    let mut measure = Measure::default();
    for one in known {
        parts::put_known(&mut measure, one);
    }
    measure.put(&[]);
    measure.0
}
