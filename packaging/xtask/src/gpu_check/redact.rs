//! Leaves out of a recording what names this one machine or its users. Pure.
//!
//! A value is replaced by a numbered placeholder of its own shape, the same one wherever it stands, so
//! that the files of a recording still agree with each other.

use std::collections::BTreeMap;

use serde_json::Value;

use super::parse::Said;

/// Keys of `-q` that hold a hardware serial or another number given to one board alone.
const SERIAL_KEYS: [&str; 4] = [
    "Serial Number",
    "Chassis Serial Number",
    "GPU PDI",
    "GPU Fabric GUID",
];
/// Keys of `-q` that tell of the host and of who works on it.
const PRIVATE_KEYS: [&str; 2] = ["Hostname", "Name"];
/// Length of a UUID in text.
const UUID_LENGTH: usize = 36;

/// What has been replaced so far.
#[derive(Debug, Default)]
pub struct Redactor {
    with_serials: bool,
    placeholders: BTreeMap<String, String>,
}

impl Redactor {
    /// One that keeps serial numbers and UUIDs where that is wanted. Host and process names always go.
    pub fn new(with_serials: bool) -> Self {
        Self {
            with_serials,
            placeholders: BTreeMap::new(),
        }
    }

    /// A text of nvidia-smi: lines of `key : value`, and UUIDs wherever they stand.
    pub fn text(&mut self, text: &str) -> String {
        let lines: Vec<String> = text.lines().map(|line| self.line(line)).collect();
        let end = if text.ends_with('\n') { "\n" } else { "" };
        lines.join("\n") + end
    }

    /// The answer to a query, whose columns are known by name.
    pub fn query(&mut self, text: &str, fields: &[&str]) -> String {
        let lines: Vec<String> = text
            .lines()
            .map(|line| {
                let cells = line.split(", ").zip(fields);
                let cells: Vec<String> = cells
                    .map(|(cell, field)| match *field {
                        "serial" if !self.with_serials => self.value(cell),
                        _ => self.uuids(cell),
                    })
                    .collect();
                cells.join(", ")
            })
            .collect();
        let end = if text.ends_with('\n') { "\n" } else { "" };
        lines.join("\n") + end
    }

    /// A document of kerf.
    pub fn document(&mut self, document: &Value) -> Value {
        match document {
            Value::Object(fields) => {
                let fields = fields.iter().map(|(key, value)| {
                    let value = match (key.as_str(), value) {
                        ("host", Value::String(_)) => Value::from("host"),
                        ("serial", Value::String(serial)) if !self.with_serials => {
                            Value::from(self.value(serial))
                        }
                        _ => self.document(value),
                    };
                    (key.clone(), value)
                });
                Value::Object(fields.collect())
            }
            Value::Array(values) => values.iter().map(|value| self.document(value)).collect(),
            Value::String(text) => Value::from(self.uuids(text)),
            other => other.clone(),
        }
    }

    fn line(&mut self, line: &str) -> String {
        let Some((key, value)) = line.split_once(" : ") else {
            return self.uuids(line);
        };
        let name = key.trim();
        let is_private = PRIVATE_KEYS.contains(&name);
        if is_private || (SERIAL_KEYS.contains(&name) && !self.with_serials) {
            return format!("{key} : {}", self.value(value));
        }
        self.uuids(line)
    }

    /// The placeholder of a value; a value that is not there stays as it is written.
    fn value(&mut self, value: &str) -> String {
        if !matches!(Said::new(value), Said::Value(_)) {
            return value.to_owned();
        }
        let number = self.placeholders.len() + 1;
        let new = || {
            let hex = value.strip_prefix("0x");
            let digits = hex.unwrap_or(value);
            let width = digits.chars().count();
            let prefix = if hex.is_some() { "0x" } else { "" };
            if digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                format!("{prefix}{number:0width$}")
            } else {
                format!("redacted-{number}")
            }
        };
        let known = self.placeholders.entry(value.to_owned());
        known.or_insert_with(new).clone()
    }

    /// The text with a placeholder for each UUID, but for the one of zeros that stands for none.
    fn uuids(&mut self, text: &str) -> String {
        if self.with_serials {
            return text.to_owned();
        }
        let mut rest = text;
        let mut out = String::new();
        while let Some(first) = rest.chars().next() {
            let word = rest.get(..UUID_LENGTH).filter(|word| is_uuid(word));
            match word {
                Some(uuid) => {
                    out.push_str(&self.uuid(uuid));
                    rest = rest.get(UUID_LENGTH..).unwrap_or_default();
                }
                None => {
                    out.push(first);
                    rest = rest.get(first.len_utf8()..).unwrap_or_default();
                }
            }
        }
        out
    }

    fn uuid(&mut self, uuid: &str) -> String {
        if uuid.bytes().all(|byte| matches!(byte, b'0' | b'-')) {
            return uuid.to_owned();
        }
        let number = self.placeholders.len() + 1;
        let new = || format!("00000000-0000-0000-0000-{number:012}");
        let known = self.placeholders.entry(uuid.to_ascii_lowercase());
        known.or_insert_with(new).clone()
    }
}

/// Eight, four, four, four and twelve hex digits.
fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    let is_hex = |group: &&str| group.bytes().all(|byte| byte.is_ascii_hexdigit());
    lengths == [8, 4, 4, 4, 12] && groups.iter().all(is_hex)
}

#[cfg(test)]
mod tests;
