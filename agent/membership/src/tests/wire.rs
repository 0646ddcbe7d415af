//! What is written reads back, and no bytes at all make the reader panic.

use proptest::prelude::*;

use super::world::{CLUSTER, core, id, identity};
use crate::digest::{BUCKETS, bucket_of};
use crate::wire::{
    Confirm, Delta, HEADER_BYTES, HELLO_BYTES, Header, Known, Message, Peer, Profile, Silent, Span,
    Swim, Versions,
};
use crate::{
    Aged, Answer, DropReason, Incarnation, Input, Life, Moment, Payload, Proof, Record, Stamp,
    Vouching, Wanted,
};

fn known(number: u16) -> Known {
    Known {
        host: id(number),
        life: identity(number, 1 << 48).life,
        stamp: (!number.is_multiple_of(3)).then_some(Stamp {
            incarnation: Incarnation(u64::MAX),
            version: u64::from(number),
        }),
        payload_bytes: usize::from(number % 8_192),
    }
}

fn member(number: u16, state: foca::State) -> Peer {
    Peer::new(identity(number, 3), 7, state)
}

fn swim_examples() -> Vec<Message> {
    use foca::Message as M;
    let (target, origin, probe_number) = (identity(6, 2), identity(6, 2), 1);
    let messages = vec![
        M::Ping(255),
        M::Ack(0),
        M::PingReq {
            target: target.clone(),
            probe_number,
        },
        M::IndirectPing {
            origin: origin.clone(),
            probe_number,
        },
        M::IndirectAck {
            target,
            probe_number,
        },
        M::ForwardedAck {
            origin,
            probe_number,
        },
        M::Announce,
        M::Feed,
        M::Gossip,
        M::TurnUndead,
    ];
    let swim = |message| {
        Message::Swim(Swim {
            sender: Profile::of(&identity(1, 1)),
            refutation: 9,
            to: (id(2), identity(2, 5).life),
            message,
            updates: vec![
                member(3, foca::State::Suspect),
                member(4, foca::State::Down),
            ],
        })
    };
    messages.into_iter().map(swim).collect()
}

fn examples() -> Vec<Message> {
    let profile = Profile::of(&identity(1, 1));
    let mut other_api = profile.clone();
    other_api.api = "[2001:db8::1]:9".parse().unwrap();
    let record = Record {
        host: id(5),
        stamp: Stamp {
            incarnation: Incarnation(3),
            version: 300,
        },
        left: true,
        payload: Payload::try_new(b"payload").unwrap(),
        proof: Proof::try_new(b"proof").unwrap(),
    };
    let span = Span {
        bucket: u8::try_from(bucket_of(id(4))).unwrap(),
        part: Some((id(4), id(4))),
        known: vec![known(4)],
    };
    let delta = Delta {
        members: vec![member(3, foca::State::Alive)],
        offers: vec![known(4)],
        wants: vec![id(8)],
        records: vec![Aged {
            record,
            age_ms: u64::MAX,
        }],
    };
    let mut all = swim_examples();
    all.extend([
        Message::Hello(profile),
        Message::Welcome(other_api),
        Message::Digest([7; BUCKETS]),
        Message::Versions(Versions { spans: vec![span] }),
        Message::Delta(delta),
        Message::Suspected(id(1), identity(1, 1).life, 3),
        Message::Silent(Silent {
            target: id(3),
            probe_number: 200,
        }),
        Message::Confirm(Confirm {
            accuser: id(4),
            suspect: id(5),
            life: identity(5, 1 << 48).life,
            refutation: u16::MAX,
        }),
        Message::Forgotten(vec![
            (id(6), identity(6, 9).life),
            (id(7), identity(7, 1).life),
        ]),
    ]);
    all
}

#[test]
fn every_message_reads_back() {
    for message in examples() {
        let mut bytes = Vec::new();
        message.write(&mut bytes);
        assert_eq!(Message::read(&bytes).as_ref(), Ok(&message));
    }
}

#[test]
fn no_message_can_be_cut_or_lengthened() {
    for message in examples() {
        let mut bytes = Vec::new();
        message.write(&mut bytes);
        for length in 0..bytes.len() {
            assert!(
                Message::read(&bytes[..length]).is_err(),
                "{message:?} cut to {length}"
            );
        }
        bytes.push(0);
        assert!(
            Message::read(&bytes).is_err(),
            "{message:?} with one byte more"
        );
    }
}

#[test]
fn a_welcome_is_never_longer_than_a_hello() {
    let mut longest = identity(1, 1);
    longest.name = "x".repeat(63).parse().unwrap();
    longest.gossip = "[2001:db8::1]:1".parse().unwrap();
    longest.api = "[2001:db8::2]:1".parse().unwrap();
    let mut hello = Vec::new();
    Message::Hello(Profile::of(&longest)).write(&mut hello);
    let mut welcome = Vec::new();
    Message::Welcome(Profile::of(&longest)).write(&mut welcome);
    assert_eq!(hello.len(), HELLO_BYTES);
    assert!(welcome.len() <= hello.len(), "{}", welcome.len());
}

#[test]
fn the_header_stands_where_the_table_says() {
    let life = Life {
        incarnation: Incarnation(0x0102_0304_0506_0708),
        renewal: 0x0a0b_0c0d,
    };
    let mut bytes = Vec::new();
    Header::new(CLUSTER, id(1), life).write(&mut bytes);
    assert_eq!(bytes.len(), HEADER_BYTES);
    assert_eq!(bytes[..4], [b'k', b'g', 1, 2]);
    assert_eq!(bytes[4..20], CLUSTER.0.to_be_bytes());
    assert_eq!(bytes[20..36], id(1).bits().to_be_bytes());
    assert_eq!(bytes[36..44], [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(bytes[44..48], [10, 11, 12, 13]);
}

#[test]
fn a_range_of_versions_is_read() {
    let mut bytes = Vec::new();
    Header::new(CLUSTER, id(1), identity(1, 1).life).write(&mut bytes);
    for (version, reads, wanted) in [
        (1, 1, Ok(())),
        (1, 2, Ok(())),
        (1, 255, Ok(())),
        (0, 1, Err(DropReason::Version)),
        (2, 2, Ok(())),
        (2, 1, Err(DropReason::Version)),
        (3, 3, Err(DropReason::Version)),
        (1, 0, Err(DropReason::Version)),
    ] {
        bytes[2] = version;
        bytes[3] = reads;
        assert_eq!(
            Header::split(&bytes).map(|_| ()),
            wanted,
            "{version} {reads}"
        );
    }
}

#[test]
fn pulls_read_back() {
    for wanted in [
        Wanted::Everything,
        Wanted::Hosts(vec![id(1), id(2)]),
        Wanted::Newer(vec![known(4), known(5)]),
    ] {
        assert_eq!(Wanted::from_bytes(&wanted.to_bytes()), Ok(wanted));
    }
    let world = super::world::World::new(3);
    let answer = world.cores[&1].answer(&Wanted::Everything);
    assert_eq!(answer.identities().count(), 3);
    assert_eq!(answer.records().len(), 3);
    assert_eq!(Answer::from_bytes(&answer.to_bytes()), Ok(answer));
}

proptest! {
    #[test]
    fn random_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..1_500)) {
        if let Ok(message) = Message::read(&bytes) {
            let mut again = Vec::new();
            message.write(&mut again);
            prop_assert_eq!(Message::read(&again), Ok(message));
        }
        if let Ok(wanted) = Wanted::from_bytes(&bytes) {
            prop_assert_eq!(Wanted::from_bytes(&wanted.to_bytes()), Ok(wanted));
        }
        if let Ok(answer) = Answer::from_bytes(&bytes) {
            prop_assert_eq!(Answer::from_bytes(&answer.to_bytes()), Ok(answer));
        }
    }

    #[test]
    fn one_wrong_byte_is_read_or_refused(
        which in 0_usize..19,
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut bytes = Vec::new();
        examples()[which].write(&mut bytes);
        let place = place.index(bytes.len());
        bytes[place] = byte;
        if let Ok(message) = Message::read(&bytes) {
            let mut again = Vec::new();
            message.write(&mut again);
            prop_assert_eq!(Message::read(&again), Ok(message));
        }
    }

    #[test]
    fn random_bytes_change_nothing(bytes in prop::collection::vec(any::<u8>(), 0..1_500)) {
        let mut core = core(identity(1, 1), Moment(0), Vouching::Unsigned);
        let mut out = Vec::new();
        let from = identity(2, 1).gossip;
        let wakeup = core.next_wakeup();
        core.step(Moment(0), Input::Datagram { from, bytes }, &mut out);
        prop_assert!(out.is_empty());
        prop_assert_eq!(core.members(Moment(0)).count(), 0);
        prop_assert_eq!(core.next_wakeup(), wakeup);
        prop_assert_eq!(core.stats().dropped_in_all(), 1);
    }
}
