//! How a failure is told: on stderr for people, and in the engine's log file in runc's own words.
//!
//! containerd shows its user the last line with level "error" of the file that it passes by `--log`; a
//! failure that is only on stderr reads as "unknown" there. Writing is best effort: the exit code alone
//! stops the container.

#[cfg(test)]
mod tests;

use std::error::Error;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::argv::LogTarget;

/// One line of runc's log in its JSON format.
#[derive(Serialize)]
struct Line<'a> {
    level: &'a str,
    msg: &'a str,
    time: &'a str,
}

/// Tells `error` and its causes on stderr, and in the log that the engine named.
pub fn failure(error: &(dyn Error + 'static), hint: Option<&str>, log: &LogTarget) {
    // The exit code says it too, and there is nobody left to tell that stderr is gone.
    drop(io::stderr().write_all(on_stderr(error, hint).as_bytes()));
    append(log, "error", &in_one_line(error, hint));
}

/// Tells of a container that starts, in the log that the engine named, else on stderr: with a log, stderr is the
/// container's own already.
pub fn warning(message: &str, log: &LogTarget) {
    let message = format!("kerf-runtime: {message}");
    match log.path {
        Some(_) => append(log, "warning", &message),
        None => drop(io::stderr().write_all(format!("{message}\n").as_bytes())),
    }
}

fn append(log: &LogTarget, level: &str, message: &str) {
    let Some(path) = &log.path else { return };
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o644)
        .open(path);
    if let Ok(mut file) = file {
        let line = log_line(level, message, log.is_json, SystemTime::now());
        drop(file.write_all(line.as_bytes()));
    }
}

/// One cause per line, the hint last.
fn on_stderr(error: &(dyn Error + 'static), hint: Option<&str>) -> String {
    let mut text = format!("kerf-runtime: {error}\n");
    for cause in causes(error) {
        text.push_str("  because: ");
        // A cause may have line breaks of its own (TOML points at the place).
        text.push_str(&cause.trim_end().replace('\n', "\n           "));
        text.push('\n');
    }
    if let Some(hint) = hint {
        text.push_str("  hint: ");
        text.push_str(hint);
        text.push('\n');
    }
    text
}

fn in_one_line(error: &(dyn Error + 'static), hint: Option<&str>) -> String {
    let mut text = format!("kerf-runtime: {error}");
    for cause in causes(error) {
        text.push_str(": ");
        text.push_str(&cause);
    }
    if let Some(hint) = hint {
        text.push_str(" (hint: ");
        text.push_str(hint);
        text.push(')');
    }
    text
}

fn causes(error: &(dyn Error + 'static)) -> Vec<String> {
    let mut causes = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        causes.push(cause.to_string());
        next = cause.source();
    }
    causes
}

fn log_line(level: &str, message: &str, is_json: bool, now: SystemTime) -> String {
    let time = rfc3339(now);
    let line = Line {
        level,
        msg: message,
        time: &time,
    };
    let quoted = |text: &str| serde_json::to_string(text).unwrap_or_default();
    let mut text = match is_json {
        true => serde_json::to_string(&line).unwrap_or_default(),
        false => format!(
            "time={} level={level} msg={}",
            quoted(&time),
            quoted(message)
        ),
    };
    text.push('\n');
    text
}

/// The time in UTC as Go reads it. Days to a date by the civil calendar's 400-year cycle; a date library for
/// one line would be a third of this program.
fn rfc3339(now: SystemTime) -> String {
    let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    // Years start in March here, so that the leap day is the last one; day 0 is 0000-03-01.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        of_day / 3600,
        of_day / 60 % 60,
        of_day % 60
    )
}
