//! Messages between hosts: each survives the way, and a start is checked against what was promised.

use std::sync::Arc;
use std::time::Duration;

use kerf_types::job::JobSpec;
use kerf_types::peer::{Attempt, Body, By, Exit, Grant, MemberAsk, PeerMessage, SpecHash, Tag};
use kerf_types::{Bytes, Fence, LeaseId, Moment};

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
            },
            ttl: Duration::from_millis(10_001),
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
        Body::Ended(Exit {
            code: Some(-1),
            timed_out: true,
            reason,
        }),
    ]
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
        check::<PeerMessage, v1::PeerMessage>(&PeerMessage { tag: tag(), body });
    }
}

#[test]
fn a_start_with_another_job_than_was_promised_is_refused() {
    let body = Body::Start {
        spec_hash: SpecHash([1; 32]),
        spec: Arc::new(spec()),
        by: by(),
    };
    let message = v1::PeerMessage::from(&PeerMessage { tag: tag(), body });
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
    let message = v1::PeerMessage::from(&PeerMessage { tag: tag(), body });
    let read = PeerMessage::try_from(message).expect("cut to its limit");
    let Body::StartRefused { reason, .. } = read.body else {
        panic!("another message");
    };
    assert_eq!(reason.len(), 4_096);
}
