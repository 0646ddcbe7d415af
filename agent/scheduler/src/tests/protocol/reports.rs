//! What is told about a job.

use std::time::Duration;

use kerf_types::job::JobState;
use kerf_types::peer::{Body, Tag};

use super::{One, PEER, asked, grant, host_id, peer};
use crate::core::{Input, Output};
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
