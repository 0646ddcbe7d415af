//! What is not well: noted once with its beginning, told as an event with the picture that shows it, and taken back when
//! it is over.

use std::collections::BTreeMap;

use super::{Degraded, Host, now};

impl Host {
    /// Notes that something is not well; the reason, and what to do, may change while it lasts.
    pub(super) fn degrade(&mut self, what: &str, why: String, hint: &str) {
        if !self.degraded.contains_key(what) {
            tracing::warn!(what, error = %why, "degraded");
            self.find("health", what.to_owned(), why.clone());
        }
        let entry = self.degraded.entry(what.to_owned());
        let entry = entry.or_insert_with(|| Degraded {
            why: String::new(),
            hint: String::new(),
            since: now(),
        });
        (entry.why, entry.hint) = (why, hint.to_owned());
    }

    /// The same of what may have come to worse: that is told although it was not well before.
    pub(super) fn degrade_to(&mut self, what: &str, why: String, hint: &str, is_worse: bool) {
        if is_worse && self.degraded.contains_key(what) {
            self.find("health", what.to_owned(), why.clone());
        }
        self.degrade(what, why, hint);
    }

    /// Notes all that is not well of one kind, each with its reason; those whose names begin so and that are not among them
    /// are well again.
    pub(super) fn degrade_alone(&mut self, begin: &str, all: BTreeMap<String, String>, hint: &str) {
        let known = self.degraded.keys().filter(|what| what.starts_with(begin));
        let over = known.filter(|what| !all.contains_key(*what)).cloned();
        for what in over.collect::<Vec<String>>() {
            self.recovered(&what);
        }
        for (what, why) in all {
            self.degrade(&what, why, hint);
        }
    }

    /// Notes that something is well again.
    pub(super) fn recovered(&mut self, what: &str) {
        if self.degraded.remove(what).is_some() {
            tracing::info!(what, "recovered");
            self.find("health", what.to_owned(), "well again".to_owned());
        }
    }
}

#[cfg(test)]
mod tests;
