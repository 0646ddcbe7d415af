//! Questions that change nothing.

use kerf_types::HostId;

use super::Core;
use crate::view::Entry;
use crate::{Answer, Faults, Member, Moment, Record, Stats, Wanted};

impl<F: Faults> Core<F> {
    /// Every other host in the view, in the order of ids.
    pub fn members(&self, now: Moment) -> impl Iterator<Item = Member<'_>> {
        self.view.iter().map(move |entry| show(entry, now))
    }

    /// One other host.
    pub fn member(&self, host: HostId, now: Moment) -> Option<Member<'_>> {
        self.view.get(host).map(|entry| show(entry, now))
    }

    /// This host's own record, as it was last published.
    pub fn own_record(&self) -> Option<&Record> {
        self.own.record.as_ref().map(|stored| &stored.record)
    }

    /// What was counted.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// The answer to a peer's pull.
    pub fn answer(&self, wanted: &Wanted) -> Answer {
        self.answer_to(wanted)
    }
}

fn show(entry: &Entry, now: Moment) -> Member<'_> {
    let stored = entry.record.as_ref();
    Member {
        identity: &entry.identity,
        state: entry.state,
        since: entry.since,
        record: stored.map(|stored| &stored.record),
        record_age_ms: stored.map(|stored| stored.age_ms(now)),
        heard_ms: entry.heard.map(|heard| now.since(heard)),
    }
}
