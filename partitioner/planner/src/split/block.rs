//! What one GPU offers to the relaxation: a block of its decomposition, with a row for each choice.

/// The choices of a GPU as numbers: what each is worth, and how much it has of everything that is bounded.
#[derive(Debug, Clone, Default)]
pub(super) struct Block {
    /// What each choice is worth, as a whole number and as a floating one.
    pub values: Vec<i64>,
    costs: Vec<f64>,
    /// How many entries a row has.
    width: usize,
    /// What each choice has, choice after choice.
    rows: Vec<i64>,
    /// The same, entry after entry.
    columns: Vec<f64>,
}

impl Block {
    /// A block of choices with their values and rows of so many entries, one after the other.
    pub fn new(values: Vec<i64>, width: usize, rows: Vec<i64>) -> Self {
        let column = |at: usize| rows.iter().skip(at).step_by(width.max(1));
        let columns = (0..width).flat_map(column);
        Self {
            costs: values.iter().map(|value| *value as f64).collect(),
            columns: columns.map(|one| *one as f64).collect(),
            values,
            width,
            rows,
        }
    }

    /// The same with one entry more in each row.
    pub fn with(&self, entries: impl IntoIterator<Item = i64>) -> Self {
        let mut rows = Vec::with_capacity(self.rows.len() + self.values.len());
        for (row, one) in self.rows().zip(entries) {
            rows.extend_from_slice(row);
            rows.push(one);
        }
        Self::new(self.values.clone(), self.width + 1, rows)
    }

    /// What each choice has.
    pub fn rows(&self) -> impl Iterator<Item = &[i64]> {
        self.rows.chunks_exact(self.width.max(1))
    }

    /// What one choice has.
    pub fn row(&self, choice: usize) -> &[i64] {
        let row = choice * self.width..(choice + 1) * self.width;
        self.rows.get(row).unwrap_or_default()
    }

    /// What all choices have, for each entry of a row.
    pub fn columns(&self) -> impl Iterator<Item = &[f64]> {
        self.columns.chunks_exact(self.costs.len().max(1))
    }

    /// What each choice is worth.
    pub fn costs(&self) -> impl ExactSizeIterator<Item = f64> {
        self.costs.iter().copied()
    }

    /// The value of the least choice, and what it has.
    pub fn least(&self) -> (f64, &[i64]) {
        let choices = self.costs().zip(self.rows());
        let least = choices.min_by(|(one, _), (other, _)| one.total_cmp(other));
        least.unwrap_or((0.0, &[]))
    }

    /// By how much the values differ.
    pub fn spread(&self) -> f64 {
        let (least, _) = self.least();
        self.costs()
            .fold(0.0, |most, cost| (cost - least).max(most))
    }

    /// The largest number of all rows.
    pub fn largest(&self) -> i64 {
        let sizes = self.rows.iter().map(|one| one.saturating_abs());
        sizes.max().unwrap_or(0)
    }
}
