//! The list of jobs, a part at a time: thousands of them do not fit into one answer.

use kerf_types::JobId;

use super::Jobs;
use crate::store::JobRow;

/// A place in the list: the time of submission in milliseconds, and the id.
pub type Place = (u64, JobId);

impl Jobs {
    /// Shows jobs in the order of submission after a place to `take` until it says no; those that have ended
    /// only with `all`. Gives the place of the last one that was taken, where there are more.
    pub fn visit(
        &self,
        all: bool,
        after: Option<Place>,
        mut take: impl FnMut(&JobRow) -> bool,
    ) -> Option<Place> {
        let mut places: Vec<Place> = {
            let table = self.inner.table();
            let rows = table.values().map(|entry| entry.row.borrow());
            rows.filter(|row| all || !row.state.is_final())
                .map(|row| (row.submitted.0, row.id))
                .filter(|place| after.is_none_or(|after| *place > after))
                .collect()
        };
        places.sort_unstable();
        let mut last = after;
        for place in places {
            // It may have been forgotten meanwhile.
            if let Some(row) = self.inner.row(place.1) {
                if !take(&row) {
                    return last;
                }
                last = Some(place);
            }
        }
        None
    }
}
