//! Single steps of taking turns: the line at an owner, and what a submitting host does that is told to give way.

use std::sync::Arc;
use std::time::Duration;

use kerf_types::host_record::Occupancy;
use kerf_types::job::JobState;
use kerf_types::peer::{Attempt, Body, MemberAsk, Tag};
use kerf_types::{HostRecord, Timestamp, Turn};

use super::fixture::{BY, hash, host_id, job_id, record, shared, spec};
use super::protocol::{OWN, One, PEER, asked, from, grant, local, peer, tag};
use crate::core::{Input, LocalCommand, LocalEvent, Output, Settings};
use crate::explain::Verdict;

/// The host that submits the other job.
const THIRD: u8 = 3;

fn of(job: u64) -> Tag {
    Tag {
        job: job_id(job),
        attempt: Attempt(1),
        member: 0,
    }
}

fn ask(submitted: u64, waits: bool) -> Body {
    Body::Reserve {
        spec_hash: hash(1),
        ask: MemberAsk::of(&spec("1g.10gb", 1)),
        ttl: Duration::from_secs(10),
        master_port: None,
        turn: Some(Turn {
            submitted: Timestamp(submitted),
            priority: 0,
            waits,
        }),
        keepers: Vec::new(),
    }
}

fn full() -> LocalEvent {
    LocalEvent::Refused {
        reason: "no slice is free".to_owned(),
        room: true,
        record: None,
    }
}

/// Who was sent what.
fn sent(outputs: &[Output]) -> Vec<(u8, Body)> {
    let sent = outputs.iter().filter_map(|output| match output {
        Output::Send { to, message } => {
            let to = u8::try_from(to.bits()).expect("a small host");
            Some((to, message.body.clone()))
        }
        _ => None,
    });
    sent.collect()
}

fn tries(outputs: &[Output]) -> usize {
    let is_try = |output: &&Output| {
        let Output::Local { command, .. } = output else {
            return false;
        };
        matches!(command, LocalCommand::Reserve { .. })
    };
    outputs.iter().filter(is_try).count()
}

/// An owner at which a younger job has a reservation and an older one waits.
fn waiting() -> One {
    let mut one = One::new();
    one.step(peer(of(2), ask(200, false)));
    one.step(local(of(2), LocalEvent::Reserved(grant(1))));
    assert_eq!(
        tries(&one.step(from(host_id(THIRD), of(1), ask(100, true)))),
        1
    );
    let said = sent(&one.step(local(of(1), full())));
    let way = format!("job {}, whose turn is later, is to give way", job_id(2));
    let waiting = Body::Waiting {
        behind: None,
        reason: way,
    };
    assert_eq!(
        said,
        [(PEER, Body::Wound { by: job_id(1) }), (THIRD, waiting)]
    );
    one
}

#[test]
fn an_older_job_waits_a_younger_gives_way_and_the_older_gets_it_at_once() {
    let mut one = waiting();
    one.step(peer(of(2), Body::Release));
    let outputs = one.step(local(of(2), LocalEvent::Released(grant(1))));
    let outputs = [outputs, one.step(Input::Wake)].concat();
    assert_eq!(tries(&outputs), 1, "{outputs:?}");
    let said = sent(&one.step(local(of(1), LocalEvent::Reserved(grant(2)))));
    assert_eq!(said, [(THIRD, Body::Reserved(grant(2)))]);
}

#[test]
fn nobody_overtakes_one_that_waits() {
    let mut one = waiting();
    // One that would not wait is refused, with the true reason.
    let outputs = one.step(peer(of(3), ask(300, false)));
    assert_eq!(tries(&outputs), 0);
    let said = sent(&outputs);
    let [(PEER, Body::Refused { reason, .. })] = said.as_slice() else {
        panic!("{said:?}");
    };
    assert_eq!(*reason, format!("job {} waits its turn here", job_id(1)));
    // One that would waits behind it.
    let outputs = one.step(peer(of(4), ask(400, true)));
    assert_eq!(tries(&outputs), 0);
    let behind = Body::Waiting {
        behind: Some(job_id(1)),
        reason: "its turn is before".to_owned(),
    };
    assert_eq!(sent(&outputs), [(PEER, behind)]);
    // One that is older than it does not.
    assert_eq!(tries(&one.step(peer(of(5), ask(50, false)))), 1);
    // And one that wants nothing of the kind is in nobody's way.
    let other = Body::Reserve {
        spec_hash: hash(1),
        ask: MemberAsk::default(),
        ttl: Duration::from_secs(10),
        master_port: None,
        turn: None,
        keepers: Vec::new(),
    };
    assert_eq!(tries(&one.step(peer(of(6), other))), 1);
}

#[test]
fn one_whose_host_is_silent_leaves_the_line_after_its_time_to_live() {
    let mut one = waiting();
    one.pass(Duration::from_secs(10));
    one.step(Input::Wake);
    // The next is tried, and not refused for the sake of the silent one.
    assert_eq!(tries(&one.step(peer(of(3), ask(300, false)))), 1);
}

#[test]
fn a_wait_in_vain_ends_and_the_host_rests() {
    let mut one = One::new();
    let older = |one: &mut One, attempt| {
        let tag = Tag {
            attempt: Attempt(attempt),
            ..of(1)
        };
        let outputs = one.step(peer(tag, ask(100, true)));
        match tries(&outputs) {
            0 => sent(&outputs),
            _ => sent(&one.step(local(tag, full()))),
        }
    };
    let is_refused = |said: &[(u8, Body)]| matches!(said, [(_, Body::Refused { .. })]);
    let mut waited = Duration::ZERO;
    while !is_refused(&older(&mut one, 1)) {
        let step = Duration::from_secs(1);
        one.pass(step);
        waited += step;
        assert!(waited <= Duration::from_secs(31), "it waits without end");
    }
    assert!(waited >= Duration::from_secs(30), "only {waited:?}");
    // It is refused as any other, and a younger one is served.
    assert!(is_refused(&older(&mut one, 2)));
    assert_eq!(tries(&one.step(peer(of(3), ask(300, false)))), 1);
    one.step(local(of(3), full()));
    one.pass(Duration::from_secs(121));
    assert!(!is_refused(&older(&mut one, 3)));
}

#[test]
fn one_that_is_told_to_give_way_does_and_one_that_is_decided_does_not() {
    let wound = Body::Wound { by: job_id(1) };
    let (mut one, tag) = asked();
    assert_eq!(one.said(peer(tag, wound.clone())), [Body::Release]);
    let report = one.core.report(tag.job).expect("it goes on");
    let said = format!(
        "it gave way at host-2 to job {}, whose turn is before",
        job_id(1)
    );
    assert_eq!((report.state, &report.reason), (JobState::Pending, &said));
    let (mut one, tag) = asked();
    let confirm = one.said(peer(tag, Body::Reserved(grant(1))));
    assert_eq!(confirm, [Body::Confirm(grant(1))]);
    assert_eq!(one.said(peer(tag, wound)), []);
}

/// The host that has the only GPU, as it tells of itself.
fn told(revision: u64, occupancy: Occupancy) -> HostRecord {
    let mut record = record(PEER, 1);
    record.version.revision = revision;
    record.gpus[0].occupancy = occupancy;
    record
}

/// The turn that is named in an ask.
fn turn_in(said: &[Body]) -> Option<Turn> {
    said.iter().find_map(|body| match body {
        Body::Reserve { turn, .. } => *turn,
        _ => None,
    })
}

/// A submitting host whose job has asked the only host for its GPU.
fn submitted() -> One {
    let mut one = One::new();
    one.step(Input::Record(shared(told(1, Occupancy::Free))));
    let said = one.said(Input::Submit {
        job: job_id(9),
        spec: Arc::new(spec("gpu:1", 1)),
        spec_hash: hash(1),
        by: BY,
        at: Timestamp(77),
    });
    assert_eq!(turn_in(&said).map(|turn| turn.waits), Some(false));
    one
}

fn refused(attempt: u32, record: HostRecord) -> Input {
    let refused = Body::Refused {
        reason: "another was quicker".to_owned(),
        record: Some(Box::new(record)),
    };
    peer(tag(attempt), refused)
}

#[test]
fn a_job_that_was_refused_and_finds_no_room_lines_up_where_it_would_be_if_nobody_held_anything() {
    let mut one = submitted();
    one.said(refused(1, told(2, Occupancy::Leased)));
    one.pass(Duration::from_secs(5));
    let turn = turn_in(&one.said(Input::Wake)).expect("it lines up");
    assert_eq!((turn.waits, turn.submitted), (true, Timestamp(77)));
    let waiting = Body::Waiting {
        behind: Some(job_id(8)),
        reason: "its turn is before".to_owned(),
    };
    one.step(peer(tag(2), waiting));
    let report = one.core.report(job_id(9)).expect("it waits");
    let said = format!(
        "waits its turn at host-2 behind job {}: its turn is before",
        job_id(8)
    );
    assert_eq!((report.state, &report.reason), (JobState::Pending, &said));
    let explanation = report.explanation.as_ref().expect("why it waits");
    assert!(explanation.unplaced.is_some(), "{explanation}");
}

#[test]
fn a_job_whose_turn_has_come_is_told_as_placed() {
    let mut one = submitted();
    one.said(refused(1, told(2, Occupancy::Leased)));
    one.pass(Duration::from_secs(5));
    let turn = turn_in(&one.said(Input::Wake)).expect("it lines up");
    assert!(turn.waits);
    one.step(peer(tag(2), Body::Reserved(grant(1))));
    let report = one.core.report(job_id(9)).expect("it goes on");
    let explanation = report.explanation.as_ref().expect("where it is placed");
    assert_eq!(explanation.unplaced, None, "{explanation}");
    let (_, verdict) = &explanation.hosts[&host_id(PEER)];
    assert!(matches!(verdict, Verdict::Chosen { .. }), "{explanation}");
}

#[test]
fn a_job_in_line_goes_where_there_is_room_by_now() {
    let mut one = submitted();
    one.said(refused(1, told(2, Occupancy::Leased)));
    one.pass(Duration::from_secs(5));
    let turn = turn_in(&one.said(Input::Wake)).expect("it lines up");
    assert!(turn.waits);
    one.step(Input::Record(shared(record(OWN, 1))));
    one.pass(Duration::from_secs(5));
    let said = one.said(Input::Wake);
    assert_eq!(said.last(), Some(&Body::Release), "{said:?}");
}

#[test]
fn where_there_is_room_a_job_asks_to_wait_after_its_third_refusal() {
    let mut one = submitted();
    for attempt in 1..=Settings::default().ordered_after {
        one.said(refused(
            attempt,
            told(u64::from(attempt) * 2, Occupancy::Free),
        ));
        // It says that it has room, again and again.
        let free = told(u64::from(attempt) * 2 + 1, Occupancy::Free);
        let mut said = one.said(Input::Record(shared(free)));
        one.pass(Duration::from_secs(5));
        said.extend(one.said(Input::Wake));
        let waits = attempt == Settings::default().ordered_after;
        assert_eq!(
            turn_in(&said).map(|turn| turn.waits),
            Some(waits),
            "{attempt}"
        );
    }
}

#[test]
fn a_job_that_has_found_no_room_for_long_lines_up_though_nobody_refused_it() {
    let mut one = One::new();
    one.step(Input::Record(shared(told(1, Occupancy::Leased))));
    one.step(Input::Submit {
        job: job_id(9),
        spec: Arc::new(spec("gpu:1", 1)),
        spec_hash: hash(1),
        by: BY,
        at: Timestamp(77),
    });
    let mut waited = Duration::ZERO;
    loop {
        let said = one.said(Input::StillFresh(host_id(PEER)));
        if turn_in(&said).is_some() {
            break;
        }
        let step = Duration::from_secs(5);
        one.pass(step);
        waited += step;
        assert!(waited < Duration::from_secs(200), "it only looks on");
    }
    assert!(waited >= Settings::default().ordered_age, "only {waited:?}");
}

#[test]
fn a_job_that_waits_overtakes_more_important_ones_that_come_later() {
    let place = |submitted_s: u64, priority, job| {
        let turn = Turn {
            submitted: Timestamp(submitted_s * 1_000),
            priority,
            waits: true,
        };
        turn.place(job_id(job))
    };
    let now = 1_000_000;
    assert!(place(now, 1, 2) < place(now, 0, 1));
    assert!(place(now, 1, 2) < place(now - 59, 0, 1));
    assert!(place(now - 61, 0, 1) < place(now, 1, 2));
    assert!(place(now - 3_601, 0, 1) < place(now, i32::MAX, 2));
    assert!(place(now, 0, 1) < place(now, 0, 2));
}
