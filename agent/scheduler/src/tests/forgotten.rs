//! Owners that have lost their store: what they say, or do not say any more, of a member that is counted on.

use std::sync::Arc;

use kerf_types::Timestamp;
use kerf_types::job::{JobState, OnPartition, RestartPolicy};
use kerf_types::peer::{Body, Tag};

use super::fixture::{BY, hash, job_id, record, shared, spec};
use super::protocol::{OWN, One, PEER, grant, peer, tag};
use crate::core::{Input, Settings};

/// A submitting host whose only member runs at its peer.
fn running(on_partition: OnPartition) -> (One, Tag) {
    let mut one = One::new();
    one.step(Input::Record(shared(record(OWN, 0))));
    one.step(Input::Record(shared(record(PEER, 1))));
    let mut spec = spec("1g.10gb", 1);
    spec.on_partition = on_partition;
    spec.restart = RestartPolicy::Never;
    one.said(Input::Submit {
        job: job_id(9),
        spec: Arc::new(spec),
        spec_hash: hash(1),
        by: BY,
        at: Timestamp(1),
    });
    let tag = tag(1);
    for body in [Body::Reserved(grant(1)), Body::Confirmed, Body::Started] {
        one.said(peer(tag, body));
    }
    let report = one.core.report(tag.job).expect("it runs");
    assert_eq!(report.state, JobState::Running);
    (one, tag)
}

#[test]
fn a_silent_owner_is_asked_where_nobody_else_can_say_that_a_member_is_gone() {
    let (mut one, tag) = running(OnPartition::Continue);
    let rarely = Settings::default().stop_after;
    for _ in 0..3 {
        one.pass(rarely);
        assert_eq!(one.said(Input::Wake), [Body::Query]);
        // And not again at once.
        assert_eq!(one.said(Input::Wake), []);
    }
    // It has lost its store, and the end of the member with it.
    assert_eq!(one.said(peer(tag, Body::Released)), [Body::Release]);
    one.said(peer(tag, Body::Released));
    assert!(one.core.report(tag.job).is_none(), "it has ended");
}

#[test]
fn an_owner_that_speaks_is_not_asked() {
    let (mut one, tag) = running(OnPartition::Continue);
    let rarely = Settings::default().stop_after;
    for _ in 0..3 {
        one.pass(rarely / 2);
        let sent = one.now;
        let said = one.said(peer(tag, Body::Alive { sent }));
        assert_eq!(said, [Body::Keep { sent }]);
        assert_eq!(one.said(Input::Wake), []);
    }
}

#[test]
fn a_promise_that_an_old_question_made_is_given_back_while_the_first_is_counted_on() {
    let (mut one, tag) = running(OnPartition::Stop);
    // The same again is late, and means nothing.
    assert_eq!(one.said(peer(tag, Body::Reserved(grant(1)))), []);
    assert_eq!(
        one.said(peer(tag, Body::Reserved(grant(2)))),
        [Body::Release]
    );
}
