//! What must be true of the answers of all hosts together: they are those of one register that is changed one step at a
//! time. Knows nothing of how they come about.
//!
//! The value is the list of all changes so far, so each state tells which came before it.

use std::collections::BTreeMap;

use crate::{Answer, Ending, State};

pub type Value = Vec<u32>;

#[derive(Default)]
pub struct Checker {
    /// Each version that somebody was told.
    versions: BTreeMap<u64, Value>,
    /// The highest of them.
    pub highest: u64,
    /// Wants: the change that they are for, and what was known when they were made.
    asked: BTreeMap<u64, (Option<u32>, u64)>,
    pub answered: u64,
    pub wrote: u64,
    pub violations: Vec<String>,
}

impl Checker {
    pub fn asked(&mut self, number: u64, change: Option<u32>) {
        self.asked.insert(number, (change, self.highest));
    }

    fn wrong(&mut self, text: String) {
        self.violations.push(text);
    }

    pub fn answered(&mut self, answer: &Answer<u32, Value>) {
        let Some(state) = &answer.state else {
            return;
        };
        self.answered += 1;
        let (change, floor) = self.asked[&answer.number];
        if state.version < floor {
            self.wrong(format!(
                "went back: version {} after {floor} was told",
                state.version
            ));
        }
        if let Some(change) = change.filter(|_| answer.ending == Ending::Done) {
            self.wrote += 1;
            if !state.value.contains(&change) {
                self.wrong(format!(
                    "lost: {change} is done and not in {:?}",
                    state.value
                ));
            }
        }
        self.state(state);
    }

    fn state(&mut self, state: &State<Value>) {
        let State { version, value, .. } = state;
        for (at, one) in value.iter().enumerate() {
            if value[..at].contains(one) {
                self.wrong(format!("twice: {one} in {value:?}"));
            }
        }
        let known = self.versions.insert(*version, value.clone());
        if known.is_some_and(|known| known != *value) {
            self.wrong(format!("split: two values have version {version}"));
        }
        let before = self.versions.range(..version).next_back();
        let after = self.versions.range(version + 1..).next();
        let follows = |before: &Value, after: &Value| after.starts_with(before);
        let right = before.is_none_or(|(_, before)| follows(before, value))
            && after.is_none_or(|(_, after)| follows(value, after));
        if !right {
            self.wrong(format!("split: version {version} does not follow"));
        }
        self.highest = self.highest.max(*version);
    }
}
