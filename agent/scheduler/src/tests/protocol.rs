//! Single steps of the protocol, with the peer played by hand: what comes late, twice, or from somebody else.

mod reports;

use std::sync::Arc;
use std::time::Duration;

use kerf_types::Timestamp;
use kerf_types::job::{JobState, OnPartition};
use kerf_types::peer::{Attempt, Body, Exit, Grant, MemberAsk, PeerMessage, Tag, Term};
use kerf_types::{Fence, HostId, LeaseId, Moment};

use super::fixture::{BY, hash, host_id, job_id, record, shared, spec};
use crate::core::{Core, Decision, Input, LocalCommand, LocalEvent, Output, Saved, Settings};

pub const OWN: u8 = 1;
pub const PEER: u8 = 2;

/// A core whose disk is at once durable.
pub struct One {
    pub core: Core,
    pub saved: Saved,
    pub now: Moment,
}

impl One {
    pub fn new() -> Self {
        Self {
            core: Core::recover(
                host_id(OWN),
                Settings::default(),
                1,
                Saved::default(),
                Moment(0),
            ),
            saved: Saved::default(),
            now: Moment(1_000),
        }
    }

    /// What is done about an input, without what is written.
    pub fn step(&mut self, input: Input) -> Vec<Output> {
        let (mut done, mut todo) = (Vec::new(), Vec::new());
        self.core.step(self.now, input, &mut todo);
        while !todo.is_empty() {
            for output in std::mem::take(&mut todo) {
                match output {
                    Output::Persist { batch, changes } => {
                        changes.iter().for_each(|change| self.saved.apply(change));
                        self.core
                            .step(self.now, Input::Persisted { batch }, &mut todo);
                    }
                    other => done.push(other),
                }
            }
        }
        done
    }

    /// Bodies that are sent to the peer.
    pub fn said(&mut self, input: Input) -> Vec<Body> {
        let outputs = self.step(input);
        let bodies = outputs.into_iter().filter_map(|output| match output {
            Output::Send { to, message } if to == host_id(PEER) => Some(message.body),
            _ => None,
        });
        bodies.collect()
    }

    /// What the local host is told to do.
    pub fn told(&mut self, input: Input) -> Vec<LocalCommand> {
        let outputs = self.step(input);
        let commands = outputs.into_iter().filter_map(|output| match output {
            Output::Local { command, .. } => Some(command),
            _ => None,
        });
        commands.collect()
    }

    pub fn pass(&mut self, time: Duration) {
        self.now = self.now.after(time);
    }
}

pub fn tag(attempt: u32) -> Tag {
    Tag {
        job: job_id(9),
        attempt: Attempt(attempt),
        member: 0,
    }
}

pub fn grant(number: u8) -> Grant {
    Grant {
        lease: LeaseId::new(1, [number; 10]),
        fence: Fence::new(1, number.into()),
    }
}

pub fn from(host: HostId, tag: Tag, body: Body) -> Input {
    Input::Message {
        from: host,
        message: PeerMessage {
            tag,
            term: Term::NONE,
            body,
        },
    }
}

pub fn peer(tag: Tag, body: Body) -> Input {
    from(host_id(PEER), tag, body)
}

pub fn reserve() -> Body {
    Body::Reserve {
        spec_hash: hash(1),
        ask: MemberAsk::of(&spec("1g.10gb", 1)),
        ttl: Duration::from_secs(10),
        master_port: None,
        turn: None,
        keepers: Vec::new(),
    }
}

pub fn start() -> Body {
    let mut spec = spec("1g.10gb", 1);
    spec.on_partition = OnPartition::Stop;
    Body::Start {
        spec_hash: hash(1),
        spec: Arc::new(spec),
        by: BY,
        gang: None,
    }
}

pub fn local(tag: Tag, event: LocalEvent) -> Input {
    Input::Local { tag, event }
}

/// An owner that holds one confirmed member.
pub fn confirmed() -> One {
    let mut one = One::new();
    assert_eq!(one.told(peer(tag(3), reserve())).len(), 1);
    let said = one.said(local(tag(3), LocalEvent::Reserved(grant(1))));
    assert_eq!(said, [Body::Reserved(grant(1))]);
    assert_eq!(
        one.said(peer(tag(3), Body::Confirm(grant(1)))),
        [Body::Confirmed]
    );
    one
}

#[test]
fn what_comes_twice_is_answered_twice_and_done_once() {
    let mut one = confirmed();
    assert_eq!(one.told(peer(tag(3), reserve())), []);
    assert_eq!(
        one.said(peer(tag(3), Body::Confirm(grant(1)))),
        [Body::Confirmed]
    );
    let told = one.told(peer(tag(3), start()));
    assert!(
        matches!(
            told.as_slice(),
            [LocalCommand::Start { guard: Some(_), .. }]
        ),
        "{told:?}"
    );
    assert_eq!(one.told(peer(tag(3), start())), []);
    let said = one.said(local(tag(3), LocalEvent::Started));
    assert_eq!(said, [Body::Started, Body::Alive { sent: one.now }]);
    assert_eq!(one.said(peer(tag(3), start())), [Body::Started]);
    let exit = Exit {
        code: Some(3),
        timed_out: false,
        reason: "exit 3".to_owned(),
    };
    let ended = local(tag(3), LocalEvent::Ended(exit.clone()));
    assert_eq!(one.said(ended), [Body::Ended(exit.clone())]);
    // Until it is known; then never again.
    one.pass(Duration::from_secs(1));
    assert_eq!(one.said(Input::Wake), [Body::Ended(exit)]);
    assert_eq!(one.said(peer(tag(3), Body::Release)), [Body::Released]);
    one.pass(Duration::from_secs(60));
    assert_eq!(one.said(Input::Wake), []);
    let said = one.said(peer(tag(3), start()));
    assert!(
        matches!(said.as_slice(), [Body::StartRefused { .. }]),
        "{said:?}"
    );
}

#[test]
fn a_lower_attempt_is_refused_and_a_higher_one_ends_it() {
    let mut one = confirmed();
    let said = one.said(peer(tag(2), reserve()));
    assert!(
        matches!(said.as_slice(), [Body::Refused { .. }]),
        "{said:?}"
    );
    let told = one.told(peer(tag(4), reserve()));
    assert_eq!(told, [LocalCommand::Release { grant: grant(1) }]);
    assert_eq!(
        one.said(local(tag(3), LocalEvent::Released(grant(1)))),
        [Body::Released]
    );
    let told = one.told(peer(tag(4), reserve()));
    assert!(
        matches!(told.as_slice(), [LocalCommand::Reserve { .. }]),
        "{told:?}"
    );
}

#[test]
fn somebody_else_changes_nothing() {
    let mut one = confirmed();
    let other = host_id(3);
    for body in [reserve(), Body::Confirm(grant(1)), start(), Body::Release] {
        assert_eq!(one.told(from(other, tag(3), body)), []);
    }
    // Another grant than the one that is held was promised by an earlier life.
    let said = one.said(peer(tag(3), Body::Confirm(grant(2))));
    assert!(
        matches!(said.as_slice(), [Body::Refused { .. }]),
        "{said:?}"
    );
    assert_eq!(one.core.members().count(), 1);
}

#[test]
fn a_confirmed_member_that_is_not_started_ends_at_its_ttl_unless_it_is_kept() {
    let mut one = confirmed();
    one.pass(Duration::from_secs(9));
    let said = one.said(Input::Wake);
    let [Body::Alive { sent }] = said.as_slice() else {
        panic!("{said:?}");
    };
    // An answer from the future means nothing, one that comes late counts from when it was asked for.
    let future = Body::Keep {
        sent: one.now.after(Duration::from_secs(1)),
    };
    assert_eq!(one.told(peer(tag(3), future)), []);
    one.pass(Duration::from_millis(900));
    let told = one.told(peer(tag(3), Body::Keep { sent: *sent }));
    assert!(
        matches!(told.as_slice(), [LocalCommand::Renew { .. }]),
        "{told:?}"
    );
    one.now = sent.after(Duration::from_millis(9_999));
    assert!(one.told(Input::Wake).is_empty());
    one.now = sent.after(Duration::from_secs(10));
    assert_eq!(
        one.told(Input::Wake),
        [LocalCommand::Release { grant: grant(1) }]
    );
    let said = one.said(peer(tag(3), start()));
    assert!(
        matches!(said.as_slice(), [Body::StartRefused { .. }]),
        "{said:?}"
    );
}

#[test]
fn a_member_that_was_kept_runs_on_over_a_restart_of_its_owner() {
    let mut one = confirmed();
    let told = one.told(peer(tag(3), start()));
    assert!(matches!(told.as_slice(), [LocalCommand::Start { .. }]));
    one.step(local(tag(3), LocalEvent::Started));
    // Nobody writes down that it was kept all the time.
    one.pass(Duration::from_secs(600));
    let saved = one.saved.clone();
    one.core = Core::recover(host_id(OWN), Settings::default(), 2, saved, one.now);
    let (first, grant) = (one.now, grant(1));
    assert_eq!(one.told(Input::Wake), [LocalCommand::Find { grant }]);
    one.pass(Duration::from_millis(10));
    assert_eq!(one.told(local(tag(3), LocalEvent::Started)), []);
    // The word that it gave at once counts, and so does the silence after it.
    let until = first.after(Settings::default().stop_after);
    let told = one.told(peer(tag(3), Body::Keep { sent: first }));
    assert_eq!(told, [LocalCommand::Guard { grant, until }]);
    one.now = Moment(until.0 - 1);
    assert_eq!(one.told(Input::Wake), []);
    one.now = until;
    let told = one.told(Input::Wake);
    assert!(
        matches!(told.as_slice(), [LocalCommand::Stop { .. }]),
        "{told:?}"
    );
}

/// A submitting host that has asked its only peer.
pub fn asked() -> (One, Tag) {
    let mut one = One::new();
    one.step(Input::Record(shared(record(OWN, 0))));
    one.step(Input::Record(shared(record(PEER, 1))));
    let said = one.said(Input::Submit {
        job: job_id(9),
        spec: Arc::new(spec("1g.10gb", 1)),
        spec_hash: hash(1),
        by: BY,
        at: Timestamp(1),
    });
    assert!(
        matches!(said.as_slice(), [Body::Reserve { .. }]),
        "{said:?}"
    );
    (one, tag(1))
}

#[test]
fn an_answer_after_its_deadline_is_given_back_and_not_used() {
    let (mut one, tag) = asked();
    one.pass(Settings::default().reserve_wait);
    assert_eq!(one.said(Input::Wake), [Body::Release]);
    let said = one.said(peer(tag, Body::Reserved(grant(1))));
    assert!(!said.contains(&Body::Confirm(grant(1))), "{said:?}");
    assert_eq!(one.saved.decisions[&tag.job], Decision::Aborted(Attempt(1)));
    one.pass(Settings::default().release_wait);
    one.step(Input::Wake);
    // The next attempt has begun; what is said of the first is still given back.
    assert_eq!(
        one.said(peer(tag, Body::Reserved(grant(1)))),
        [Body::Release]
    );
    let report = one.core.report(tag.job).expect("it goes on");
    assert_eq!((report.state, report.settled), (JobState::Pending, false));
}

#[test]
fn nothing_is_confirmed_before_the_decision_is_durable() {
    let (mut one, tag) = asked();
    let mut out = Vec::new();
    one.core
        .step(one.now, peer(tag, Body::Reserved(grant(1))), &mut out);
    let [Output::Persist { batch, .. }] = out.as_slice() else {
        panic!("{out:?}");
    };
    let persisted = Input::Persisted { batch: *batch };
    assert_eq!(one.said(persisted), [Body::Confirm(grant(1))]);
}

#[test]
fn a_host_speaks_for_itself_alone() {
    let (mut one, tag) = asked();
    let mut lie = record(3, 1);
    lie.version.revision = 99;
    let refused = |record| Body::Refused {
        reason: "no".to_owned(),
        record: Some(Box::new(record)),
    };
    one.step(peer(tag, refused(lie)));
    assert!(one.core.fleet().get(host_id(3)).is_none());
}
