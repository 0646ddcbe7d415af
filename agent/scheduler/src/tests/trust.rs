//! What a core does not let itself be told, and what it leaves unsaid while its store fails.

use std::sync::Arc;
use std::time::Duration;

use kerf_types::Timestamp;
use kerf_types::peer::{Attempt, Body};

use super::fixture::{BY, hash, host_id, job_id, record, shared, spec};
use super::protocol::{
    OWN, One, PEER, asked, confirmed, from, grant, local, peer, reserve, start, tag,
};
use crate::core::{Core, Decision, Input, LocalCommand, LocalEvent, Output, Settings};

#[test]
fn whoever_repeats_the_id_of_anothers_job_neither_ends_it_nor_keeps_it_away() {
    let stranger = host_id(7);
    let refused = |outputs: Vec<Output>| {
        let mut bodies = outputs.into_iter().filter_map(|output| match output {
            Output::Send { to, message } => Some((to, message.body)),
            _ => None,
        });
        matches!(bodies.next(), Some((to, Body::Refused { .. })) if to == stranger)
    };
    let mut one = confirmed();
    one.told(peer(tag(3), start()));
    one.step(local(tag(3), LocalEvent::Started));
    assert!(refused(one.step(from(stranger, tag(9), reserve()))));
    let told = one.told(from(stranger, tag(9), Body::Release));
    assert_eq!(told, [], "nothing is stopped");
    assert_eq!(one.saved.members[&tag(3)].coordinator, host_id(PEER));
    // Nor by a release of an attempt far ahead, before or after the job was here.
    let mut one = One::new();
    assert_eq!(one.told(peer(tag(1), reserve())).len(), 1);
    one.step(local(tag(1), LocalEvent::Reserved(grant(1))));
    one.step(from(stranger, tag(u32::MAX), Body::Release));
    one.step(peer(tag(1), Body::Release));
    one.step(local(tag(1), LocalEvent::Released(grant(1))));
    assert!(refused(one.step(from(stranger, tag(5), reserve()))));
    assert_eq!(one.told(peer(tag(2), reserve())).len(), 1);
}

#[test]
fn a_core_that_waits_for_its_store_says_nothing_more_and_wants_no_wakeup() {
    let mut one = confirmed();
    let mut out = Vec::new();
    one.core.step(one.now, peer(tag(3), start()), &mut out);
    let [Output::Persist { batch, .. }] = out.as_slice() else {
        panic!("{out:?}");
    };
    let batch = *batch;
    assert_eq!(one.core.next_wakeup(), None);
    for _ in 0..100 {
        one.pass(Duration::from_secs(1));
        let mut out = Vec::new();
        one.core.step(one.now, Input::Wake, &mut out);
        assert!(out.is_empty(), "{out:?}");
    }
    let mut out = Vec::new();
    one.core.step(one.now, Input::Persisted { batch }, &mut out);
    let starts = |output: &&Output| {
        matches!(
            output,
            Output::Local {
                command: LocalCommand::Start { .. },
                ..
            }
        )
    };
    assert_eq!(out.iter().filter(starts).count(), 1, "{out:?}");
    // What lined up is one word and not a hundred.
    assert!(out.len() <= 4, "{out:?}");
    assert!(one.core.next_wakeup().is_some());
}

#[test]
fn a_cancel_that_was_saved_before_a_crash_is_gone_on_with() {
    let (mut one, tag) = asked();
    one.step(peer(tag, Body::Reserved(grant(1))));
    let mut saved = one.saved.clone();
    let row = saved.jobs.get_mut(&tag.job).expect("it is saved");
    row.cancelled = true;
    assert_eq!(saved.decisions[&tag.job], Decision::Committed(Attempt(1)));
    one.core = Core::recover(host_id(OWN), Settings::default(), 1, saved, one.now);
    one.step(Input::Record(shared(record(OWN, 0))));
    one.step(Input::Record(shared(record(PEER, 1))));
    one.pass(Settings::default().release_wait);
    let said = one.said(Input::Wake);
    let starts = |body: &Body| matches!(body, Body::Start { .. } | Body::Confirm(_));
    assert!(!said.iter().any(starts), "{said:?}");
    one.pass(Settings::default().release_wait);
    one.step(Input::Wake);
    assert_eq!(one.core.jobs().count(), 0, "it has ended");
}

#[test]
fn a_core_that_waits_for_its_store_wants_no_wakeup_however_many_jobs_it_has_to_place() {
    let mut one = One::new();
    one.step(Input::Record(shared(record(OWN, 0))));
    for job in 0..100 {
        one.step(Input::Submit {
            job: job_id(job),
            spec: Arc::new(spec("1g.10gb", 1)),
            spec_hash: hash(1),
            by: BY,
            at: Timestamp(1),
        });
    }
    one.pass(Settings::default().backoff_most);
    let mut out = Vec::new();
    let room = Input::Record(shared(record(PEER, 1)));
    one.core.step(one.now, room, &mut out);
    let persists = |output: &Output| matches!(output, Output::Persist { .. });
    assert!(out.iter().any(persists), "one is placed");
    assert_eq!(one.core.next_wakeup(), None);
}
