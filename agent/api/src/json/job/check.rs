//! What the texts and numbers of a job's description may be. The limits keep a description that is accepted on
//! one host from failing on another.

use kerf_types::ParseError;

use crate::convert::{ConvertError, Fault, number_error};

/// Most members of a job: more GPUs than the largest fleet that kerf is made for gives one job.
pub const MEMBER_LIMIT: u32 = 4_096;
/// Most entries of each list and map.
pub const LIST_LIMIT: usize = 4_096;
/// Longest argument or value of a variable in bytes, without its NUL: Linux takes 128 KiB with it
/// (`MAX_ARG_STRLEN`).
pub const ARGUMENT_LIMIT: usize = (128 << 10) - 1;
/// Longest path in bytes, without its NUL (`PATH_MAX`).
pub const PATH_LIMIT: usize = 4_095;
/// Longest name of an image, a variable or a data set in bytes.
pub const STRING_LIMIT: usize = 512;
/// Longest name of a job in bytes.
pub const JOB_NAME_LIMIT: usize = 128;
/// Longest time for a last checkpoint: a week. A host that drains waits that long.
pub const GRACE_LIMIT_SECONDS: u64 = 7 * 24 * 3_600;
/// Largest number that every JSON reader keeps exactly, 2^53 - 1 (RFC 8259, section 6).
pub const NUMBER_LIMIT: u64 = (1 << 53) - 1;

/// Longest name, and longest part of a label after its prefix, as in Kubernetes.
const WORD_LIMIT: usize = 63;
/// Longest prefix of a label key: the longest DNS name.
const PREFIX_LIMIT: usize = 253;

/// The result of a check.
pub(super) type Checked = Result<(), ConvertError>;

fn wrong(field: &str, what: &'static str, found: &str, hint: &'static str) -> ConvertError {
    ConvertError::new(field, Fault::Text(ParseError::new(what, found, hint)))
}

/// At most `limit` bytes, and none of them NUL: a text that a process or a path is made of.
pub(super) fn bytes(field: &str, text: &str, limit: usize) -> Checked {
    if text.len() > limit {
        return Err(ConvertError::new(
            field,
            Fault::TooLong {
                bytes: text.len(),
                limit,
            },
        ));
    }
    if text.contains('\0') {
        return Err(wrong(field, "a text", text, "it must not contain NUL"));
    }
    Ok(())
}

/// A line for people: no control characters.
pub(super) fn line(field: &str, text: &str, limit: usize) -> Checked {
    bytes(field, text, limit)?;
    if text.chars().any(char::is_control) {
        return Err(wrong(
            field,
            "a line of text",
            text,
            "it must not contain control characters",
        ));
    }
    Ok(())
}

/// The name of an image or a data set: a line, not empty, without white space.
pub(super) fn reference(field: &str, what: &'static str, text: &str) -> Checked {
    line(field, text, STRING_LIMIT)?;
    if text.is_empty() || text.contains(char::is_whitespace) {
        return Err(wrong(
            field,
            what,
            text,
            "not empty and without white space",
        ));
    }
    Ok(())
}

/// The name of an environment variable.
pub(super) fn variable(text: &str) -> Checked {
    bytes("env", text, STRING_LIMIT)?;
    if text.is_empty() || text.contains('=') {
        return Err(wrong(
            "env",
            "the name of a variable",
            text,
            "not empty and without =",
        ));
    }
    Ok(())
}

/// An absolute path with one spelling.
pub(super) fn path(field: &str, text: &str) -> Checked {
    bytes(field, text, PATH_LIMIT)?;
    let parts = text.strip_prefix('/').map(|rest| rest.split('/'));
    let is_part = |part: &str| !matches!(part, "" | "." | "..");
    if text != "/" && !parts.is_some_and(|mut parts| parts.all(is_part)) {
        let hint = "it begins with / and has no empty part, no . and no ..";
        return Err(wrong(field, "an absolute path", text, hint));
    }
    Ok(())
}

/// A name: of a tenant, of a volume.
pub(super) fn word(field: &str, what: &'static str, text: &str) -> Checked {
    if !is_word(text) {
        let hint = "letters, digits and _.- in between, at most 63 characters";
        return Err(wrong(field, what, text, hint));
    }
    Ok(())
}

/// The value of a label, which may be empty.
pub(super) fn label_value(field: &str, text: &str) -> Checked {
    if text.is_empty() {
        Ok(())
    } else {
        word(field, "the value of a label", text)
    }
}

/// The key of a label: a word, with a DNS name and a slash before it where it is not one's own.
pub(super) fn label_key(field: &str, text: &str) -> Checked {
    let (prefix, name) = match text.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, text),
    };
    if !is_word(name) || !prefix.is_none_or(is_dns_name) {
        let hint = "a word of at most 63 characters, maybe with a DNS name and / before it";
        return Err(wrong(field, "the key of a label", text, hint));
    }
    Ok(())
}

fn is_word(text: &str) -> bool {
    let is_end = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    bytes.len() <= WORD_LIMIT
        && is_end(bytes.first())
        && is_end(bytes.last())
        && bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

fn is_dns_name(text: &str) -> bool {
    let is_label = |part: &str| is_word(part) && !part.contains('_');
    text.len() <= PREFIX_LIMIT
        && !text.bytes().any(|byte| byte.is_ascii_uppercase())
        && text.split('.').all(is_label)
}

/// A number from 1 to what JSON keeps exactly.
pub(super) fn positive(field: &str, number: Option<u64>) -> Checked {
    match number {
        Some(wrong) if !(1..=NUMBER_LIMIT).contains(&wrong) => Err(number_error(
            field,
            wrong,
            "a number from 1 to 9007199254740991",
        )),
        _ => Ok(()),
    }
}
