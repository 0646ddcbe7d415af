//! A store that is written to without a pause: one batch is on its way whenever another one is durable.

use std::time::Duration;

use kerf_types::peer::{Attempt, Tag};

use super::fixture::job_id;
use super::protocol::{One, grant, peer, reserve, tag};
use crate::core::{Change, Input, LocalEvent, MemberPhase, Output};

fn batches(outputs: &[Output]) -> Vec<u64> {
    let batch = |output: &Output| match output {
        Output::Persist { batch, .. } => Some(*batch),
        _ => None,
    };
    outputs.iter().filter_map(batch).collect()
}

/// Whether a member is being given back.
fn gives_back(outputs: &[Output], tag: Tag) -> bool {
    let is_it = |change: &Change| matches!(change, Change::PutMember(row) if row.tag == tag && row.phase == MemberPhase::Releasing);
    outputs.iter().any(|output| match output {
        Output::Persist { changes, .. } => changes.iter().any(is_it),
        _ => false,
    })
}

#[test]
fn time_goes_on_where_one_write_follows_the_other() {
    let mut one = One::new();
    let other = Tag {
        job: job_id(8),
        attempt: Attempt(1),
        member: 0,
    };
    let mut out = Vec::new();
    let mut step = |one: &mut One, input| {
        out.clear();
        one.core.step(one.now, input, &mut out);
        out.clone()
    };
    let reserved = |tag, number| Input::Local {
        tag,
        event: LocalEvent::Reserved(grant(number)),
    };
    step(&mut one, peer(tag(1), reserve()));
    let first = batches(&step(&mut one, reserved(tag(1), 1)));
    // Nobody says that it is wanted, and the store is slow.
    one.pass(Duration::from_secs(11));
    step(&mut one, peer(other, reserve()));
    let second = batches(&step(&mut one, reserved(other, 2)));
    assert_eq!((first.as_slice(), second.as_slice()), (&[1][..], &[2][..]));
    // A store that says nothing: more would only line up behind what waits.
    assert!(!gives_back(&step(&mut one, Input::Wake), tag(1)));
    // Something still waits for the second, and yet the first is over.
    let done = step(&mut one, Input::Persisted { batch: 1 });
    assert!(gives_back(&done, tag(1)), "{done:?}");
    assert_eq!(batches(&done), [3]);
}

#[test]
fn the_last_of_a_group_stands_for_all_of_it() {
    let mut one = One::new();
    let mut out = Vec::new();
    for number in 1..=3_u8 {
        let tag = Tag {
            job: job_id(number.into()),
            attempt: Attempt(1),
            member: 0,
        };
        one.core.step(one.now, peer(tag, reserve()), &mut out);
        let event = LocalEvent::Reserved(grant(number));
        one.core
            .step(one.now, Input::Local { tag, event }, &mut out);
    }
    let is_sent = |output: &Output| matches!(output, Output::Send { .. });
    assert!(!out.iter().any(is_sent), "{out:?}");
    let last = *batches(&out).last().expect("each is written");
    out.clear();
    one.core
        .step(one.now, Input::Persisted { batch: last }, &mut out);
    let sent = out.iter().filter(|output| is_sent(output)).count();
    assert_eq!((last, sent), (3, 3));
}
