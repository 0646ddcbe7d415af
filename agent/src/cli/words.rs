//! Amounts as people type and read them: spans of time, shares of a CPU, numbers of things, places.

use std::fmt::Display;

use kerf_api::json::Placement;
use kerf_types::ParseError;

const SPANS: [(&str, u64); 4] = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];

/// Reads `90`, `90s`, `1h30m` or `2d`, in seconds.
pub fn seconds(text: &str) -> Result<u64, ParseError> {
    let error = || ParseError::new("a span of time", text, "write it as 30s, 15m, 1h30m or 2d");
    let mut total: u64 = 0;
    let mut rest = text;
    let mut last_scale = u64::MAX;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at(digits);
        let number: u64 = number.parse().map_err(|_| error())?;
        let (scale, after) = if after.is_empty() && last_scale == u64::MAX {
            (1, after)
        } else {
            let unit = SPANS
                .iter()
                .find(|(unit, _)| after.starts_with(unit))
                .ok_or_else(error)?;
            (unit.1, &after[unit.0.len()..])
        };
        // From large to small and each at most once, so that one span has few spellings.
        if scale >= last_scale {
            return Err(error());
        }
        total = number
            .checked_mul(scale)
            .and_then(|more| total.checked_add(more))
            .ok_or_else(error)?;
        (rest, last_scale) = (after, scale);
    }
    if text.is_empty() {
        Err(error())
    } else {
        Ok(total)
    }
}

/// Writes a span of seconds with its two largest units.
pub fn span(seconds: u64) -> String {
    let parts = SPANS.iter().scan(seconds, |rest, (unit, scale)| {
        let count = *rest / scale;
        *rest %= scale;
        Some((count, unit))
    });
    let large = parts.skip_while(|(count, _)| *count == 0).take(2);
    let words: Vec<String> = large
        .enumerate()
        .filter(|(at, (count, _))| *at == 0 || *count > 0)
        .map(|(_, (count, unit))| format!("{count}{unit}"))
        .collect();
    if words.is_empty() {
        "0s".to_owned()
    } else {
        words.join(" ")
    }
}

/// Writes microseconds as a person would.
pub fn micros(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..1_000_000 => format!("{}.{} ms", micros / 1_000, micros % 1_000 / 100),
        _ => format!(
            "{}.{:02} s",
            micros / 1_000_000,
            micros % 1_000_000 / 10_000
        ),
    }
}

/// Reads CPUs as `2`, `0.5` or `500m`, in thousandths.
pub fn cpu_milli(text: &str) -> Result<u64, ParseError> {
    let error = || ParseError::new("a number of CPUs", text, "write it as 2, 0.5 or 500m");
    let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let whole = |part: &str| part.parse::<u64>().map_err(|_| error());
    if let Some(milli) = text.strip_suffix('m') {
        return if plain(milli) {
            whole(milli)
        } else {
            Err(error())
        };
    }
    let (cpus, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if !plain(cpus) || !plain(fraction) || fraction.is_empty() || fraction.len() > 3 {
        return Err(error());
    }
    let milli = whole(&format!("{fraction:0<3}"))?;
    whole(cpus)?
        .checked_mul(1_000)
        .and_then(|cpus| cpus.checked_add(milli))
        .ok_or_else(error)
}

/// `1 slice`, `2 slices`.
pub fn count(number: impl Display, one: &str) -> String {
    let number = number.to_string();
    let end = if number == "1" { "" } else { "s" };
    format!("{number} {one}{end}")
}

/// `0-3,7` for a rising list of numbers.
pub fn ranges(numbers: &[u32]) -> String {
    let mut parts: Vec<(u32, u32)> = Vec::new();
    for number in numbers {
        match parts.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(*number) => *last = *number,
            _ => parts.push((*number, *number)),
        }
    }
    let part = |(first, last): &(u32, u32)| {
        if first == last {
            first.to_string()
        } else {
            format!("{first}-{last}")
        }
    };
    parts.iter().map(part).collect::<Vec<_>>().join(",")
}

/// Words as somebody would type them in a shell.
pub fn shell_line(words: &[String]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    let quoted = |word: &String| {
        if !word.is_empty() && word.chars().all(plain) {
            return word.clone();
        }
        format!("'{}'", word.replace('\'', r"'\''"))
    };
    words.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

/// A slice's place, `4:4`, and for a part of a GPU instance its place in that, `4:4 c0:1`.
pub fn place(placement: Placement, compute: Option<Placement>) -> String {
    let whole = format!("{}:{}", placement.start, placement.size);
    match compute {
        None => whole,
        Some(part) => format!("{whole} c{}:{}", part.start, part.size),
    }
}
