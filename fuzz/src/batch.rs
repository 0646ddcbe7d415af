//! Lines of `kerf plan --batch`: each is answered, and a plan does exactly what its line wants.
//!
//! The planner's own checker has passed every plan before it is printed. Here the printed line is compared with the
//! line that was asked, as somebody else's program would.

use std::collections::BTreeMap;

use kerf_agent::cli::batch::{Tally, answers};
use kerf_types::ProfileName;
use serde_json::Value;

/// Bytes of all lines together, and of one GPU's: the planner may think for long about a large host.
const LIMIT: usize = 4_096;

/// Lines of any kind.
pub fn batch_lines(bytes: &[u8]) {
    let bytes = bytes.get(..LIMIT).unwrap_or(bytes);
    let lines: Vec<&[u8]> = bytes
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.trim_ascii().is_empty())
        .collect();
    let (tally, text) = answered(bytes);
    let answers: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("an answer is JSON"))
        .collect();
    assert_eq!((tally.lines, answers.len()), (lines.len(), lines.len()));
    let errors = answers
        .iter()
        .filter(|answer| answer.get("error").is_some());
    assert_eq!(tally.errors, errors.count());
    for (line, answer) in lines.iter().zip(&answers) {
        is_answer(line, answer);
        // Nothing is remembered that changes an answer.
        let (_, alone) = answered(line);
        assert_eq!(without_time(&alone), without_time(&answer.to_string()));
    }
}

fn answered(input: &[u8]) -> (Tally, String) {
    let mut output = Vec::new();
    let tally = answers(input, &mut output).unwrap_or_else(|_| panic!("a vector takes all"));
    (tally, String::from_utf8(output).expect("answers are text"))
}

fn without_time(answer: &str) -> Value {
    let mut answer: Value = serde_json::from_str(answer).expect("JSON");
    if let Some(fields) = answer.as_object_mut() {
        fields.remove("micros");
    }
    answer
}

fn is_answer(line: &[u8], answer: &Value) {
    if let Some(error) = answer.get("error") {
        let error = error.as_str().expect("words");
        assert!(
            !error.is_empty() && !error.starts_with("the plan for GPU"),
            "{error}"
        );
        return;
    }
    let asked: Value = serde_json::from_slice(line).expect("only JSON has an answer");
    assert_eq!(answer["id"], asked["id"]);
    if answer["feasible"] == Value::Bool(false) {
        assert!(
            answer["reason"]
                .as_str()
                .is_some_and(|reason| !reason.is_empty())
        );
        return;
    }
    does_what_is_wanted(&asked, answer);
}

/// A slice: its GPU, its profile's name and where it starts.
type Slice = (usize, String, u64);

fn does_what_is_wanted(asked: &Value, answer: &Value) {
    let mut placed = placed(asked);
    let mut there: BTreeMap<String, u64> = BTreeMap::new();
    let (destroy, keep, create) = (
        slices(answer, "destroy"),
        slices(answer, "keep"),
        slices(answer, "create"),
    );
    let mut cost: u64 = 0;
    for slice in destroy.iter().chain(&keep) {
        let at = (slice.0, slice.2);
        let (profile, weight, pinned) = placed.remove(&at).expect("what goes or stays was there");
        assert_eq!(spelled(&profile), slice.1, "{slice:?}");
        if destroy.contains(slice) {
            assert!(!pinned, "{slice:?} is pinned");
            cost = cost.saturating_add(weight);
        }
    }
    assert!(placed.is_empty(), "{placed:?} neither goes nor stays");
    let said = |key: &str| answer[key].as_u64().expect("a number");
    assert_eq!(said("cost"), cost, "the sum of the weights");
    assert!(said("lower_bound") <= cost);
    let is_proved = answer["proof"] == Value::Bool(true);
    assert_eq!(is_proved, said("lower_bound") == cost, "{answer}");
    for slice in keep.iter().chain(&create) {
        *there.entry(slice.1.clone()).or_default() += 1;
    }
    let mut wanted: BTreeMap<String, u64> = BTreeMap::new();
    for (name, count) in asked["want"].as_object().expect("a map") {
        *wanted.entry(spelled(name)).or_default() += count.as_u64().expect("a count");
    }
    wanted.retain(|_, count| *count > 0);
    assert_eq!(there, wanted, "all that is wanted, and nothing else");
}

/// A profile but for its memory: a name means the profile of about that memory.
fn spelled(name: &str) -> String {
    let Ok(known) = name.parse::<ProfileName>() else {
        return name.to_owned();
    };
    let name = known.to_string();
    let (slices, memory) = name.split_once('.').unwrap_or((&name, ""));
    let attribute = memory.find(['+', '-']).map_or("", |at| &memory[at..]);
    format!("{slices}{attribute}")
}

/// Profile, weight, and whether it is pinned, of what is placed.
fn placed(asked: &Value) -> BTreeMap<(usize, u64), (String, u64, bool)> {
    let gpus = asked["gpus"].as_array().into_iter().flatten().enumerate();
    let all = gpus.flat_map(|(gpu, one)| {
        let placed = one["placed"].as_array().into_iter().flatten();
        placed.map(move |slice| {
            let weight = slice["weight"].as_u64().unwrap_or(1);
            let is_pinned = slice["pinned"].as_bool().unwrap_or(false);
            let start = slice["start"].as_u64().expect("a start");
            let profile = slice["profile"].as_str().expect("a name").to_owned();
            ((gpu, start), (profile, weight, is_pinned))
        })
    });
    all.collect()
}

fn slices(answer: &Value, key: &str) -> Vec<Slice> {
    let list = answer[key].as_array().expect("a list").iter();
    let slice = |slice: &Value| {
        let gpu = slice["gpu"].as_u64().and_then(|gpu| gpu.try_into().ok());
        let profile = slice["profile"].as_str().filter(|name| !name.is_empty());
        (
            gpu.expect("a GPU"),
            spelled(profile.expect("a name")),
            slice["start"].as_u64().expect("a start"),
        )
    };
    list.map(slice).collect()
}
