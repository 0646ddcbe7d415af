//! What members are told of each other: made once for an attempt, and the same however often it is said.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kerf_types::host_record::Occupancy;
use kerf_types::job::Network;
use kerf_types::peer::{Attempt, Body, Tag};
use kerf_types::{Gang, HostId, Moment, Timestamp};

use super::fixture::{BY, hash, host_id, job_id, record, shared, slice, spec};
use super::protocol::{OWN, One, PEER, grant, local, peer};
use crate::core::{Core, Input, LocalCommand, LocalEvent, Output, Settings};
use crate::explain::{Explanation, Verdict};
use crate::filter::Refusal;
use crate::fleet::Fleet;
use crate::place::{Wish, place};
use crate::rng::Rng;

fn member(attempt: u32, member: u32) -> Tag {
    Tag {
        job: job_id(9),
        attempt: Attempt(attempt),
        member,
    }
}

fn submit(ask: &str, members: u32) -> Input {
    Input::Submit {
        job: job_id(9),
        spec: Arc::new(spec(ask, members)),
        spec_hash: hash(1),
        by: BY,
        at: Timestamp(1),
    }
}

/// Ports that the peer is asked to keep, member by member.
fn ports(said: &[Body]) -> Vec<Option<u16>> {
    let port = |body: &Body| match body {
        Body::Reserve { master_port, .. } => Some(*master_port),
        _ => None,
    };
    said.iter().filter_map(port).collect()
}

/// The start that the peer is told, if it is.
fn start(said: &[Body]) -> Option<Body> {
    let mut starts = said
        .iter()
        .filter(|body| matches!(body, Body::Start { .. }));
    starts.next().cloned()
}

fn gang_of(start: &Body) -> Arc<Gang> {
    match start {
        Body::Start {
            gang: Some(gang), ..
        } => Arc::clone(gang),
        other => panic!("{other:?}"),
    }
}

/// One member here and one at the peer, both of which have confirmed; what was done about it, and which is the peer's.
fn going(one: &mut One) -> (Vec<Output>, u32) {
    one.step(Input::Record(shared(record(OWN, 1))));
    one.step(Input::Record(shared(record(PEER, 1))));
    let asked = one.step(submit("gpu:1", 2));
    let mut at_peer = asked.iter().filter_map(|output| match output {
        Output::Send { to, message } if *to == host_id(PEER) => Some(message.tag.member),
        _ => None,
    });
    let other = at_peer.next().expect("the peer is asked");
    one.step(local(member(1, 1 - other), LocalEvent::Reserved(grant(1))));
    let reserved = Body::Reserved(grant(2));
    assert_eq!(
        one.said(peer(member(1, other), reserved)),
        [Body::Confirm(grant(2))]
    );
    (one.step(peer(member(1, other), Body::Confirmed)), other)
}

fn to_peer(outputs: &[Output]) -> Vec<Body> {
    let body = |output: &Output| match output {
        Output::Send { to, message } if *to == host_id(PEER) => Some(message.body.clone()),
        _ => None,
    };
    outputs.iter().filter_map(body).collect()
}

#[test]
fn a_start_that_is_sent_again_says_the_same() {
    let mut one = One::new();
    let (outputs, other) = going(&mut one);
    let first = start(&to_peer(&outputs)).expect("the peer is told");
    let gang = gang_of(&first);
    let mut expected = ["10.0.0.1", "10.0.0.2"];
    if other == 0 {
        expected.reverse();
    }
    assert_eq!(gang.addresses().collect::<Vec<_>>(), expected);
    let here = outputs.iter().find_map(|output| match output {
        Output::Local {
            command: LocalCommand::Start { gang, .. },
            ..
        } => gang.clone(),
        _ => None,
    });
    assert_eq!(here, Some(gang), "this host's own member is told the same");
    // A host comes to have another address meanwhile.
    let mut moved = record(PEER, 1);
    moved.address = "10.9.9.9:1".to_owned();
    moved.version.revision = 2;
    one.step(Input::Record(shared(moved)));
    one.pass(Settings::default().resend);
    assert_eq!(start(&one.said(Input::Wake)), Some(first.clone()));
    // And the submitting host dies.
    let saved = one.saved.clone();
    one.core = Core::recover(host_id(OWN), Settings::default(), 2, saved, one.now);
    assert_eq!(start(&one.said(Input::Wake)), Some(first));
}

#[test]
fn the_first_of_several_has_a_port_and_each_attempt_another() {
    let mut one = One::new();
    one.step(Input::Record(shared(record(OWN, 0))));
    one.step(Input::Record(shared(record(PEER, 2))));
    let first = ports(&one.said(submit("gpu:1", 2)));
    let [Some(port), None] = first.as_slice() else {
        panic!("{first:?}");
    };
    let refused = Body::Refused {
        reason: "its port is taken".to_owned(),
        record: None,
    };
    one.step(peer(member(1, 0), refused));
    one.step(peer(member(1, 1), Body::Released));
    let mut newer = record(PEER, 2);
    newer.version.revision = 2;
    one.step(Input::Record(shared(newer)));
    one.pass(Duration::from_secs(1));
    let second = ports(&one.said(Input::Wake));
    let [Some(next), None] = second.as_slice() else {
        panic!("{second:?}");
    };
    assert_ne!(port, next);
}

#[test]
fn a_single_member_has_nobody_to_find() {
    let mut one = One::new();
    one.step(Input::Record(shared(record(OWN, 0))));
    one.step(Input::Record(shared(record(PEER, 1))));
    assert_eq!(ports(&one.said(submit("gpu:1", 1))), [None]);
    one.step(peer(member(1, 0), Body::Reserved(grant(1))));
    let said = one.said(peer(member(1, 0), Body::Confirmed));
    let told = start(&said).expect("it starts");
    assert!(matches!(told, Body::Start { gang: None, .. }), "{told:?}");
}

fn placed(
    fleet: &mut Fleet,
    spec: &kerf_types::job::JobSpec,
) -> Result<(Vec<HostId>, Explanation), Explanation> {
    let wish = Wish {
        spec,
        local: host_id(1),
        now: Moment(10),
        stale_after: Duration::from_secs(60),
        avoid: &BTreeMap::new(),
        claims: &[],
    };
    let placement = place(fleet, &wish, &mut Rng::new(7))?;
    let hosts = placement.members.iter().map(|(host, _)| *host).collect();
    Ok((hosts, placement.explanation))
}

#[test]
fn members_of_one_host_are_neighbours() {
    let mut fleet = Fleet::default();
    for number in [1, 2] {
        let mut free = record(number, 1);
        free.gpus[0].slices = vec![slice(0, Occupancy::Free)];
        fleet.learn(shared(free), Moment(10));
    }
    // The free slice here, the free one there, and then a cut here.
    let (hosts, explanation) = placed(&mut fleet, &spec("1g.10gb", 3)).expect("there is room");
    assert_eq!(hosts, [host_id(1), host_id(1), host_id(2)]);
    let numbers = |host| match &explanation.hosts[&host_id(host)].1 {
        Verdict::Chosen { members, .. } => members.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!((numbers(1), numbers(2)), (vec![0, 1], vec![2]));
}

#[test]
fn who_wants_the_network_gets_no_host_that_keeps_it() {
    let mut fleet = Fleet::default();
    for number in [1, 2] {
        let mut host = record(number, 1);
        host.host_network = number == 2;
        fleet.learn(shared(host), Moment(10));
    }
    let mut wants = spec("gpu:1", 1);
    wants.network = Some(Network::Host);
    let (hosts, explanation) = placed(&mut fleet, &wants).expect("one host gives it");
    assert_eq!(hosts, [host_id(2)]);
    let refused = Verdict::Refused(Arc::new(Refusal::Network));
    assert_eq!(explanation.hosts[&host_id(1)].1, refused);
    assert!(!Refusal::Network.may_pass());
    wants.members = 2;
    let explanation = placed(&mut fleet, &wants).expect_err("the other does not");
    assert_eq!(explanation.unplaced, Some((1, 2)));
    wants.network = Some(Network::None);
    placed(&mut fleet, &wants).expect("that is everywhere");
}
