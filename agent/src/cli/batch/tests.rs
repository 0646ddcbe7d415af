//! Lines and their answers, and that no line whatever ends the run.

use std::io::{self, BufReader, Read};

use kerf_types::ProfileName;
use proptest::prelude::*;

use super::lines::{LINE_LIMIT, Line, Lines};
use super::{Batch, answer_all};

/// The answers to some lines, with the times made equal.
fn answers(input: &[u8]) -> Vec<String> {
    let mut batch = Batch::default();
    let mut output = Vec::new();
    answer_all(input, &mut output, |line| batch.answer(line)).expect("a vector takes all");
    let text = String::from_utf8(output).expect("answers are text");
    text.lines().map(without_micros).collect()
}

fn without_micros(line: &str) -> String {
    match line.split_once(",\"micros\":") {
        Some((before, after)) => {
            assert!(after.trim_end_matches('}').parse::<u64>().is_ok(), "{line}");
            before.to_owned()
        }
        None => line.to_owned(),
    }
}

#[track_caller]
fn check(line: &str, expected: &str) {
    assert_eq!(answers(line.as_bytes()), [expected], "{line}");
}

#[test]
fn the_contract_is_kept() {
    check(
        r#"{"id":"7","gpus":[{"grid":"h100-80gb","placed":[{"profile":"3g.40gb","start":4,"weight":1,"pinned":false}]}],"want":{"1g.10gb":2,"3g.40gb":1}}"#,
        r#"{"id":"7","feasible":true,"cost":0,"lower_bound":0,"proof":true,"destroy":[],"create":[{"gpu":0,"profile":"1g.10gb","start":0},{"gpu":0,"profile":"1g.10gb","start":1}],"keep":[{"gpu":0,"profile":"3g.40gb","start":4}]"#,
    );
    check(
        r#"{"id":8,"gpus":[{"grid":"a30-24gb","placed":[]}],"want":{"1g.6gb+me":1,"2g.12gb+me":1}}"#,
        r#"{"id":8,"feasible":false,"reason":"the wanted slices own 2 JPEG engines together, the GPU has 1"}"#,
    );
    check(
        r#"{"id":"9","gpus":[{"grid":"h100-80gb","placed":[{"profile":"3g.40gb","start":0,"weight":5},{"profile":"3g.40gb","start":4,"weight":7}]},{"grid":"a30-24gb","placed":[{"profile":"1g.6gb","start":1}]}],"want":{"4g.40gb":1,"3g.40gb":1,"1g.6gb":4}}"#,
        r#"{"id":"9","feasible":true,"cost":5,"lower_bound":5,"proof":true,"destroy":[{"gpu":0,"profile":"3g.40gb","start":0}],"create":[{"gpu":0,"profile":"4g.40gb","start":0},{"gpu":1,"profile":"1g.6gb","start":0},{"gpu":1,"profile":"1g.6gb","start":2},{"gpu":1,"profile":"1g.6gb","start":3}],"keep":[{"gpu":0,"profile":"3g.40gb","start":4},{"gpu":1,"profile":"1g.6gb","start":1}]"#,
    );
}

#[test]
fn an_inline_grid_names_its_profiles_as_it_likes() {
    let grid = r#"{"units":4,"engines":{"dec":2},"profiles":[{"name":"ein Viertel","size":1,"starts":[0,1,2,3],"max":4,"engines":{"dec":1}},{"name":"half","size":2,"starts":[2,0],"max":2}]}"#;
    check(
        &format!(
            r#"{{"id":"a","gpus":[{{"grid":{grid},"placed":[{{"profile":"half","start":2}}]}}],"want":{{"half":1,"ein Viertel":2}}}}"#
        ),
        r#"{"id":"a","feasible":true,"cost":0,"lower_bound":0,"proof":true,"destroy":[],"create":[{"gpu":0,"profile":"ein Viertel","start":0},{"gpu":0,"profile":"ein Viertel","start":1}],"keep":[{"gpu":0,"profile":"half","start":2}]"#,
    );
    check(
        &format!(r#"{{"id":"b","gpus":[{{"grid":{grid}}}],"want":{{"ein Viertel":3}}}}"#),
        r#"{"id":"b","feasible":false,"reason":"the wanted slices do not fit on GPU 0"}"#,
    );
}

#[test]
fn names_are_spelled_in_any_way() {
    for name in ["1g.10gb", "MIG 1g.10gb", "1g.11gb"] {
        let line = format!(r#"{{"id":"x","gpus":[{{"grid":"h100-80gb"}}],"want":{{"{name}":7}}}}"#);
        let answer = answers(line.as_bytes()).remove(0);
        let ambiguous = name == "1g.11gb";
        assert_eq!(answer.contains("\"feasible\":true"), !ambiguous, "{answer}");
        assert_eq!(answer.contains("could mean"), ambiguous, "{answer}");
    }
    check(
        r#"{"id":"x","gpus":[{"grid":"h100-80gb"}],"want":{"nonsense":1}}"#,
        r#"{"id":"x","feasible":false,"reason":"no GPU given has a profile nonsense"}"#,
    );
}

#[test]
fn every_grid_of_the_contract_is_known() {
    let all = [
        ("a30-24gb", "4g.24gb"),
        ("a100-40gb", "7g.40gb"),
        ("a100-80gb", "7g.80gb"),
        ("h100-80gb", "7g.80gb"),
        ("h100-94gb", "7g.94gb"),
        ("h200-141gb", "7g.141gb"),
        ("b200-180gb", "7g.180gb"),
        ("gb200-186gb", "7g.186gb"),
        ("rtxpro6000-96gb", "4g.96gb"),
    ];
    for (grid, whole) in all {
        check(
            &format!(r#"{{"id":"x","gpus":[{{"grid":"{grid}"}}],"want":{{"{whole}":1}}}}"#),
            &format!(
                r#"{{"id":"x","feasible":true,"cost":0,"lower_bound":0,"proof":true,"destroy":[],"create":[{{"gpu":0,"profile":"{whole}","start":0}}],"keep":[]"#
            ),
        );
    }
}

/// What is said about a line that cannot be answered.
#[track_caller]
fn check_error(line: &str, id: &str, error: &str) {
    let answer = answers(line.as_bytes()).remove(0);
    let text: serde_json::Value = serde_json::from_str(&answer).expect("an answer is JSON");
    assert_eq!(text["id"].to_string(), id, "{line}");
    // Where in the line serde was is no part of the contract.
    let said = text["error"]
        .as_str()
        .and_then(|said| said.split(" at line 1").next());
    assert_eq!(said, Some(error), "{line}");
}

#[test]
fn a_line_that_is_wrong_says_why() {
    check_error("{", "null", "EOF while parsing an object");
    check_error(
        "7",
        "null",
        "invalid type: integer `7`, expected struct Request",
    );
    check_error(r#"{"id":"a"}"#, "\"a\"", "missing field `gpus`");
    check_error(
        r#"{"id":"a","gpus":[],"want":{},"x":1}"#,
        "\"a\"",
        "unknown field `x`, expected one of `id`, `gpus`, `want`",
    );
    check_error(
        r#"{"id":"a","gpus":[],"want":{"b":1,"b":2}}"#,
        "\"a\"",
        "duplicate key `b`",
    );
    check_error(
        r#"{"id":"a","gpus":[],"gpus":[],"want":{}}"#,
        "\"a\"",
        "duplicate field `gpus`",
    );
    check_error(
        r#"{"id":"a","gpus":[],"want":{"b":-1}}"#,
        "\"a\"",
        "invalid value: integer `-1`, expected u32",
    );
    check_error(
        r#"{"id":[],"gpus":[],"want":{}}"#,
        "null",
        "data did not match any variant of untagged enum Id",
    );
}

/// A line that asks for nothing of one GPU.
fn one(gpu: &str) -> String {
    format!(r#"{{"id":1,"gpus":[{gpu}],"want":{{}}}}"#)
}

#[test]
fn a_state_that_cannot_be_says_why() {
    check_error(
        &one(r#"{"grid":"h1000"}"#),
        "1",
        "the grid of GPU 0 is not right: no grid is called \"h1000\"; known: a30-24gb, a100-40gb, a100-80gb, h100-80gb, h100-94gb, h200-141gb, b200-180gb, gb200-186gb, rtxpro6000-96gb",
    );
    let placed = |placed: &str| one(&format!(r#"{{"grid":"h100-80gb","placed":[{placed}]}}"#));
    let cases = [
        (
            r#"{"profile":"9g.1gb","start":0}"#,
            "no profile is called \"9g.1gb\"",
        ),
        (
            r#"{"profile":"3g.40gb","start":3}"#,
            "3g.40gb may not lie at 3",
        ),
        (
            r#"{"profile":"3g.40gb","start":0},{"profile":"1g.10gb","start":2}"#,
            "1g.10gb at 2 lies over 3g.40gb at 0",
        ),
        (
            r#"{"profile":"1g.10gb+me","start":0},{"profile":"1g.10gb+me","start":1}"#,
            "2 of 1g.10gb+me are placed, at most 1 can be",
        ),
    ];
    for (state, error) in cases {
        check_error(
            &placed(state),
            "1",
            &format!("what is placed on GPU 0 is not right: {error}"),
        );
    }
    let both = r#"{"grid":"a30-24gb","placed":[{"profile":"1g.6gb+me","start":0},{"profile":"2g.12gb+me","start":2}]}"#;
    check_error(
        &one(both),
        "1",
        "what is placed on GPU 0 is not right: what is placed owns 2 JPEG engines, the GPU has 1",
    );
}

#[test]
fn a_grid_that_cannot_be_says_why() {
    let grids = [
        (
            r#""units":65,"profiles":[]"#,
            "a grid has 1 to 64 units, not 65",
        ),
        (
            r#""units":8,"profiles":[]"#,
            "the driver names no MIG profile that has a legal place",
        ),
        (
            r#""units":8,"profiles":[{"name":"","size":1,"starts":[0],"max":1}]"#,
            "a profile has no name",
        ),
        (
            r#""units":8,"profiles":[{"name":"a","size":4,"starts":[5],"max":1}]"#,
            "profile \"a\" cannot lie at 5 with size 4 in a grid of 8 units",
        ),
        (
            r#""units":8,"profiles":[{"name":"a","size":0,"starts":[5],"max":1}]"#,
            "profile \"a\" cannot lie at 5 with size 0 in a grid of 8 units",
        ),
        (
            r#""units":8,"profiles":[{"name":"a","size":1,"starts":[],"max":1}]"#,
            "profile \"a\" has no start",
        ),
        (
            r#""units":8,"profiles":[{"name":"a","size":1,"starts":[0],"max":1},{"name":"a","size":1,"starts":[0],"max":1}]"#,
            "two profiles are called \"a\"",
        ),
    ];
    for (grid, error) in grids {
        check_error(
            &one(&format!(r#"{{"grid":{{{grid}}}}}"#)),
            "1",
            &format!("the grid of GPU 0 is not right: {error}"),
        );
    }
    let many = vec![r#"{"grid":"a30-24gb"}"#; 17].join(",");
    check_error(
        &one(&many),
        "1",
        "17 GPUs are given, a plan is for at most 16",
    );
}

#[test]
fn the_run_goes_on_after_a_line_that_is_wrong() {
    let good = r#"{"id":"x","gpus":[],"want":{}}"#;
    let long = "x".repeat(LINE_LIMIT + 1);
    let text = format!("\n{good}\n  \n{{\n{long}\n\u{fffd}\n{good}");
    let answers = answers(text.as_bytes());
    let has_error: Vec<bool> = answers
        .iter()
        .map(|line| line.contains("\"error\""))
        .collect();
    assert_eq!(has_error, [false, true, true, true, false]);
    assert_eq!(
        answers[2],
        format!(r#"{{"id":null,"error":"the line is longer than {LINE_LIMIT} bytes"}}"#)
    );
}

/// A reader that gives a line only when the answer to the one before has been written.
struct Dialogue<'a> {
    left: Vec<&'a str>,
    written: &'a std::cell::RefCell<Vec<u8>>,
    given: usize,
}

impl Read for Dialogue<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let answered = self
            .written
            .borrow()
            .iter()
            .filter(|byte| **byte == b'\n')
            .count();
        assert_eq!(answered, self.given, "every line so far is answered");
        let Some(line) = self.left.pop() else {
            return Ok(0);
        };
        self.given += 1;
        buffer[..line.len()].copy_from_slice(line.as_bytes());
        Ok(line.len())
    }
}

struct Shared<'a>(&'a std::cell::RefCell<Vec<u8>>);

impl io::Write for Shared<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn an_answer_does_not_wait_for_the_next_question() {
    let written = std::cell::RefCell::default();
    let line = "{\"id\":1,\"gpus\":[],\"want\":{}}\n";
    let input = Dialogue {
        left: vec![line; 3],
        written: &written,
        given: 0,
    };
    let mut batch = Batch::default();
    answer_all(input, &mut Shared(&written), |line| batch.answer(line)).expect("all is written");
    assert_eq!(
        written
            .borrow()
            .iter()
            .filter(|byte| **byte == b'\n')
            .count(),
        3
    );
}

#[test]
fn lines_are_whole_however_they_come() {
    let text = b"ab\n\ncde\nf";
    for size in 1..12 {
        let mut lines = Lines::new(BufReader::with_capacity(size, text.as_slice()));
        let mut seen = Vec::new();
        while let Some(line) = lines.next().expect("a slice reads") {
            match line {
                Line::Whole(text) => seen.push(String::from_utf8(text.clone()).expect("text")),
                Line::TooLong => panic!("no line is long"),
            }
        }
        assert_eq!(seen, ["ab", "", "cde", "f"]);
    }
}

const GOOD: &str = r#"{"id":"7","gpus":[{"grid":{"units":4,"engines":{"dec":2,"ofa":1},"profiles":[{"name":"1g.6gb","size":1,"starts":[0,1,2,3],"max":4,"engines":{"dec":1}},{"name":"b","size":2,"starts":[0,2],"max":2}]},"placed":[{"profile":"b","start":2,"weight":3,"pinned":true}]},{"grid":"a30-24gb","placed":[{"profile":"2g.12gb","start":0}]}],"want":{"1g.6gb":3,"b":1,"2g.12gb":1}}"#;

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bytes_of_any_kind_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
        prop_assert_eq!(answers(&bytes).len(), lines.count());
    }

    #[test]
    fn a_question_with_wrong_bytes_is_answered(
        changes in prop::collection::vec((0..GOOD.len(), any::<u8>()), 1..4),
        cut in 0..GOOD.len(),
    ) {
        let mut bytes = GOOD.as_bytes().to_vec();
        for (at, byte) in changes {
            bytes[at] = if byte == b'\n' { b' ' } else { byte };
        }
        for text in [&bytes[..], &bytes[..cut], &bytes[cut..]] {
            let answers = answers(text);
            prop_assert_eq!(answers.len(), usize::from(!text.trim_ascii().is_empty()));
        }
    }

    #[test]
    fn a_question_with_wrong_numbers_is_answered(at in 0..20_usize, number in any::<i64>()) {
        let mut parts: Vec<String> = Vec::new();
        for byte in GOOD.chars() {
            match parts.last_mut() {
                Some(last) if last.ends_with(|one: char| one.is_ascii_digit()) == byte.is_ascii_digit() => last.push(byte),
                _ => parts.push(byte.to_string()),
            }
        }
        let numbers: Vec<usize> = (0..parts.len()).filter(|at| parts[*at].starts_with(|one: char| one.is_ascii_digit())).collect();
        let small = number.rem_euclid(90).to_string();
        for number in [number.to_string(), small] {
            let mut changed = parts.clone();
            changed[numbers[at % numbers.len()]] = number;
            prop_assert_eq!(answers(changed.concat().as_bytes()).len(), 1);
        }
    }

    #[test]
    fn a_profile_name_reads_as_it_is_written_or_not_at_all(text in "(MIG )?([0-9]{1,3}c\\.)?[0-9]{1,3}g\\.[0-9]{1,6}gb([+-](me|gfx|me\\.all|x))?|\\PC{0,12}") {
        if let Ok(name) = text.parse::<ProfileName>() {
            prop_assert_eq!(name.to_string().parse::<ProfileName>(), Ok(name));
        }
    }
}
