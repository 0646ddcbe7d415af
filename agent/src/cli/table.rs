//! Aligned columns. Widths count characters without the escape sequences of colours.

use std::fmt::Display;

use super::style::{Ink, Style};

/// Between two columns.
const GAP: &str = "  ";

/// Where a column's text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// One field.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cell {
    text: String,
    ink: Ink,
}

impl Cell {
    /// A field in colour.
    pub fn new(ink: Ink, text: impl Display) -> Self {
        Self {
            text: text.to_string(),
            ink,
        }
    }

    /// A field that may be unknown.
    pub fn optional(value: Option<impl Display>) -> Self {
        value.map_or_else(
            || Self::new(Ink::Dim, "-"),
            |value| Self::new(Ink::Plain, value),
        )
    }
}

impl<T: Display> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(Ink::Plain, text)
    }
}

/// A row of cells from anything that can be shown.
macro_rules! row {
    ($($cell:expr),+ $(,)?) => { vec![$($crate::cli::table::Cell::from($cell)),+] };
}
pub(crate) use row;

/// A table.
#[derive(Debug)]
pub struct Table {
    columns: Vec<(String, Align)>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table with these columns; a heading that begins with `>` is of a column of numbers. Where no column has
    /// a heading there is no line of headings.
    pub fn new(headings: &[&str]) -> Self {
        Self::for_headings(headings.iter().copied())
    }

    /// The same for headings that are made while it runs.
    pub fn for_headings<'a>(headings: impl IntoIterator<Item = &'a str>) -> Self {
        let column = |heading: &str| match heading.strip_prefix('>') {
            Some(heading) => (heading.to_owned(), Align::Right),
            None => (heading.to_owned(), Align::Left),
        };
        Self {
            columns: headings.into_iter().map(column).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row; cells beyond the columns are left out.
    pub fn push(&mut self, row: Vec<Cell>) {
        self.rows.push(row);
    }

    /// Whether it has no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The text, a line a row, with `indent` before each.
    pub fn render(&self, style: Style, indent: &str) -> String {
        let widths: Vec<usize> = (0..self.columns.len()).map(|at| self.width(at)).collect();
        let heading = |(text, _): &(String, Align)| Cell::new(Ink::Bold, text);
        let head: Vec<Cell> = self.columns.iter().map(heading).collect();
        let named = self.columns.iter().any(|(text, _)| !text.is_empty());
        let lines = named.then_some(&head).into_iter().chain(&self.rows);
        lines
            .map(|row| self.line(row, &widths, style, indent))
            .collect()
    }

    fn width(&self, column: usize) -> usize {
        let heading = self
            .columns
            .get(column)
            .map_or(0, |(text, _)| text.chars().count());
        let cells = self.rows.iter().filter_map(|row| row.get(column));
        cells
            .map(|cell| cell.text.chars().count())
            .fold(heading, usize::max)
    }

    fn line(&self, row: &[Cell], widths: &[usize], style: Style, indent: &str) -> String {
        let mut line = indent.to_owned();
        // Spaces are owed until something follows them, so that no line ends with any.
        let mut owed = String::new();
        for ((cell, width), (_, align)) in row.iter().zip(widths).zip(&self.columns) {
            let pad = " ".repeat(width.saturating_sub(cell.text.chars().count()));
            if *align == Align::Right {
                owed.push_str(&pad);
            }
            if !cell.text.is_empty() {
                line.push_str(&owed);
                line.push_str(&style.paint(cell.ink, &cell.text));
                owed.clear();
            }
            if *align == Align::Left {
                owed.push_str(&pad);
            }
            owed.push_str(GAP);
        }
        line.push('\n');
        line
    }
}
