//! The basis of a linear programme with its explicit inverse: the inner part of the revised simplex method.
//!
//! Floating numbers are only added, subtracted, multiplied and divided, which gives the same on every machine.

/// Below this a number that should be nothing is nothing.
pub(super) const TINY: f64 = 1e-9;

/// The inverse of a basis, with levels and duals.
pub(super) struct Basis {
    /// Row after row; behind each row the level of its column: how much of it is taken.
    inverse: Vec<f64>,
    /// Entries of a row with its level.
    width: usize,
    /// The dual of each row, and behind them what all is worth.
    pub duals: Vec<f64>,
    /// The column that enters, in terms of the basis.
    direction: Vec<f64>,
    /// The row of the inverse in which it enters, divided by its element of the direction.
    pivot: Vec<f64>,
}

impl Basis {
    /// A basis of so many columns with its inverse.
    pub fn new(size: usize, inverse: Vec<f64>) -> Self {
        Self {
            inverse,
            width: size + 1,
            duals: vec![0.0; size + 1],
            direction: vec![0.0; size],
            pivot: vec![0.0; size + 1],
        }
    }

    fn rows(&self) -> impl Iterator<Item = &[f64]> {
        self.inverse.chunks_exact(self.width)
    }

    /// How much of each column is taken.
    pub fn levels(&self) -> impl Iterator<Item = f64> {
        self.rows().filter_map(|row| row.last().copied())
    }

    /// Duals are the values of the columns times the inverse.
    pub fn price(&mut self, values: impl Iterator<Item = f64>) {
        let mut duals = vec![0.0; self.width];
        for (row, value) in self.rows().zip(values) {
            add(&mut duals, value, row);
        }
        self.duals = duals;
    }

    /// Looks at a column that has `held` in the first rows and 1 in row `own`. Says in which row it would enter:
    /// where the column is used up first. `stuck` says of which columns there must be no more than nothing.
    pub fn turn(
        &mut self,
        held: &[i64],
        own: usize,
        stuck: impl Iterator<Item = bool>,
    ) -> Option<usize> {
        let rows = self.inverse.chunks_exact(self.width);
        for (slot, row) in self.direction.iter_mut().zip(rows) {
            let own = row.get(own).copied().unwrap_or(0.0);
            let pairs = held.iter().zip(row);
            *slot = pairs.fold(own, |sum, (count, one)| sum + *count as f64 * one);
        }
        let mut best: Option<(f64, f64, usize)> = None;
        let columns = self.levels().zip(&self.direction).zip(stuck);
        for (at, ((level, element), is_stuck)) in columns.enumerate() {
            let share = match is_stuck && level < TINY && element.abs() > TINY {
                true => 0.0,
                false if *element > TINY => level.max(0.0) / element,
                false => continue,
            };
            // Of equals the largest element, which is the most exact.
            let size = element.abs();
            let is_better = best.is_none_or(|(least, other, _)| {
                share < least - TINY || (share < least + TINY && size > other)
            });
            if is_better {
                best = Some((share, size, at));
            }
        }
        best.map(|(_, _, at)| at)
    }

    /// Brings the column that was looked at into a row. `reduced` is what it is worth beyond the duals.
    pub fn enter(&mut self, at: usize, reduced: f64) {
        let element = self.direction.get(at).copied().unwrap_or(1.0);
        let row = self.inverse.iter().skip(at * self.width);
        for (slot, one) in self.pivot.iter_mut().zip(row) {
            *slot = one / element;
        }
        let rows = self.inverse.chunks_exact_mut(self.width);
        for (row, (inverse, direction)) in rows.zip(&self.direction).enumerate() {
            if row == at {
                inverse.copy_from_slice(&self.pivot);
            } else if direction.abs() > 0.0 {
                add(inverse, -direction, &self.pivot);
            }
        }
        add(&mut self.duals, reduced, &self.pivot);
    }
}

/// Adds a multiple of a row to another.
pub(super) fn add(to: &mut [f64], times: f64, row: &[f64]) {
    for (to, one) in to.iter_mut().zip(row) {
        *to += times * one;
    }
}
