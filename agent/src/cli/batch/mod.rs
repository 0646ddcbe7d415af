//! `kerf plan --batch`: questions about GPUs that are given as data, one JSON object a line, and the answers.
//!
//! Owns the contract: what a line may hold ([`wire`]), what the names in it mean ([`grid`]), and what an
//! answer looks like. Every plan passes the independent checker before it is written. Speaks to no kerfd and
//! knows no GPU of this host. A line that cannot be answered gets a line that says why, and the run goes on.

mod answer;
mod grid;
mod lines;
mod placed;
mod question;
#[cfg(test)]
mod tests;
mod wire;

use std::io::{self, BufReader, Read, Write};
use std::path::PathBuf;
use std::time::Instant;

use answer::Answer;
use grid::Grids;
use kerf_planner::Tables;
use lines::{Line, Lines};

use super::fail::Failure;
use super::input::InputError;
use super::words::count;
use super::{Context, Exit};

/// Bytes of answers that are gathered before they are written. They are written sooner where the next
/// question has not come yet, so that a program may wait for each answer.
const GATHERED: usize = 64 << 10;

/// How a run went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Lines that were not blank.
    pub lines: usize,
    /// Those of them that could not be answered.
    pub errors: usize,
}

/// Answers standard input on standard output; 1 where a line could not be answered.
pub(super) fn run(context: &Context) -> Result<Exit, Failure> {
    let Tally { lines, errors } = answers(io::stdin().lock(), &mut io::stdout().lock())?;
    if errors == 0 {
        return Ok(Exit::Done);
    }
    let of = count(lines, "line");
    context
        .print
        .note(&format!("{errors} of {of} could not be answered"));
    Ok(Exit::Code(1))
}

/// Answers every line of a reader.
///
/// # Errors
/// Where it cannot be read or the answers not be written; a line that is wrong is answered.
pub fn answers(input: impl Read, output: &mut impl Write) -> Result<Tally, Failure> {
    let mut tally = Tally::default();
    let mut batch = Batch::default();
    answer_all(input, output, |line| {
        let answer = batch.answer(line);
        tally.lines += 1;
        tally.errors += usize::from(answer.is_error());
        answer
    })?;
    Ok(tally)
}

/// Reads to the end, line by line, and writes what `answer` says to each that is not blank.
fn answer_all(
    input: impl Read,
    output: &mut impl Write,
    mut answer: impl FnMut(&Line) -> Answer,
) -> Result<(), Failure> {
    let read = |source| InputError::Read {
        path: PathBuf::from("-"),
        source,
    };
    let mut lines = Lines::new(BufReader::with_capacity(GATHERED, input));
    let mut gathered = Vec::with_capacity(GATHERED);
    loop {
        if gathered.len() >= GATHERED || !lines.has_next() {
            super::print::bytes(output, &gathered)?;
            gathered.clear();
        }
        let Some(line) = lines.next().map_err(read)? else {
            return super::print::bytes(output, &gathered);
        };
        if !line.is_blank() {
            serde_json::to_writer(&mut gathered, &answer(line)).map_err(Failure::json)?;
            gathered.push(b'\n');
        }
    }
}

/// What is kept from line to line.
#[derive(Debug, Default)]
struct Batch {
    grids: Grids,
    tables: Tables,
}

impl Batch {
    fn answer(&mut self, line: &Line) -> Answer {
        let text = match line {
            Line::Whole(text) => text,
            Line::TooLong => return Answer::error(None, &lines::TooLong),
        };
        let request: wire::Request = match serde_json::from_slice(text) {
            Ok(request) => request,
            Err(error) => return Answer::error(wire::id_of(text), &error),
        };
        let id = request.id.clone();
        match self.planned(request) {
            Ok(answer) => answer,
            Err(error) => Answer::error(Some(id), &error),
        }
    }

    fn planned(&mut self, request: wire::Request) -> Result<Answer, question::QuestionError> {
        let question = question::Question::new(request, &mut self.grids)?;
        // A table is made once; what it takes is no part of any plan.
        for grid in &question.grids {
            self.tables.prepare(&grid.grid);
        }
        let start = Instant::now();
        let outcome = question.plan(&mut self.tables);
        let micros = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
        outcome.map(|outcome| answer::of(question, outcome, micros))
    }
}
