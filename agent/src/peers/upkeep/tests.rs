//! Whom a member asks.

use std::sync::Arc;
use std::time::Duration;

use kerf_membership::{Identity, Incarnation, Life, State};
use kerf_telemetry::SelfMetrics;
use kerf_types::HostId;
use tokio::sync::mpsc;

use super::{ASKED, asked_for_renewal};
use crate::events::Events;
use crate::peers::Me;
use crate::peers::roster::Peer;
use crate::peers::shared::Shared;

fn name(number: u128) -> kerf_types::HostName {
    format!("h{number}").parse().expect("a label")
}

fn peer(number: u128) -> Peer {
    let at = "127.0.0.1:9".parse().expect("loopback");
    Peer {
        identity: Identity {
            host: HostId::from_bits(number),
            name: name(number),
            gossip: at,
            api: at,
            life: Life {
                incarnation: Incarnation(1),
                renewal: 0,
            },
        },
        state: State::Alive,
        since: Duration::ZERO,
        heard_ms: None,
        record_age_ms: None,
        record: None,
    }
}

/// A host that knows this many others.
fn among(count: u128) -> Shared {
    let me = Me {
        host: HostId::from_bits(0),
        name: name(0),
        incarnation: Incarnation(1),
    };
    let (sink, _) = mpsc::channel(1);
    let metrics = Arc::new(SelfMetrics::try_new().expect("declared well"));
    let at = "127.0.0.1:9".parse().expect("loopback");
    let shared = Shared::new(me, at, None, sink, Events::default(), metrics);
    shared
        .roster
        .send_replace(Arc::new((1..=count).map(peer).collect()));
    shared
}

fn hosts(asked: &[Peer]) -> Vec<HostId> {
    asked.iter().map(|peer| peer.identity.host).collect()
}

#[test]
fn of_hundreds_the_one_that_signed_last_is_asked_first_and_once() {
    let shared = among(400);
    for number in [1, 200, 400] {
        let issuer = HostId::from_bits(number);
        let asked = hosts(&asked_for_renewal(&shared, Some(issuer)));
        assert_eq!(asked.first(), Some(&issuer), "{asked:?}");
        assert_eq!(asked.iter().filter(|host| **host == issuer).count(), 1);
        assert!((ASKED..=ASKED + 1).contains(&asked.len()), "{asked:?}");
    }
    // One that is not known, or not listed, keeps nobody from asking others.
    for issuer in [None, Some(HostId::from_bits(401))] {
        assert_eq!(asked_for_renewal(&shared, issuer).len(), ASKED);
    }
    let few = among(3);
    let asked = hosts(&asked_for_renewal(&few, Some(HostId::from_bits(2))));
    assert_eq!(
        (asked.len(), asked.first()),
        (3, Some(&HostId::from_bits(2)))
    );
}

#[test]
fn the_one_that_signs_is_asked_also_while_nobody_hears_of_it() {
    let shared = among(2);
    shared.roster.send_modify(|peers| {
        let mut changed = Vec::clone(peers);
        changed[1].state = State::Down;
        *peers = Arc::new(changed);
    });
    let asked = hosts(&asked_for_renewal(&shared, Some(HostId::from_bits(2))));
    assert_eq!(asked, [HostId::from_bits(2), HostId::from_bits(1)]);
}
