//! What is wrong with an ask that does not read: which term, why, and what may have been meant.
//!
//! Owns words about asks, and reads nothing that the parser does not: it is only asked about what that has refused.

use std::collections::BTreeSet;

use super::{COUNT_LIMIT, Feature, GpuRef, IMEX, NicWithin, Same, VgpuKind, parse_count};
use crate::{Bytes, DeviceKind, ParseError, ProfileName, SharingMode};

/// Words that are terms by themselves or begin one, each with the question that it may have been.
const WORDS: [(&str, &str); 21] = [
    ("gpu", "did you mean gpu, or gpu:2 for several?"),
    ("memory", "did you mean memory>=20GiB?"),
    ("bf16", "did you mean bf16?"),
    ("fp8", "did you mean fp8?"),
    ("fp4", "did you mean fp4?"),
    (
        "nvlink",
        "did you mean nvlink:4, for four GPUs joined by NVLink?",
    ),
    (
        "include",
        "did you mean include=0, for the GPU of that index?",
    ),
    ("avoid", "did you mean avoid=0, for the GPU of that index?"),
    ("same", "did you mean same=numa or same=switch?"),
    ("nic", "did you mean nic=pix, nic=pxb, nic=phb or nic=node?"),
    ("mps", "did you mean mps, for a share, as in gpu,mps?"),
    (
        "time-slice",
        "did you mean time-slice, for a share, as in gpu,time-slice?",
    ),
    (
        "imex",
        "did you mean imex, for a channel, as in gpu:4,imex?",
    ),
    ("amd-gpu", "did you mean amd-gpu, or amd-gpu:2 for several?"),
    (
        "amd-partition",
        "did you mean amd-partition, or amd-partition:2 for several?",
    ),
    (
        "intel-gpu",
        "did you mean intel-gpu, or intel-gpu:2 for several?",
    ),
    ("gaudi", "did you mean gaudi, or gaudi:8 for several?"),
    ("neuron", "did you mean neuron, or neuron:4 for several?"),
    ("tpu", "did you mean tpu, or tpu:4 for several?"),
    ("vgpu", "did you mean vgpu, or vgpu:2 for several?"),
    ("type", "did you mean type=L40S-4Q, for vGPUs of that type?"),
];

/// Longest word that is compared with the known ones; what is longer is none of them mistyped.
const LONGEST: usize = 24;

/// What is wrong with the first term at fault; `None` where each is right by itself and nothing is known of the whole.
pub(super) fn of(text: &str) -> Option<ParseError> {
    if text.is_empty() {
        let hint = "write what is wanted: 1g.10gb, gpu:2 or memory>=20GiB,fp8";
        return Some(ParseError::new("an accelerator ask", text, hint));
    }
    let terms = || text.split(',');
    if let Some(error) = terms().find_map(term) {
        return Some(error);
    }
    let mut seen = BTreeSet::new();
    if let Some(twice) = terms().find(|term| !seen.insert(*term)) {
        let hint = "take one of the two away; more of a kind is gpu:2 or 1g.10gb:2";
        return Some(ParseError::new("each term once", twice, hint));
    }
    let binds = |term: &&str| {
        ["include=", "avoid=", "same=", "nic=", "type="]
            .iter()
            .any(|head| term.starts_with(head))
    };
    let is_device = |term: &str| DeviceKind::from_ask(head_of(term)).is_some();
    let is_whole =
        |term: &str| term.starts_with("gpu") || term.starts_with("nvlink:") || is_device(term);
    let (bound, shared) = (
        terms().find(binds),
        terms().any(|term| term.parse::<SharingMode>().is_ok()),
    );
    let is_vgpu = |term: &str| head_of(term) == DeviceKind::Vgpu.as_str();
    if let Some(kind) = terms().find(|term| term.starts_with("type="))
        && !terms().any(is_vgpu)
    {
        let hint = "only vGPUs have types: write vgpu,type=L40S-4Q";
        return Some(ParseError::new("an ask for vGPUs beside it", kind, hint));
    }
    let bound = bound.filter(|_| shared || !terms().any(is_whole))?;
    let hint = "it goes with whole GPUs of one's own: write gpu:4,same=numa";
    Some(ParseError::new(
        "an ask for whole GPUs beside it",
        bound,
        hint,
    ))
}

/// What is wrong with a term by itself.
fn term(term: &str) -> Option<ParseError> {
    let wrong = |what, hint| Some(ParseError::new(what, term, hint));
    if term.is_empty() {
        return wrong(
            "a term between commas",
            "take the comma away, or write what belongs there: gpu,mps",
        );
    }
    if term.contains(char::is_whitespace) {
        return wrong(
            "an ask without spaces",
            "write it in one word: gpu:4,same=numa",
        );
    }
    let (head, value) = term.split_at(head_of(term).len());
    match (head, value) {
        ("gpu", "") => None,
        (kind, count) if DeviceKind::from_ask(kind).is_some() => match count.strip_prefix(':') {
            Some(count) => wrong_count(term, count),
            None if count.is_empty() => None,
            None => wrong(
                "a number of devices after a colon",
                "write amd-gpu:2 for two",
            ),
        },
        ("gpu" | "nvlink", _) => match value.strip_prefix(':') {
            Some(count) => wrong_count(term, count),
            None if head == "gpu" && value.starts_with('=') => wrong(
                "a number of GPUs after a colon",
                "write gpu:2 for two; gpu=NAME stands alone and names one",
            ),
            None => wrong("a number of GPUs after a colon", "write gpu:2 or nvlink:4"),
        },
        ("memory", _) => match value.strip_prefix(">=").map(str::parse::<Bytes>) {
            Some(Ok(_)) => None,
            Some(Err(_)) => wrong(
                "an amount of memory",
                "write it with its unit: memory>=20GiB",
            ),
            None => wrong(
                "the least memory",
                "write memory>=20GiB: at least so much is all that can be asked",
            ),
        },
        ("include" | "avoid", _) => value.strip_prefix('=')?.parse::<GpuRef>().err(),
        ("same", _) => value.strip_prefix('=')?.parse::<Same>().err(),
        ("nic", _) => value.strip_prefix('=')?.parse::<NicWithin>().err(),
        ("type", _) => value.strip_prefix('=')?.parse::<VgpuKind>().err(),
        _ if term.starts_with(|first: char| first.is_ascii_digit()) => slices(term),
        _ => word(term),
    }
}

/// The word that a term begins with.
fn head_of(term: &str) -> &str {
    term.split(['=', ':', '>', '<']).next().unwrap_or(term)
}

fn wrong_count(term: &str, count: &str) -> Option<ParseError> {
    if parse_count(count).is_some() {
        return None;
    }
    const { assert!(COUNT_LIMIT == 112, "the text says so") };
    let hint = "write gpu:2, nvlink:4 or 1g.10gb:2: no host has more than 112";
    Some(ParseError::new(
        "a number from 1 to 112 after the colon",
        term,
        hint,
    ))
}

/// `1g.10gb:2`
fn slices(term: &str) -> Option<ParseError> {
    let (name, count) = term.split_once(':').unwrap_or((term, "1"));
    let profile = name.parse::<ProfileName>();
    if profile.is_err() && name.to_ascii_lowercase().parse::<ProfileName>().is_ok() {
        let hint = "write it in small letters: 1g.10gb";
        return Some(ParseError::new("a MIG profile", term, hint));
    }
    profile.err().or_else(|| wrong_count(term, count))
}

/// A word that is none: what it may have been, where one is near.
fn word(term: &str) -> Option<ParseError> {
    let is_feature = Feature::ALL.iter().any(|(known, _, _)| *known == term);
    if is_feature || term == IMEX || term.parse::<SharingMode>().is_ok() || term.len() > LONGEST {
        return None;
    }
    let head = head_of(term).to_ascii_lowercase();
    let near = WORDS
        .iter()
        .map(|(known, hint)| (distance(&head, known), known.len(), hint));
    // A short word is near to everything: one slip in three letters, two in more.
    let near = near.filter(|(distance, length, _)| *distance <= if *length > 3 { 2 } else { 1 });
    let (_, _, hint) = near.min_by_key(|(distance, _, _)| *distance)?;
    Some(ParseError::new("a word of an ask", term, hint))
}

/// How many letters differ, are too many, too few or swapped with the next (Damerau's distance, optimal alignment).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut previous = None;
    for (row, letter) in a.chars().enumerate() {
        let mut line = vec![row.saturating_add(1)];
        for (at, other) in b.iter().enumerate() {
            let get = |line: &[usize], at: usize| line.get(at).copied().unwrap_or(usize::MAX);
            let kept = get(&last, at).saturating_add(usize::from(letter != *other));
            let gone = get(&last, at.saturating_add(1)).saturating_add(1);
            let come = get(&line, at).saturating_add(1);
            let other_before = at.checked_sub(1).and_then(|at| b.get(at));
            let is_swapped = other_before == Some(&letter) && previous == Some(*other);
            let swapped = match at.checked_sub(1) {
                Some(at) if is_swapped => get(&before, at).saturating_add(1),
                _ => usize::MAX,
            };
            line.push(kept.min(gone).min(come).min(swapped));
        }
        previous = Some(letter);
        before = std::mem::replace(&mut last, line);
    }
    last.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
