//! The texts of the vendor's tools, read and written. Pure.
//!
//! The sources are nvidia-cuda-mps-control(1), the MPS documentation, what NVIDIA's device plugin and DRA driver
//! call, and answers that others have recorded. What is not documented is read leniently and verified by what is
//! read back.

use std::fmt;

use kerf_types::Bytes;
use kerf_types::sharing::Interval;

/// Memory limits are in these.
const MIB: u64 = 1 << 20;

/// A text that is not what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} expected, found {found:?}")]
pub struct TextError {
    /// What should have been there.
    pub what: &'static str,
    /// What is there, cut to 200 characters.
    pub found: String,
}

impl TextError {
    fn new(what: &'static str, found: &str) -> Self {
        Self {
            what,
            found: found.chars().take(200).collect(),
        }
    }
}

/// How an MPS server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerStatus {
    /// It is being started.
    Initializing,
    /// It serves.
    Active,
    /// A client's fault is ending all of them; no new client is taken until they are gone.
    Fault,
}

impl fmt::Display for ServerStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Initializing => "INITIALIZING",
            Self::Active => "ACTIVE",
            Self::Fault => "FAULT",
        })
    }
}

/// The answer to `get_server_status`.
///
/// # Errors
/// Where it is none of the three words.
pub fn server_status(text: &str) -> Result<ServerStatus, TextError> {
    match text.trim() {
        "INITIALIZING" => Ok(ServerStatus::Initializing),
        "ACTIVE" => Ok(ServerStatus::Active),
        "FAULT" => Ok(ServerStatus::Fault),
        other => Err(TextError::new("the status of a server", other)),
    }
}

/// An active thread percentage: `25.0`.
///
/// # Errors
/// Where it is no number from above 0 to 100.
pub fn percentage(text: &str) -> Result<f64, TextError> {
    let error = || TextError::new("a percentage", text);
    let digits = |byte: u8| byte.is_ascii_digit() || byte == b'.';
    let text = text.trim();
    if !text.bytes().all(digits) {
        return Err(error());
    }
    let percent: f64 = text.parse().map_err(|_| error())?;
    let fits = percent > 0.0 && percent <= 100.0;
    fits.then_some(percent).ok_or_else(error)
}

/// A pinned memory limit: `18G`, `20350M`; zero, nothing or words where there is none, for how the tool says so is
/// nowhere documented.
///
/// # Errors
/// Where there are digits, and not one whole number with one of the two units.
pub fn memory_limit(text: &str) -> Result<Option<Bytes>, TextError> {
    let error = || TextError::new("a memory limit", text);
    let text = text.trim();
    // Without a unit it can only be zero.
    if text == "0" || !text.bytes().any(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    let (digits, unit) = match (text.strip_suffix('G'), text.strip_suffix('M')) {
        (Some(digits), _) => (digits, MIB << 10),
        (_, Some(digits)) => (digits, MIB),
        (None, None) => return Err(error()),
    };
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(error());
    }
    let count: u64 = digits.parse().map_err(|_| error())?;
    let bytes = count.checked_mul(unit).ok_or_else(error)?;
    Ok((bytes > 0).then_some(Bytes(bytes)))
}

/// A memory limit as the tools and the environment take it, in whole MiB, rounded down; at least one, for none at
/// all would be no limit.
#[must_use]
pub fn memory_text(limit: Bytes) -> String {
    format!("{}M", (limit.0 / MIB).max(1))
}

/// Process ids, one a line or several.
///
/// # Errors
/// Where there is something else.
pub fn pids(text: &str) -> Result<Vec<u32>, TextError> {
    let words = text.split_whitespace();
    let read = words.map(|word| {
        let pid = word.parse().ok().filter(|pid| *pid > 0);
        pid.ok_or_else(|| TextError::new("a process id", word))
    });
    read.collect()
}

/// The number by which `nvidia-smi compute-policy` knows a time slice.
#[must_use]
pub fn interval_number(interval: Interval) -> u32 {
    match interval {
        Interval::Default => 0,
        Interval::Short => 1,
        Interval::Medium => 2,
        Interval::Long => 3,
    }
}

/// The time slice in what `nvidia-smi compute-policy --list` prints for one GPU: the word behind `Timeslice`, in a
/// table or behind a colon.
///
/// # Errors
/// Where no line or more than one speaks of a time slice, or the word is no known one.
pub fn time_slice(text: &str) -> Result<Interval, TextError> {
    let error = || TextError::new("the time slice of one GPU", text);
    let mut found = None;
    for line in text.lines() {
        let words = line.split(|letter: char| !letter.is_ascii_alphanumeric());
        let mut words = words.filter(|word| !word.is_empty());
        if !words.any(|word| word.eq_ignore_ascii_case("timeslice")) {
            continue;
        }
        let word = words.next().ok_or_else(error)?;
        let interval = word.to_ascii_lowercase().parse().map_err(|_| error())?;
        if found.replace(interval).is_some() {
            return Err(error());
        }
    }
    found.ok_or_else(error)
}

#[cfg(test)]
mod tests;
