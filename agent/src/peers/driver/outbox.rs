//! What is to be told of each host and was not taken yet. Whoever is slow hears the newest of each, not all.

use std::collections::BTreeMap;
use std::sync::Arc;

use kerf_scheduler::Liveness;
use kerf_types::{HostId, HostRecord};

use crate::peers::Event;

/// One entry for each host that there is something to say of.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    unsaid: BTreeMap<HostId, Unsaid>,
    /// The host that was spoken of last: the next one comes next, so that none is passed over for long.
    last: Option<HostId>,
}

/// In the order in which it is told.
#[derive(Debug, Default)]
struct Unsaid {
    gone: Option<Gone>,
    presence: Option<Liveness>,
    record: Option<Arc<HostRecord>>,
    fresh: bool,
}

/// Why nothing is known of a host any more.
#[derive(Debug, Clone, Copy)]
enum Gone {
    /// It was gone for long.
    Forgotten,
    /// An operator said so.
    Removed,
}

impl Outbox {
    pub fn is_empty(&self) -> bool {
        self.unsaid.is_empty()
    }

    pub fn presence(&mut self, host: HostId, liveness: Liveness) {
        self.unsaid.entry(host).or_default().presence = Some(liveness);
    }

    pub fn record(&mut self, record: Arc<HostRecord>) {
        let host = record.id;
        self.unsaid.entry(host).or_default().record = Some(record);
    }

    pub fn fresh(&mut self, host: HostId) {
        self.unsaid.entry(host).or_default().fresh = true;
    }

    /// What was said of the host before has no meaning any more.
    pub fn forgotten(&mut self, host: HostId) {
        self.gone(host, Gone::Forgotten);
    }

    /// Neither has it of one that an operator removed.
    pub fn removed(&mut self, host: HostId) {
        self.gone(host, Gone::Removed);
    }

    fn gone(&mut self, host: HostId, gone: Gone) {
        let unsaid = Unsaid {
            gone: Some(gone),
            ..Unsaid::default()
        };
        self.unsaid.insert(host, unsaid);
    }

    /// The next thing to tell.
    pub fn take(&mut self) -> Option<Event> {
        let after = self.last.and_then(|last| {
            let mut later = self.unsaid.range(last..).map(|(host, _)| *host);
            later.find(|host| *host != last)
        });
        let host = after.or_else(|| self.unsaid.keys().next().copied())?;
        self.last = Some(host);
        let unsaid = self.unsaid.get_mut(&host)?;
        let event = unsaid.take(host);
        if unsaid.is_empty() {
            self.unsaid.remove(&host);
        }
        event
    }
}

impl Unsaid {
    fn take(&mut self, host: HostId) -> Option<Event> {
        match self.gone.take() {
            Some(Gone::Forgotten) => return Some(Event::Forgotten(host)),
            Some(Gone::Removed) => return Some(Event::Removed(host)),
            None => {}
        }
        if let Some(liveness) = self.presence.take() {
            return Some(Event::Presence { host, liveness });
        }
        if let Some(record) = self.record.take() {
            // A record that has just come is fresh.
            self.fresh = false;
            return Some(Event::Record(record));
        }
        std::mem::take(&mut self.fresh).then_some(Event::StillFresh(host))
    }

    fn is_empty(&self) -> bool {
        self.gone.is_none() && self.presence.is_none() && self.record.is_none() && !self.fresh
    }
}

#[cfg(test)]
mod tests {
    use kerf_scheduler::Liveness;
    use kerf_types::HostId;

    use super::Outbox;
    use crate::peers::Event;

    #[test]
    fn the_slow_hear_the_newest_of_each_host_in_turn() {
        let [one, two, three] = [1, 2, 3].map(HostId::from_bits);
        let mut outbox = Outbox::default();
        outbox.presence(one, Liveness::Alive);
        outbox.fresh(one);
        outbox.presence(two, Liveness::Alive);
        outbox.presence(two, Liveness::Down);
        outbox.forgotten(two);
        outbox.presence(two, Liveness::Alive);
        outbox.fresh(three);
        outbox.removed(three);
        let told: Vec<Event> = std::iter::from_fn(|| outbox.take()).collect();
        let alive = |host| Event::Presence {
            host,
            liveness: Liveness::Alive,
        };
        assert_eq!(
            told,
            [
                alive(one),
                Event::Forgotten(two),
                Event::Removed(three),
                Event::StillFresh(one),
                alive(two)
            ]
        );
        assert!(outbox.is_empty());
    }
}
