//! Logs as libFuzzer writes them, and which fuzzer is meant.

use super::report::{Outcome, table};
use super::{chosen, package};

const GOOD: &str = "INFO: Running with entropic power schedule (0xFF, 100).
#2\tINITED cov: 12 ft: 12 corp: 1/1b exec/s: 0 rss: 30Mb
#4096\tpulse  cov: 700 ft: 1201 corp: 90/2Kb lim: 43 exec/s: 2048 rss: 41Mb
#9000\tDONE   cov: 812 ft: 2001 corp: 103/20Kb lim: 80 exec/s: 3000 rss: 80Mb
Done 9000 runs in 3 second(s)
stat::number_of_executed_units: 9000
stat::average_exec_per_sec:     3000
stat::peak_rss_mb:              80
";

const BROKEN: &str =
    "#16\tNEW    cov: 20 ft: 40 corp: 3/9b lim: 4 exec/s: 0 rss: 35Mb L: 3/3 MS: 1 EraseBytes-
thread '<unnamed>' panicked at fuzz/src/names.rs:41:5:
==77== ERROR: libFuzzer: deadly signal
artifact_prefix='/k/fuzz/regressions/ask/'; Test unit written to /k/fuzz/regressions/ask/crash-da39
Base64: MWc=
stat::number_of_executed_units: 77
stat::average_exec_per_sec:     0
";

#[test]
fn a_log_is_summed_up() {
    let outcome = Outcome::read("ask", GOOD, true);
    assert!(outcome.is_good());
    assert_eq!(outcome.line(), "9000 execs, 812 places reached");
    assert_eq!((outcome.execs_per_second, outcome.corpus), (3_000, 103));
}

#[test]
fn what_was_found_is_named() {
    let outcome = Outcome::read("ask", BROKEN, false);
    assert!(!outcome.is_good());
    let kept = "/k/fuzz/regressions/ask/crash-da39";
    assert_eq!(
        outcome.line(),
        format!("77 execs, 20 places reached; found {kept}")
    );
    let text = table(&[Outcome::read("layout", GOOD, true), outcome]);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("TARGET"), "{text}");
    assert!(lines[1].ends_with("103  none"), "{text}");
    assert!(lines[2].ends_with(&format!("1 {kept}")), "{text}");
}

#[test]
fn a_fuzzer_that_never_ran_is_no_good_one() {
    assert!(!Outcome::read("ask", "", true).is_good());
    assert!(!Outcome::read("ask", GOOD, false).is_good(), "killed");
}

#[test]
fn a_fuzzer_is_meant_by_its_whole_name() {
    let all = chosen(&package(), None).expect("a list");
    assert!(all.len() > 10 && all.is_sorted(), "{all:?}");
    assert_eq!(chosen(&package(), Some("ask")).expect("one"), ["ask"]);
    let refused = chosen(&package(), Some("as")).expect_err("a part of a name");
    assert!(
        refused.to_string().contains("there are amd_tree, ask"),
        "{refused}"
    );
}
