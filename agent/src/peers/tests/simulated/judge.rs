//! What jobs came to, held against what was asked. All clocks are the same one here, so runs of several hosts can be compared.

use std::collections::BTreeMap;
use std::sync::Arc;

use kerf_scheduler::core::Report;
use kerf_types::job::JobState;
use kerf_types::peer::Attempt;
use kerf_types::{JobId, Moment};

use super::node::{Run, Shared};

/// A job that was submitted.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    pub job: JobId,
    pub members: usize,
}

/// What came of them.
#[derive(Debug, Default)]
pub struct Verdict {
    pub wrong: Vec<String>,
    /// Jobs that ran in more than one attempt.
    pub again: usize,
    /// How often a job was taken over from its coordinator.
    pub taken_over: usize,
    /// Jobs that their host knows nothing of.
    pub unknown: usize,
}

/// What hosts have last said of a job: the one that it was submitted to, and those that have taken it over.
pub fn reports(job: JobId, machines: &BTreeMap<u8, Shared>) -> Vec<Report> {
    let of = |machine: &Shared| {
        let machine = machine.lock().expect("nobody panics");
        machine.reports.get(&job).cloned()
    };
    machines.values().filter_map(of).collect()
}

/// Looks at every job and every container.
pub fn judge(asked: &[Asked], machines: &BTreeMap<u8, Shared>) -> Verdict {
    let mut verdict = Verdict::default();
    let mut runs: BTreeMap<JobId, Vec<Run>> = BTreeMap::new();
    for machine in machines.values() {
        let machine = machine.lock().expect("nobody panics");
        verdict.wrong.extend(machine.wrong.clone());
        verdict.taken_over += machine.took;
        for run in &machine.runs {
            runs.entry(run.tag.job).or_default().push(run.clone());
        }
    }
    for asked in asked {
        let runs = runs.remove(&asked.job).unwrap_or_default();
        let reports = reports(asked.job, machines);
        if reports.is_empty() {
            verdict.unknown += 1;
            if !runs.is_empty() {
                verdict.wrong.push(format!("nobody knows of {runs:?}"));
            }
            continue;
        }
        let settled = reports.iter().filter(|report| report.settled);
        let failed = settled.filter(|report| report.state != JobState::Succeeded);
        verdict
            .wrong
            .extend(failed.map(|report| format!("{report:?}")));
        verdict.wrong.extend(of_job(asked, &runs));
        verdict.again += usize::from(attempts(&runs).count() > 1);
    }
    let strange = runs
        .values()
        .map(|runs| format!("nobody asked for {runs:?}"));
    verdict.wrong.extend(strange);
    verdict
}

/// What is wrong with the containers of one job.
fn of_job(asked: &Asked, runs: &[Run]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (at, one) in runs.iter().enumerate() {
        for other in runs.iter().skip(at + 1) {
            let apart = one.until <= other.from || other.until <= one.from;
            if one.tag == other.tag || (one.tag.attempt != other.tag.attempt && !apart) {
                wrong.push(format!("both {one:?} and {other:?}"));
            }
        }
    }
    let last = attempts(runs).max();
    let whole = runs
        .iter()
        .filter(|run| Some(run.tag.attempt) == last && run.is_whole());
    if whole.count() != asked.members {
        wrong.push(format!("{} members: {runs:?}", asked.members));
    }
    wrong
}

fn attempts(runs: &[Run]) -> impl Iterator<Item = Attempt> {
    let attempts: std::collections::BTreeSet<_> = runs.iter().map(|run| run.tag.attempt).collect();
    attempts.into_iter()
}

#[test]
fn what_would_be_wrong_is_seen() {
    let tag = super::super::tag(0);
    let asked = Asked {
        job: tag.job,
        members: 1,
    };
    let run = |attempt: u32, from: u64, until: u64| Run {
        tag: kerf_types::peer::Tag {
            attempt: Attempt(attempt),
            ..tag
        },
        from: Moment(from),
        time: std::time::Duration::from_secs(3),
        until: Moment(until),
    };
    assert!(of_job(&asked, &[run(1, 0, 3_000), run(2, 3_000, 6_000)]).is_empty());
    assert_eq!(of_job(&asked, &[]).len(), 1, "it never ran");
    assert_eq!(
        of_job(&asked, &[run(1, 0, 2_000)]).len(),
        1,
        "not to its end"
    );
    assert_eq!(
        of_job(&asked, &[run(1, 0, 3_000), run(2, 2_000, 5_000)]).len(),
        1,
        "two at once"
    );
    assert_eq!(
        of_job(&asked, &[run(1, 0, 3_000), run(1, 4_000, 7_000)]).len(),
        2,
        "twice"
    );
    let machine = Shared::default();
    machine
        .lock()
        .expect("nobody panics")
        .runs
        .push(run(1, 0, 3_000));
    let machines = BTreeMap::from([(1, Arc::clone(&machine))]);
    assert_eq!(judge(&[], &machines).wrong.len(), 1, "nobody asked");
    assert_eq!(judge(&[asked], &machines).wrong.len(), 1, "nobody knows");
}
