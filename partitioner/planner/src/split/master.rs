//! The linear relaxation of a split: each GPU takes its choices in shares that add up to one, and all shares together
//! hold what is wanted.
//!
//! This is the master problem of a Dantzig-Wolfe decomposition, solved with the revised simplex method: the blocks
//! offer columns in turn (partial pricing). What still lacks of a profile, or is too much, is an artificial column with
//! a penalty. Nothing here proves anything: `price` counts in integers what the duals prove.

use super::basis::{Basis, TINY, add};
use super::block::Block;

/// So much of slices lacking is nothing lacking.
const LACK: f64 = 1e-6;

/// Pivots for each row of the basis: known requests take some ten. After many more it is going in a circle.
const PIVOTS_OF_A_ROW: usize = 100;

/// The penalty of what lacks, in units of the widest spread of a GPU: the duals of most requests are below it, and a
/// larger one makes the numbers less exact. Where it is too little it is raised once.
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
    /// A choice with its value.
    Choice(f64),
}

/// The master problem with its basis. Its rows are the wanted profiles and then the blocks.
pub(super) struct Master<'a> {
    blocks: &'a [&'a Block],
    kinds: usize,
    goal: Goal,
    columns: Vec<Column>,
    basis: Basis,
    /// What the choices of the block that is asked are worth beyond the duals.
    reduced: Vec<f64>,
    pivots_left: usize,
}

impl<'a> Master<'a> {
    /// Each GPU takes its least choice; the artificial columns make up the difference.
    pub fn new(blocks: &'a [&'a Block], want: &[i64]) -> Self {
        let (kinds, size) = (want.len(), want.len() + blocks.len());
        let least = blocks.iter().map(|block| block.least());
        let (values, held): (Vec<f64>, Vec<&[i64]>) = least.unzip();
        let is_one = |is: bool| if is { 1.0 } else { 0.0 };
        let mut inverse = Vec::with_capacity(size * (size + 1));
        for (kind, want) in want.iter().enumerate() {
            let held = held
                .iter()
                .map(|row| row.get(kind).copied().unwrap_or(0) as f64);
            let lack = *want as f64 - held.clone().sum::<f64>();
            let sign = if lack < 0.0 { -1.0 } else { 1.0 };
            inverse.extend((0..kinds).map(|at| sign * is_one(at == kind)));
            inverse.extend(held.map(|held| -sign * held));
            inverse.push(sign * lack);
        }
        for own in kinds..size {
            inverse.extend((0..size).map(|at| is_one(at == own)));
            inverse.push(1.0);
        }
        let artificial = (0..kinds).map(|_| Column::Artificial);
        Self {
            blocks,
            kinds,
            goal: Goal::Lack,
            columns: artificial
                .chain(values.into_iter().map(Column::Choice))
                .collect(),
            basis: Basis::new(size, inverse),
            reduced: Vec::new(),
            pivots_left: size * PIVOTS_OF_A_ROW,
        }
    }

    /// The duals of the relaxation.
    pub fn solve(mut self) -> Duals {
        let spread = self.blocks.iter().map(|block| block.spread());
        let penalty = PENALTY * (spread.fold(0.0, f64::max) + 1.0);
        self.run(Goal::Value(penalty));
        if self.lack() > LACK {
            let of_value = self.duals();
            self.run(Goal::Lack);
            if self.lack() > LACK {
                let of_lack = Some(self.duals());
                return Duals { of_value, of_lack };
            }
            self.run(Goal::Value(penalty * PENALTY_RAISED));
        }
        Duals {
            of_value: self.duals(),
            of_lack: None,
        }
    }

    fn duals(&self) -> Vec<f64> {
        self.basis.duals.iter().take(self.kinds).copied().collect()
    }

    /// How many slices lack or are too much.
    fn lack(&self) -> f64 {
        let pairs = self.columns.iter().zip(self.basis.levels());
        let lacks = pairs.filter(|(column, _)| matches!(column, Column::Artificial));
        lacks.map(|(_, level)| level).sum()
    }

    /// Pivots until no block offers anything better.
    fn run(&mut self, goal: Goal) {
        self.goal = goal;
        self.basis
            .price(self.columns.iter().map(|column| match (*column, goal) {
                (Column::Artificial, Goal::Value(penalty)) => penalty,
                (Column::Artificial, Goal::Lack) => 1.0,
                (Column::Choice(value), Goal::Value(_)) => value,
                (Column::Choice(_), Goal::Lack) => 0.0,
            }));
        let (mut at, mut idle) = (0, 0);
        while idle < self.blocks.len() && self.pivots_left > 0 {
            idle += 1;
            if self.pivot(at).is_some() {
                self.pivots_left -= 1;
                idle = 0;
            }
            at = (at + 1) % self.blocks.len();
        }
    }

    /// Takes the choice of a block into the basis that makes the goal smallest for each share of it, if any makes it
    /// smaller.
    fn pivot(&mut self, at: usize) -> Option<()> {
        let block = self.blocks.get(at)?;
        let own = self.kinds + at;
        let dual = *self.basis.duals.get(own)?;
        self.reduced.clear();
        match self.goal {
            Goal::Value(_) => self.reduced.extend(block.costs().map(|cost| cost - dual)),
            Goal::Lack => self.reduced.resize(block.values.len(), -dual),
        }
        for (column, dual) in block.columns().zip(&self.basis.duals) {
            add(&mut self.reduced, -dual, column);
        }
        let limit = match self.goal {
            // As exact as numbers of the size of the penalty are.
            Goal::Value(penalty) => -1e-6 - penalty * 1e-12,
            Goal::Lack => -TINY,
        };
        let mut best = (0, limit);
        for (choice, reduced) in self.reduced.iter().enumerate() {
            if *reduced < best.1 {
                best = (choice, *reduced);
            }
        }
        let (choice, reduced) = best;
        if reduced >= limit {
            return None;
        }
        // What no longer lacks is not to lack again.
        let stuck = self
            .columns
            .iter()
            .map(|column| matches!(column, Column::Artificial));
        let row = self.basis.turn(block.row(choice), own, stuck)?;
        self.basis.enter(row, reduced);
        let value = block.costs().nth(choice)?;
        *self.columns.get_mut(row)? = Column::Choice(value);
        Some(())
    }
}
