//! A step that fails, checks nothing or comes after Ctrl-C ends the play.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Result;

use kerf_tests::tree;

use super::{Stage, Step, typed};

fn stage(interrupted: bool) -> Stage {
    Stage::new(Arc::new(AtomicBool::new(interrupted)))
}

fn good(stage: &mut Stage, seen: &mut Vec<&'static str>) -> Result<()> {
    seen.push("good");
    stage.check("the world is there", true)
}

fn bad(stage: &mut Stage, seen: &mut Vec<&'static str>) -> Result<()> {
    seen.push("bad");
    stage.check("two is three", false)
}

fn idle(_: &mut Stage, seen: &mut Vec<&'static str>) -> Result<()> {
    seen.push("idle");
    Ok(())
}

const GOOD: Step<Vec<&str>> = Step {
    title: "good",
    play: good,
};
const BAD: Step<Vec<&str>> = Step {
    title: "bad",
    play: bad,
};
const IDLE: Step<Vec<&str>> = Step {
    title: "idle",
    play: idle,
};

/// What was played, and the error with its causes.
fn play(stage: &mut Stage, steps: &[Step<Vec<&'static str>>]) -> (Vec<&'static str>, String) {
    let mut seen = Vec::new();
    let played = stage.play(steps, &mut seen);
    (
        seen,
        played
            .err()
            .map(|error| format!("{error:#}"))
            .unwrap_or_default(),
    )
}

#[test]
fn the_first_failure_ends_the_play() {
    let mut stage = stage(false);
    let (seen, error) = play(&mut stage, &[GOOD, BAD, GOOD]);
    assert_eq!(seen, ["good", "bad"]);
    assert_eq!(
        error,
        "step \"bad\" failed: this did not hold: two is three"
    );
    assert_eq!(stage.checks(), 1);
}

#[test]
fn a_step_without_a_check_is_a_failure() {
    let (_, error) = play(&mut stage(false), &[IDLE, GOOD]);
    assert_eq!(error, "step \"idle\" checked nothing");
}

#[test]
fn nothing_starts_after_an_interrupt() {
    let (seen, error) = play(&mut stage(true), &[GOOD]);
    assert!(seen.is_empty());
    assert_eq!(error, "interrupted before step 1");
}

#[test]
fn exit_codes_are_told_apart() {
    let stage = stage(false);
    let (code, text) = stage
        .run_any(Command::new("sh").args(["-c", "echo a; exit 7"]))
        .expect("sh starts");
    assert_eq!((code, text.as_str()), (7, "a\n"));
    assert!(
        stage
            .run(Command::new("sh").args(["-c", "exit 7"]))
            .is_err()
    );
}

#[test]
fn where_programs_were_built_is_not_shown() {
    let built = tree::target_dir().expect("a build folder").join("debug");
    let mut command = Command::new(built.join("kerfd"));
    command.args(["--config", "/tmp/x/kerf.toml", "--runtime"]);
    command.arg(built.join("kerf-runtime"));
    let shown = typed(&command);
    assert_eq!(
        shown,
        "kerfd --config /tmp/x/kerf.toml --runtime kerf-runtime"
    );
}
