//! The jobs that a page has room for.

use std::cmp::Reverse;
use std::sync::Arc;

use kerf_types::job::JobSpec;

use super::Jobs;
use crate::store::JobRow;

impl Jobs {
    /// At most `limit` jobs with their descriptions: those that have not ended in the order of submission, then
    /// the newest of those that have. Only these are copied, however many there are.
    pub fn shown(&self, limit: usize) -> Vec<(JobRow, Arc<JobSpec>)> {
        let table = self.inner.table();
        let mut keys: Vec<_> = table
            .iter()
            .map(|(id, entry)| {
                let row = entry.row.borrow();
                let waited = (!row.state.is_final()).then_some(row.submitted);
                // Those without an end come first, since false is less than true.
                ((waited.is_none(), waited, Reverse(row.ended)), *id)
            })
            .collect();
        keys.sort_unstable();
        let first = keys.iter().take(limit);
        first
            .filter_map(|(_, id)| table.get(id))
            .map(|entry| (entry.row.borrow().clone(), Arc::clone(&entry.spec)))
            .collect()
    }
}
