//! What is told about a job.

use std::sync::Arc;
use std::time::Duration;

use kerf_types::host_record::Occupancy;
use kerf_types::job::JobState;
use kerf_types::peer::{Body, Tag};

use super::{BY, OWN, One, PEER, asked, grant, hash, host_id, job_id, peer, record, shared, spec};
use crate::core::{Input, Output};
use crate::explain::Verdict;
use crate::filter::Refusal;
use crate::fleet::Liveness;

/// The states that are told because of these answers.
fn states(one: &mut One, tag: Tag, bodies: Vec<Body>) -> Vec<JobState> {
    let answers = bodies
        .into_iter()
        .flat_map(|body| one.step(peer(tag, body)));
    let states = answers.filter_map(|output| match output {
        Output::Report(report) if !report.settled => Some(report.state),
        _ => None,
    });
    let mut states: Vec<_> = states.collect();
    states.dedup();
    states
}

#[test]
fn a_job_whose_start_was_refused_is_never_said_to_run() {
    let (mut one, tag) = asked();
    let refused = Body::StartRefused {
        reason: "no such image".to_owned(),
        lasting: false,
    };
    let told = vec![
        Body::Reserved(grant(1)),
        Body::Confirmed,
        refused,
        Body::Released,
    ];
    let told = states(&mut one, tag, told);
    let (pending, starting) = (JobState::Pending, JobState::Starting);
    assert_eq!(told, [pending, starting, pending]);
}

#[test]
fn a_job_that_ran_is_said_to_run_until_nothing_of_it_is_left() {
    let (mut one, tag) = asked();
    let told = vec![Body::Reserved(grant(1)), Body::Confirmed, Body::Started];
    let told = states(&mut one, tag, told);
    let (pending, starting) = (JobState::Pending, JobState::Starting);
    assert_eq!(told, [pending, starting, JobState::Running]);
    one.step(Input::Cancel { job: tag.job });
    let seen = |one: &mut One, liveness| {
        let host = host_id(PEER);
        one.step(Input::Peer { host, liveness });
        one.pass(Duration::from_secs(1));
        one.step(Input::Wake);
        one.core.report(tag.job).expect("it goes on").state
    };
    assert_eq!(seen(&mut one, Liveness::Alive), JobState::Running);
    assert_eq!(seen(&mut one, Liveness::Down), JobState::Lost);
    assert_eq!(seen(&mut one, Liveness::Alive), JobState::Running);
}

#[test]
fn a_job_that_waits_on_is_explained_anew_when_it_waits_for_another_reason() {
    let mut one = One::new();
    for host in [OWN, PEER] {
        let mut full = record(host, 1);
        full.gpus[0].occupancy = Occupancy::Leased;
        one.step(Input::Record(shared(full)));
    }
    let job = job_id(9);
    one.step(Input::Submit {
        job,
        spec: Arc::new(spec("gpu:1", 1)),
        spec_hash: hash(1),
        by: BY,
    });
    let report = one.core.report(job).expect("it waits").clone();
    one.pass(Duration::from_secs(1));
    let mut said = one.step(Input::Peer {
        host: host_id(PEER),
        liveness: Liveness::Left,
    });
    one.pass(Duration::from_secs(1));
    said.extend(one.step(Input::Wake));
    let told = said.iter().find_map(|output| match output {
        Output::Report(report) => Some(report),
        _ => None,
    });
    let told = told.expect("it is told");
    assert_eq!(told.reason, report.reason);
    let explanation = told.explanation.as_ref().expect("an explanation");
    let (_, verdict) = &explanation.hosts[&host_id(PEER)];
    assert_eq!(*verdict, Verdict::Refused(Arc::new(Refusal::Left)));
    // Nothing new is told of what is as before.
    one.pass(Duration::from_secs(10));
    let said = one.step(Input::Wake);
    assert!(
        !said
            .iter()
            .any(|output| matches!(output, Output::Report(_)))
    );
}
