//! Makes equal what differs from run to run: ids, times, folders. What is called by one id keeps one name.

use std::collections::BTreeMap;

use kerf_tests::tree;

/// The names given so far.
#[derive(Debug)]
pub struct Normal {
    replaced: Vec<(String, String)>,
    ids: BTreeMap<String, usize>,
}

/// Length of a UUID's text.
const UUID: usize = 36;

/// Where the metrics of tests are served.
const LOOPBACK: &str = "127.0.0.1:";

/// Length of a time's text: `2026-11-24T12:00:00.000Z`.
const TIME: usize = 24;

impl Normal {
    /// Replaces values by their names: the longest first, since folders lie in each other. The build folder is
    /// called `BIN`.
    pub fn new(names: &BTreeMap<String, String>) -> Self {
        let mut replaced: Vec<(String, String)> = names
            .iter()
            .map(|(name, value)| (value.clone(), name.clone()))
            .collect();
        replaced.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
        let built = tree::profile_dir().expect("the build folder is known");
        replaced.insert(0, (built.display().to_string(), "BIN".to_owned()));
        Self {
            replaced,
            ids: BTreeMap::new(),
        }
    }

    /// The text with names instead of values.
    pub fn text(&mut self, text: &str) -> String {
        let mut text = text.to_owned();
        for (value, name) in &self.replaced {
            text = text.replace(value, name);
        }
        text.lines().map(|line| self.line(line) + "\n").collect()
    }

    /// Widths of columns follow from what is replaced, so runs of spaces become two; how columns stand is tested
    /// where they are drawn.
    fn line(&mut self, line: &str) -> String {
        let text = line.trim_start();
        let mut done = line
            .get(..line.len() - text.len())
            .unwrap_or_default()
            .to_owned();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let is_start = !done.ends_with(|last: char| last.is_ascii_alphanumeric());
            if let Some(id) = rest.get(..UUID).filter(|text| is_start && is_uuid(text)) {
                done.push_str(&self.id(id));
                rest = rest.get(UUID..).unwrap_or_default();
            } else if rest.get(..TIME).is_some_and(is_time) {
                done.push_str("TIME");
                rest = rest.get(TIME..).unwrap_or_default();
            } else if let Some(length) = span(&done, rest).filter(|_| is_start) {
                done.push_str("TIME");
                rest = rest.get(length..).unwrap_or_default();
            } else if let Some(port) = rest.strip_prefix(LOOPBACK).and_then(port) {
                done.push_str("ADDRESS");
                rest = rest.get(LOOPBACK.len() + port..).unwrap_or_default();
            } else if rest.starts_with("   ") {
                rest = rest.get(1..).unwrap_or_default();
            } else {
                done.push(first);
                rest = rest.get(first.len_utf8()..).unwrap_or_default();
            }
        }
        done
    }

    fn id(&mut self, uuid: &str) -> String {
        let next = self.ids.len() + 1;
        let number = self.ids.entry(uuid.to_owned()).or_insert(next);
        format!("<{number}>")
    }
}

/// Length of a port that the system chose.
fn port(rest: &str) -> Option<usize> {
    let digits = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    (digits >= 4).then_some(digits)
}

fn is_uuid(text: &str) -> bool {
    text.bytes().enumerate().all(|(at, byte)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    })
}

fn is_time(text: &str) -> bool {
    text.bytes()
        .zip(b"0000-00-00T00:00:00.000Z")
        .all(|(byte, shape)| match shape {
            b'0' => byte.is_ascii_digit(),
            other => byte == *other,
        })
}

/// Length of a span of time: `35.2 ms`, `1.08 s`, `2m 36s` after `up `, or the number after `duration_us`.
fn span(before: &str, rest: &str) -> Option<usize> {
    if before.ends_with("\"duration_us\": ") {
        return Some(rest.len());
    }
    if before.ends_with("up ") {
        return rest
            .starts_with(|first: char| first.is_ascii_digit())
            .then(|| rest.find([',', '\n']).unwrap_or(rest.len()));
    }
    let digits = rest
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(rest.len());
    let unit = rest.get(digits..)?;
    let unit = [" ms", " µs", " s"].into_iter().find(|known| {
        let after = unit.strip_prefix(known);
        after.is_some_and(|after| !after.starts_with(|next: char| next.is_alphanumeric()))
    })?;
    (digits > 0).then_some(digits + unit.len())
}

#[test]
fn what_differs_is_made_equal() {
    let names = BTreeMap::from([
        ("DIR".to_owned(), "/tmp/x".to_owned()),
        ("SIM".to_owned(), "/tmp/x/k/state/sim".to_owned()),
    ]);
    let mut normal = Normal::new(&names);
    let seen = "GPU-84596284-f72d-414b-b5b6-bf5e48d82489 at 2026-11-23T23:37:50.212Z in /tmp/x/k/state/sim/a\n\
                84596284-f72d-414b-b5b6-bf5e48d82489 b59303f5-13bb-4668-a931-c3a259558d63 /tmp/x 35.2 ms\n\
                up 2m 36s, in 1.08 s; 4 slices 7 µs\n  \"duration_us\": 12\n  a     b 127.0.0.1:45678/x 127.0.0.1:0\n";
    let expected = "GPU-<1> at TIME in SIM/a\n<1> <2> DIR TIME\nup TIME, in TIME; 4 slices TIME\n  \
                    \"duration_us\": TIME\n  a  b ADDRESS/x 127.0.0.1:0\n";
    assert_eq!(normal.text(seen), expected);
}
