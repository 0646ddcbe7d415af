//! The linear relaxation of a split: each GPU takes its choices in shares that add up to one, and all shares together
//! hold what is wanted.
//!
//! This is the master problem of a Dantzig-Wolfe decomposition. It is solved with the revised simplex method and an
//! explicit inverse of the basis; the GPUs offer columns in turn (partial pricing). What is still lacking of a profile,
//! or is too much, is an artificial column with a penalty. Floating numbers are only added, subtracted, multiplied and
//! divided, which gives the same on every machine. Nothing here proves anything: `price` counts in integers what the
//! duals prove.

use super::seat::Seat;

/// Below this a number that should be nothing is nothing.
const TINY: f64 = 1e-9;

/// So much of slices lacking is nothing lacking.
const LACK: f64 = 1e-6;

/// Pivots for each row of the basis: known requests take two or three. After more it is going in a circle.
const PIVOTS_OF_A_ROW: usize = 100;

/// The penalty of a slice that lacks, in values of the widest spread of a GPU: the duals of most requests are below
/// it, and a larger one makes the numbers less exact. Where it is too little it is raised once.
const PENALTY: f64 = 4.0;
const PENALTY_RAISED: f64 = 1000.0;

/// What the relaxation says about the worth of slices, for each wanted profile.
pub(super) struct Duals {
    /// Of the least value.
    pub of_value: Vec<f64>,
    /// Of what lacks at the least, where something does: then nothing can hold all that is wanted.
    pub of_lack: Option<Vec<f64>>,
}

/// What is made small.
#[derive(Debug, Clone, Copy)]
enum Goal {
    /// The value, with this penalty for each slice that lacks.
    Value(f64),
    /// What lacks.
    Lack,
}

/// A column of the basis.
#[derive(Debug, Clone, Copy)]
enum Column {
    /// What lacks of a profile or is too much.
    Artificial,
    /// A choice of a GPU.
    Choice { seat: usize, choice: usize },
}

/// The master problem with its basis. Its rows are the wanted profiles and then the GPUs.
pub(super) struct Master<'a> {
    seats: &'a [&'a Seat],
    kinds: usize,
    goal: Goal,
    basis: Vec<Column>,
    /// The inverse of the basis, row after row, and behind each row how much of its column is taken.
    inverse: Vec<f64>,
    /// The dual of each row.
    duals: Vec<f64>,
    /// Reduced values of the GPU that is asked.
    reduced: Vec<f64>,
    /// The column that enters, in terms of the basis.
    direction: Vec<f64>,
    /// The row of the inverse that it enters in.
    pivot: Vec<f64>,
    pivots_left: usize,
}

impl<'a> Master<'a> {
    /// Each GPU takes its least choice; the artificial columns make up the difference.
    pub fn new(seats: &'a [&'a Seat], want: &[u32]) -> Self {
        let (kinds, size) = (want.len(), want.len() + seats.len());
        let least = seats.iter().enumerate().map(|(seat, one)| {
            let values = one.values.iter().enumerate();
            let least = values.min_by_key(|(_, value)| **value);
            let choice = least.map_or(0, |(choice, _)| choice);
            (Column::Choice { seat, choice }, one.row(choice))
        });
        let (chosen, held): (Vec<Column>, Vec<&[i64]>) = least.unzip();
        let mut inverse = Vec::with_capacity(size * (size + 1));
        for (kind, want) in want.iter().enumerate() {
            let held = held
                .iter()
                .map(|row| row.get(kind).map_or(0.0, |held| *held as f64));
            let lack = f64::from(*want) - held.clone().sum::<f64>();
            let sign = if lack < 0.0 { -1.0 } else { 1.0 };
            inverse.extend((0..kinds).map(|at| if at == kind { sign } else { 0.0 }));
            inverse.extend(held.map(|held| -sign * held));
            inverse.push(sign * lack);
        }
        for seat in 0..seats.len() {
            inverse.extend((0..size).map(|at| if at == kinds + seat { 1.0 } else { 0.0 }));
            inverse.push(1.0);
        }
        let mut basis = vec![Column::Artificial; kinds];
        basis.extend(chosen);
        Self {
            seats,
            kinds,
            goal: Goal::Lack,
            basis,
            inverse,
            duals: vec![0.0; size + 1],
            reduced: Vec::new(),
            direction: vec![0.0; size],
            pivot: vec![0.0; size + 1],
            pivots_left: size * PIVOTS_OF_A_ROW,
        }
    }

    /// The duals of the relaxation.
    pub fn solve(mut self) -> Duals {
        let spread = |seat: &&Seat| Some(seat.values.iter().max()? - seat.values.iter().min()?);
        let spread = self.seats.iter().filter_map(spread).max().unwrap_or(0);
        let penalty = PENALTY * (spread as f64 + 1.0);
        self.run(Goal::Value(penalty));
        let mut of_value = self.of_kinds();
        if self.lack() > LACK {
            self.run(Goal::Lack);
            if self.lack() > LACK {
                let of_lack = Some(self.of_kinds());
                return Duals { of_value, of_lack };
            }
            self.run(Goal::Value(penalty * PENALTY_RAISED));
            of_value = self.of_kinds();
        }
        let of_lack = None;
        Duals { of_value, of_lack }
    }

    fn of_kinds(&self) -> Vec<f64> {
        self.duals.iter().take(self.kinds).copied().collect()
    }

    /// How many slices lack or are too much.
    fn lack(&self) -> f64 {
        let levels = self.rows().filter_map(|row| row.last());
        let pairs = self.basis.iter().zip(levels);
        let lacks = pairs.filter(|(column, _)| matches!(column, Column::Artificial));
        lacks.map(|(_, level)| level).sum()
    }

    fn rows(&self) -> impl Iterator<Item = &[f64]> {
        self.inverse.chunks_exact(self.pivot.len())
    }

    /// Pivots until no GPU offers anything better.
    fn run(&mut self, goal: Goal) {
        self.goal = goal;
        self.set_duals();
        let (mut seat, mut idle) = (0, 0);
        while idle < self.seats.len() && self.pivots_left > 0 {
            idle += 1;
            if let Some((choice, reduced)) = self.offer(seat)
                && self.enter(seat, choice, reduced)
            {
                self.pivots_left -= 1;
                idle = 0;
            }
            seat = (seat + 1) % self.seats.len();
        }
    }

    /// Duals are the values of the basis times its inverse.
    fn set_duals(&mut self) {
        let value = |column: &Column| match (*column, self.goal) {
            (Column::Artificial, Goal::Value(penalty)) => penalty,
            (Column::Artificial, Goal::Lack) => 1.0,
            (Column::Choice { .. }, Goal::Lack) => 0.0,
            (Column::Choice { seat, choice }, Goal::Value(_)) => {
                let values = self.seats.get(seat).map(|seat| &seat.values);
                values
                    .and_then(|values| values.get(choice))
                    .map_or(0.0, |value| *value as f64)
            }
        };
        let mut duals = vec![0.0; self.pivot.len()];
        for (row, value) in self.rows().zip(self.basis.iter().map(value)) {
            add(&mut duals, value, row);
        }
        self.duals = duals;
    }

    /// The choice of a GPU that makes the goal smallest for each share of it, if any makes it smaller.
    fn offer(&mut self, at: usize) -> Option<(usize, f64)> {
        let seat = self.seats.get(at)?;
        let own = *self.duals.get(self.kinds + at)?;
        self.reduced.clear();
        match self.goal {
            Goal::Value(_) => self
                .reduced
                .extend(seat.values.iter().map(|one| *one as f64 - own)),
            Goal::Lack => self.reduced.resize(seat.choices.len(), -own),
        }
        let columns = seat.columns.chunks_exact(seat.choices.len().max(1));
        for (column, dual) in columns.zip(&self.duals) {
            add(&mut self.reduced, -dual, column);
        }
        let limit = match self.goal {
            Goal::Value(penalty) => -1e-6 - penalty * 1e-12,
            Goal::Lack => -TINY,
        };
        let mut best = (0, limit);
        for (choice, reduced) in self.reduced.iter().enumerate() {
            if *reduced < best.1 {
                best = (choice, *reduced);
            }
        }
        (best.1 < limit).then_some(best)
    }

    /// Takes a choice into the basis. `false` where no column can leave it, which is a matter of rounding.
    fn enter(&mut self, seat: usize, choice: usize, reduced: f64) -> bool {
        let held = self
            .seats
            .get(seat)
            .map(|one| one.row(choice))
            .unwrap_or_default();
        for (slot, row) in self
            .direction
            .iter_mut()
            .zip(self.inverse.chunks_exact(self.pivot.len()))
        {
            let own = row.get(self.kinds + seat).copied().unwrap_or(0.0);
            let pairs = held.iter().zip(row);
            *slot = pairs.fold(own, |sum, (count, one)| sum + *count as f64 * one);
        }
        let Some((at, element)) = self.leaving() else {
            return false;
        };
        let width = self.pivot.len();
        for (slot, one) in self
            .pivot
            .iter_mut()
            .zip(self.inverse.iter().skip(at * width))
        {
            *slot = one / element;
        }
        let rows = self.inverse.chunks_exact_mut(width).zip(&self.direction);
        for (row, (inverse, direction)) in rows.enumerate() {
            if row == at {
                inverse.copy_from_slice(&self.pivot);
            } else if direction.abs() > 0.0 {
                add(inverse, -direction, &self.pivot);
            }
        }
        add(&mut self.duals, reduced, &self.pivot);
        if let Some(column) = self.basis.get_mut(at) {
            *column = Column::Choice { seat, choice };
        }
        true
    }

    /// The row whose column is used up first, and its element of the direction. Of equals the largest element, which
    /// is the most exact.
    fn leaving(&self) -> Option<(usize, f64)> {
        let mut best: Option<(f64, usize, f64)> = None;
        let rows = self.rows().zip(&self.direction).zip(&self.basis);
        for (at, ((row, element), column)) in rows.enumerate() {
            let level = row.last().copied().unwrap_or(0.0).max(0.0);
            let is_done = matches!(column, Column::Artificial) && level < TINY;
            // What no longer lacks is not to lack again.
            let share = match is_done && element.abs() > TINY {
                true => 0.0,
                false if *element > TINY => level / element,
                false => continue,
            };
            let is_better = best.is_none_or(|(least, _, other)| {
                share < least - TINY || (share < least + TINY && element.abs() > other.abs())
            });
            if is_better {
                best = Some((share, at, *element));
            }
        }
        best.map(|(_, at, element)| (at, element))
    }
}

/// Adds a multiple of a row to another.
fn add(to: &mut [f64], times: f64, row: &[f64]) {
    for (to, one) in to.iter_mut().zip(row) {
        *to += times * one;
    }
}
