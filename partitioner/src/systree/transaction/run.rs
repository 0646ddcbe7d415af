//! Carrying out the changes.

use super::{Before, Change, Condition, Done, Left, Outcome, Patience, Refusal, Undo};
use crate::in_words;
use crate::systree::{SysTree, TreeError};

/// Makes the changes in their order, or none of them.
pub fn run(tree: &dyn SysTree, changes: &[Change<'_>], patience: &mut dyn Patience) -> Outcome {
    let mut made: Vec<Made<'_>> = Vec::new();
    let mut written = 0;
    for change in changes {
        patience.begin();
        match attempt(tree, change, patience) {
            Ok(None) => {}
            Ok(Some(one)) => {
                written += 1;
                made.push(one);
            }
            Err(Failed { reason, half_made }) => {
                made.extend(half_made);
                let left = take_back(tree, &made, patience);
                return if left.is_empty() {
                    Outcome::Undone { reason }
                } else {
                    Outcome::Stuck { reason, left }
                };
            }
        }
    }
    Outcome::Done { written }
}

/// A change that was made, or may have been.
struct Made<'c> {
    change: &'c Change<'c>,
    /// What the file held before, where that could be read.
    before: Option<Vec<u8>>,
}

/// A change that was not made, and whether there is something of it to take back.
struct Failed<'c> {
    reason: Refusal,
    half_made: Option<Made<'c>>,
}

/// Makes one change; `None` where it was made already.
fn attempt<'c>(
    tree: &dyn SysTree,
    change: &'c Change<'c>,
    patience: &mut dyn Patience,
) -> Result<Option<Made<'c>>, Failed<'c>> {
    let untouched = |reason| Failed {
        reason,
        half_made: None,
    };
    let before = look_before(tree, change).map_err(untouched)?;
    let is_written = match (&change.done, &before) {
        (Done::ReadsBack | Done::ReadsBackAnd(_), Some(now)) => reads_as(now, &change.value),
        (Done::Holds(condition), _) => condition.holds(tree).unwrap_or(false),
        _ => false,
    };
    if is_written {
        // A crash after the write may have left what follows from it under way.
        return match until_done(tree, change, patience) {
            Ok(()) => Ok(None),
            Err(reason) => Err(untouched(reason)),
        };
    }
    expect(change, before.as_deref()).map_err(untouched)?;
    let answer = tree.write(&change.path, change.value.as_bytes());
    let made = Made { change, before };
    let failed = |reason, made: Made<'c>| Failed {
        reason,
        half_made: Some(made),
    };
    if let Err(cause) = answer {
        let reason = Refusal::Write {
            path: change.path.clone(),
            value: change.value.clone(),
            cause,
        };
        // Of a refused request that cannot be read, nothing can be seen and so nothing taken back.
        return Err(match change.done {
            Done::Accepted => untouched(reason),
            _ => failed(reason, made),
        });
    }
    match until_done(tree, change, patience) {
        Ok(()) => Ok(Some(made)),
        Err(reason) => Err(failed(reason, made)),
    }
}

/// What the file holds. Where nothing depends on it, it need not be readable: some files only take values.
fn look_before(tree: &dyn SysTree, change: &Change<'_>) -> Result<Option<Vec<u8>>, Refusal> {
    let needed = matches!(change.before, Before::Is(_))
        || matches!(change.done, Done::ReadsBack | Done::ReadsBackAnd(_))
        || matches!(change.undo, Undo::Restore | Undo::RestoreAnd(_));
    match tree.read(&change.path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(_) if !needed => Ok(None),
        Err(cause) => Err(Refusal::Unreadable {
            path: change.path.clone(),
            cause,
        }),
    }
}

fn expect(change: &Change<'_>, found: Option<&[u8]>) -> Result<(), Refusal> {
    let Before::Is(expected) = &change.before else {
        return Ok(());
    };
    let found = found.unwrap_or_default();
    if reads_as(found, expected) {
        return Ok(());
    }
    Err(Refusal::Conflict {
        path: change.path.clone(),
        found: String::from_utf8_lossy(found).trim().to_owned(),
        expected: expected.clone(),
    })
}

/// Looks until the change is done or patience is over; what is missing then.
fn until_done(
    tree: &dyn SysTree,
    change: &Change<'_>,
    patience: &mut dyn Patience,
) -> Result<(), Refusal> {
    let missing = |patience: &mut dyn Patience| match &change.done {
        Done::Accepted => None,
        Done::ReadsBack => reads_back(tree, &change.path, &change.value, patience),
        Done::Holds(condition) => comes_true(tree, condition.as_ref(), patience),
        Done::ReadsBackAnd(condition) => reads_back(tree, &change.path, &change.value, patience)
            .or_else(|| comes_true(tree, condition.as_ref(), patience)),
    };
    missing(patience).map_or(Ok(()), |missing| {
        Err(Refusal::NotDone {
            path: change.path.clone(),
            value: change.value.clone(),
            missing,
        })
    })
}

/// Waits until the file reads as the value; in words what is missing if it does not.
fn reads_back(
    tree: &dyn SysTree,
    path: &str,
    value: &str,
    patience: &mut dyn Patience,
) -> Option<String> {
    let found = poll(patience, || match tree.read(path) {
        Ok(bytes) if reads_as(&bytes, value) => Ok(()),
        Ok(bytes) => Err(format!("{:?}", String::from_utf8_lossy(&bytes).trim())),
        Err(error) => Err(in_words(&error)),
    });
    found.map(|found| format!("{value:?} to be read there ({found})"))
}

/// Waits until the condition holds; in words what is missing if it does not.
fn comes_true(
    tree: &dyn SysTree,
    condition: &dyn Condition,
    patience: &mut dyn Patience,
) -> Option<String> {
    let found = poll(patience, || match condition.holds(tree) {
        Ok(true) => Ok(()),
        Ok(false) => Err(None),
        Err(error) => Err(Some(in_words(&error))),
    });
    let words = condition.words();
    found.map(|error| error.map_or(words.clone(), |error| format!("{words} ({error})")))
}

fn poll<E>(patience: &mut dyn Patience, mut look: impl FnMut() -> Result<(), E>) -> Option<E> {
    loop {
        let error = look().err()?;
        if !patience.wait() {
            return Some(error);
        }
    }
}

/// Takes back what was made, the last first, and goes on after a failure.
fn take_back(tree: &dyn SysTree, made: &[Made<'_>], patience: &mut dyn Patience) -> Vec<Left> {
    let mut left = Vec::new();
    for one in made.iter().rev() {
        patience.begin();
        if let Err(why) = undo(tree, one, patience) {
            let path = one.change.path.clone();
            left.push(Left { path, why });
        }
    }
    left
}

fn undo(tree: &dyn SysTree, made: &Made<'_>, patience: &mut dyn Patience) -> Result<(), String> {
    let path = &made.change.path;
    match &made.change.undo {
        Undo::Restore => restore(tree, path, made.before.as_deref(), None, patience),
        Undo::RestoreAnd(condition) => {
            let condition = Some(condition.as_ref());
            restore(tree, path, made.before.as_deref(), condition, patience)
        }
        Undo::Write { path, value, done } => {
            if done.holds(tree) == Ok(true) {
                return Ok(());
            }
            let answer = tree.write(path, value.as_bytes());
            missing_after(answer, comes_true(tree, done.as_ref(), patience))
        }
        Undo::Impossible => Err("it cannot be taken back".to_owned()),
    }
}

/// Writes what was there before, unless that is there now.
fn restore(
    tree: &dyn SysTree,
    path: &str,
    before: Option<&[u8]>,
    condition: Option<&dyn Condition>,
    patience: &mut dyn Patience,
) -> Result<(), String> {
    let before = before.ok_or("nobody knows what it held before")?;
    let value = std::str::from_utf8(before).map_err(|_| "what it held before is no text")?;
    let value = value.trim();
    let mut answer = Ok(());
    if !tree.read(path).is_ok_and(|now| reads_as(&now, value)) {
        answer = tree.write(path, value.as_bytes());
    }
    let missing = reads_back(tree, path, value, patience)
        .or_else(|| condition.and_then(|one| comes_true(tree, one, patience)));
    missing_after(answer, missing)
}

/// What is read counts, whatever the write has answered.
fn missing_after(answer: Result<(), TreeError>, missing: Option<String>) -> Result<(), String> {
    match (missing, answer) {
        (None, _) => Ok(()),
        (Some(_), Err(error)) => Err(in_words(&error)),
        (Some(missing), Ok(())) => Err(format!("no {missing}")),
    }
}

fn reads_as(bytes: &[u8], value: &str) -> bool {
    bytes.trim_ascii() == value.trim().as_bytes()
}
