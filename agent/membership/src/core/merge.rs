//! Taking others' records: only newer ones, only of members, never one that claims to be ours.

use foca::State as SwimState;
use kerf_types::HostId;

use super::Core;
use crate::record::Stored;
use crate::vouch::signed_bytes;
use crate::wire::Peer;
use crate::{Aged, Faults, Output};

/// A record that is older than this is not pushed on: the epidemic is over, and anti-entropy brings it to
/// whom it missed.
pub(super) const FRESH_MS: u64 = 10_000;

/// How a record came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Datagram,
    /// In a stream, among the few that were asked for by name.
    Asked,
    /// In a stream that brought whatever was new.
    Stream,
}

impl<F: Faults> Core<F> {
    /// Keeps a record if it is newer than what is kept. One that came by itself is passed on while it is fresh, or
    /// offered where it does not fit in a datagram; a stream that brings many at once others get as well.
    pub(super) fn merge(&mut self, aged: Aged, way: Way, out: &mut Vec<Output>) {
        let (host, stamp) = (aged.record.host, aged.record.stamp);
        if host == self.me().host {
            return self.merge_own(aged);
        }
        // A stamp of a life that is not known yet is refused: it could only be taken on the sender's word, and
        // would shut out the true records. It comes again once SWIM tells of the life.
        let entry = self
            .view
            .get_mut(host)
            .filter(|entry| stamp.incarnation <= entry.identity.life.incarnation);
        let Some(entry) = entry else {
            self.stats.records_unknown += 1;
            return;
        };
        let kept = entry.record.as_ref().map(|stored| stored.record.stamp);
        let goes_back = kept.is_some_and(|kept| kept >= stamp);
        if goes_back && !(F::RECORDS_GO_BACK && kept != Some(stamp)) {
            self.stats.records_old += 1;
            return;
        }
        // Last, as it costs most: whoever repeats old records makes nobody look at signatures.
        if !F::UNPROVEN_RECORDS
            && let Err(why) = self.voucher.check(
                host,
                &signed_bytes(self.cluster, &aged.record),
                &aged.record.proof,
            )
        {
            *self.stats.records_unproven.entry(why).or_insert(0) += 1;
            return;
        }
        let is_fresh = way != Way::Stream && aged.age_ms < FRESH_MS;
        entry.record = Some(Stored::new(aged, self.now));
        self.note_known(host);
        out.push(Output::Record { host });
        if is_fresh {
            self.spread(host);
        }
        self.look_at_goodbye(host, out);
    }

    fn merge_own(&mut self, aged: Aged) {
        let own = self.own.record.as_ref().map(|stored| stored.record.stamp);
        if own.is_some_and(|own| own >= aged.record.stamp) {
            self.stats.records_old += 1;
            return;
        }
        // What an earlier incarnation of ours said is merely late.
        if aged.record.stamp.incarnation < self.me().life.incarnation {
            self.stats.records_old += 1;
            return;
        }
        self.stats.records_forged += 1;
        if F::OWN_RECORD_FROM_OTHERS {
            self.own.record = Some(Stored::new(aged, self.now));
            self.note_known(self.me().host);
        }
    }

    /// A living host whose newest record says goodbye has left; one that is down has left, as is now known.
    fn look_at_goodbye(&mut self, host: HostId, out: &mut Vec<Output>) {
        let Some(entry) = self.view.get(host).filter(|entry| entry.said_goodbye()) else {
            return;
        };
        if entry.is_active() {
            let gone = Peer::new(entry.identity.clone(), 0, SwimState::Down);
            self.learn(vec![gone], true, out);
        } else {
            let change = self.view.down(host, self.now);
            self.changed(host, change, out);
        }
    }
}
