//! How often the driver has refused to finish or to undo what was interrupted, so that nobody asks it for ever.
//!
//! ```text
//! refused -- again with each look --> so often: a layout is given up, anything else rests
//!                                     rests -- the host changes, or kerfd starts anew --> refused
//! ```

use std::collections::BTreeMap;

use crate::store::{Work, WorkRow};

/// Refusals until nothing is asked any more: a minute of looks at the hardware.
pub(super) const REFUSAL_LIMIT: u32 = 12;

/// Refusals by the number of the work: how many, and the generation of the host in which they were.
#[derive(Debug, Default)]
pub(super) struct Refusals(BTreeMap<i64, (u32, u64)>);

impl Refusals {
    /// Counts one, and says whether that was enough. A layout changes the host by itself, so for a layout
    /// generations do not count.
    pub fn note(&mut self, row: &WorkRow, generation: u64) -> bool {
        let (count, when) = self.0.entry(row.number).or_insert((0, generation));
        let goes_on = *when == generation || matches!(row.work, Work::Layout { .. });
        *count = if goes_on { *count + 1 } else { 1 };
        *when = generation;
        *count >= REFUSAL_LIMIT
    }

    /// Whether it was refused often enough on this host as it is now.
    pub fn rests(&self, row: &WorkRow, generation: u64) -> bool {
        let known = self.0.get(&row.number);
        known.is_some_and(|(count, when)| *count >= REFUSAL_LIMIT && *when == generation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(number: i64) -> WorkRow {
        let (gpu, enabled) = ("0000:10:00.0".to_owned(), false);
        let work = Work::Mode { gpu, enabled };
        WorkRow { number, work }
    }

    /// Refusals until it was enough.
    fn asked(refusals: &mut Refusals, row: &WorkRow, generation: u64) -> u32 {
        let mut count = 1;
        while !refusals.note(row, generation) {
            count += 1;
            assert!(count < 1_000, "asked for ever");
        }
        count
    }

    #[test]
    fn work_rests_until_the_host_changes() {
        let mut refusals = Refusals::default();
        let row = mode(1);
        assert_eq!(asked(&mut refusals, &row, 7), REFUSAL_LIMIT);
        assert!(refusals.rests(&row, 7) && !refusals.rests(&mode(2), 7));
        assert!(!refusals.rests(&row, 8));
        assert_eq!(asked(&mut refusals, &row, 8), REFUSAL_LIMIT);
    }

    #[test]
    fn a_layout_is_given_up_however_the_host_changes_meanwhile() {
        let work = Work::Layout {
            generation: 1,
            layout: String::new(),
            allow_reset: false,
            force: Vec::new(),
            places: None,
            history: None,
        };
        let (mut refusals, row) = (Refusals::default(), WorkRow { number: 3, work });
        let enough = (1..).take_while(|generation| !refusals.note(&row, *generation));
        assert_eq!(u32::try_from(enough.count()), Ok(REFUSAL_LIMIT - 1));
    }
}
