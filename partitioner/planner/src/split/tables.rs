//! The tables of the grids that have been asked about, so that each is made once.

use std::sync::Arc;

use super::table::Table;
use crate::grid::Grid;

/// Most states of a table: some 100 MB with what a search needs beside it. A grid with more is planned by
/// branch and bound. The largest known product has 2,319.
pub const STATE_LIMIT: usize = 1_000_000;

/// Most states of all tables that are kept. Grids come from drivers and from files, so their number is
/// not ours to choose; what was made first is made anew when it is wanted again.
const KEPT_STATES: usize = 2_000_000;

/// Most grids that are kept: each question looks through them.
const KEPT_GRIDS: usize = 64;

/// Tables of placed states by grid. Empty at first; answers do not depend on what is in it.
#[derive(Debug, Default)]
pub struct Tables {
    kept: Vec<(Grid, Option<Arc<Table>>)>,
}

impl Tables {
    /// The table of a grid, made where it is not there yet; `None` beyond [`STATE_LIMIT`] states.
    pub(crate) fn of(&mut self, grid: &Grid) -> Option<Arc<Table>> {
        if let Some((_, table)) = self.kept.iter().find(|(known, _)| known == grid) {
            return table.clone();
        }
        let table = Table::of(grid, STATE_LIMIT).map(Arc::new);
        self.kept.push((grid.clone(), table.clone()));
        let states = |kept: &[(Grid, Option<Arc<Table>>)]| -> usize {
            kept.iter()
                .flat_map(|(_, table)| table)
                .map(|one| one.len())
                .sum()
        };
        while self.kept.len() > KEPT_GRIDS
            || (self.kept.len() > 1 && states(&self.kept) > KEPT_STATES)
        {
            self.kept.remove(0);
        }
        table
    }

    /// Makes the table of a grid before the first question about it. Returns how many states it has, `None`
    /// beyond [`STATE_LIMIT`].
    pub fn prepare(&mut self, grid: &Grid) -> Option<usize> {
        self.of(grid).map(|table| table.len())
    }
}
