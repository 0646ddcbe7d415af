//! Messages between hosts: each survives the way, and a start is checked against what was promised.

use std::sync::Arc;
use std::time::Duration;

use kerf_types::job::JobSpec;
use kerf_types::peer::{
    Attempt, Body, By, Exit, Grant, MemberAsk, PeerMessage, SpecHash, Tag, Term,
};
use kerf_types::{Bytes, Fence, HostId, LeaseId, Moment, Timestamp, Turn};
use kerf_types::{Gang, GangHost};
use prost::Message;

use super::check;
use super::record::full_host;
use crate::json::job;
use crate::json::job::spec_hash;
use crate::peer::v1;

fn tag() -> Tag {
    Tag {
        job: kerf_types::JobId::new(5, [1; 10]),
        attempt: Attempt(3),
        member: 2,
    }
}

/// A description in its canonical form.
fn spec() -> JobSpec {
    let full = job::canonical_json(&job::tests::full());
    job::parse(&full).expect("it is canonical")
}

fn bodies() -> Vec<Body> {
    let grant = Grant {
        lease: LeaseId::new(9, [2; 10]),
        fence: Fence::new(4, 77),
    };
    let spec = spec();
    let hash = SpecHash(spec_hash(&spec));
    let reason = "because".to_owned();
    vec![
        Body::Reserve {
            spec_hash: hash,
            ask: MemberAsk {
                accelerator: Some("1g.10gb:2".parse().expect("an ask")),
                cpu_milli: Some(1),
                memory: Some(Bytes(2)),
                host_network: true,
            },
            ttl: Duration::from_millis(10_001),
            master_port: Some(20_001),
            turn: Some(Turn {
                submitted: Timestamp(1_700_000_000_001),
                priority: -3,
                waits: true,
            }),
            keepers: vec![HostId::from_bits(7), HostId::from_bits(u128::MAX)],
        },
        Body::Waiting {
            behind: Some(kerf_types::JobId::new(6, [3; 10])),
            reason: reason.clone(),
        },
        Body::Waiting {
            behind: None,
            reason: reason.clone(),
        },
        Body::Wound {
            by: kerf_types::JobId::new(6, [3; 10]),
        },
        Body::Reserved(grant),
        Body::Refused {
            reason: reason.clone(),
            record: Some(Box::new(full_host())),
        },
        Body::Confirm(grant),
        Body::Confirmed,
        Body::Start {
            spec_hash: hash,
            spec: Arc::new(spec),
            by: by(),
            gang: Some(Arc::new(gang(16))),
        },
        Body::Started,
        Body::StartRefused {
            reason: reason.clone(),
            lasting: true,
        },
        Body::Release,
        Body::Released,
        Body::Alive { sent: Moment(8) },
        Body::Keep { sent: Moment(8) },
        Body::Query,
        Body::Keepers(vec![HostId::from_bits(9)]),
        Body::Ended(Exit {
            code: Some(-1),
            timed_out: true,
            reason,
        }),
    ]
}

fn gang(members: u32) -> Gang {
    let host = |address: &str, members| GangHost {
        address: address.to_owned(),
        members,
    };
    let hosts = vec![host("10.0.0.1", 1), host("fd00::2", members - 1)];
    Gang::try_new(hosts, 20_001).expect("a gang")
}

/// A start in the bytes of the wire, of a job of 16 members.
fn start_with(gang: Option<v1::Gang>) -> v1::PeerMessage {
    let body = v1::peer_message::Body::Start(v1::Start {
        spec_hash: spec_hash(&spec()).to_vec(),
        spec: job::canonical_json(&spec()),
        uid: 1_000,
        gid: 1_001,
        gang,
    });
    v1::PeerMessage {
        tag: Some((&tag()).into()),
        body: Some(body),
        term: 0,
    }
}

#[test]
fn a_start_of_a_host_that_tells_no_gang_is_understood() {
    let read = PeerMessage::try_from(start_with(None)).expect("the start of before");
    assert!(matches!(read.body, Body::Start { gang: None, .. }));
}

/// What a host of before had for [`v1::Start`].
#[derive(Clone, PartialEq, prost::Message)]
struct StartOfBefore {
    #[prost(bytes = "vec", tag = "1")]
    spec_hash: Vec<u8>,
    #[prost(string, tag = "2")]
    spec: String,
    #[prost(uint32, tag = "3")]
    uid: u32,
    #[prost(uint32, tag = "4")]
    gid: u32,
}

#[test]
fn a_host_of_before_understands_a_start_with_a_gang() {
    let message = start_with(Some((&gang(16)).into()));
    let Some(v1::peer_message::Body::Start(start)) = message.body else {
        panic!("it is a start");
    };
    let bytes = start.encode_to_vec();
    let read = StartOfBefore::decode(bytes.as_slice()).expect("the rest is as it was");
    assert_eq!((read.spec_hash, read.spec), (start.spec_hash, start.spec));
    assert_eq!((read.uid, read.gid), (1_000, 1_001));
}

#[test]
fn a_gang_that_cannot_be_is_refused_with_its_place() {
    let check = |change: fn(&mut v1::Gang), expected: &str| {
        let mut gang = v1::Gang::from(&gang(16));
        change(&mut gang);
        let error = PeerMessage::try_from(start_with(Some(gang))).expect_err(expected);
        assert!(error.to_string().contains(expected), "{error}");
    };
    let other = "start.gang.hosts: it has another number of members than the job";
    check(|gang| gang.hosts[0].members = 2, other);
    check(
        |gang| gang.hosts[0].members = 0,
        "or a host without members",
    );
    check(|gang| gang.hosts.clear(), "a gang has no host");
    check(|gang| gang.master_port = 65_536, "a port from 1 to 65535");
    check(|gang| gang.hosts[1].address.push('\n'), "is no address");
    check(
        |gang| gang.hosts = vec![gang.hosts[0].clone(); 4_097],
        "hosts",
    );
}

fn message(body: Body) -> PeerMessage {
    PeerMessage {
        tag: tag(),
        term: Term(5),
        body,
    }
}

/// Nobody is an admin of another host, so that is not sent.
fn by() -> By {
    By {
        uid: 1_000,
        gid: 1_001,
        admin: false,
    }
}

#[test]
fn every_message_survives_the_way() {
    for body in bodies() {
        check::<PeerMessage, v1::PeerMessage>(&message(body));
    }
}

#[test]
fn a_start_with_another_job_than_was_promised_is_refused() {
    let body = Body::Start {
        spec_hash: SpecHash([1; 32]),
        spec: Arc::new(spec()),
        by: by(),
        gang: None,
    };
    let message = v1::PeerMessage::from(&message(body));
    let error = PeerMessage::try_from(message).expect_err("another hash");
    let text = "it is not the description whose hash was given";
    assert!(error.to_string().ends_with(text), "{error}");
}

#[test]
fn a_reason_that_is_too_long_loses_its_end() {
    let body = Body::StartRefused {
        reason: "\u{e9}".repeat(4_000),
        lasting: false,
    };
    let message = v1::PeerMessage::from(&message(body));
    let read = PeerMessage::try_from(message).expect("cut to its limit");
    let Body::StartRefused { reason, .. } = read.body else {
        panic!("another message");
    };
    assert_eq!(reason.len(), 4_096);
}

/// The message of a host that does not know of turns, as far as it matters here.
#[derive(Clone, PartialEq, prost::Message)]
struct OlderReserve {
    #[prost(bytes = "vec", tag = "1")]
    spec_hash: Vec<u8>,
    #[prost(string, optional, tag = "2")]
    accelerator: Option<String>,
    #[prost(uint64, tag = "5")]
    ttl_ms: u64,
}

#[test]
fn a_host_that_does_not_know_of_turns_reads_an_ordinary_ask_and_its_own_is_read() {
    let reserve = bodies().remove(0);
    let message = v1::PeerMessage::from(&PeerMessage {
        tag: tag(),
        term: Term::NONE,
        body: reserve,
    });
    let Some(v1::peer_message::Body::Reserve(sent)) = message.body else {
        panic!("another message");
    };
    let older = OlderReserve::decode(sent.encode_to_vec().as_slice()).expect("it reads it");
    assert_eq!(older.accelerator.as_deref(), Some("1g.10gb:2"));
    assert_eq!(older.ttl_ms, 10_001);
    // Its own ask says nothing of a turn.
    let read = v1::Reserve::decode(older.encode_to_vec().as_slice()).expect("a message");
    let message = v1::PeerMessage {
        tag: Some((&tag()).into()),
        term: 0,
        body: Some(v1::peer_message::Body::Reserve(read)),
    };
    let read = PeerMessage::try_from(message).expect("an ordinary ask");
    let Body::Reserve { turn, .. } = read.body else {
        panic!("another message");
    };
    assert_eq!(turn, None);
}
