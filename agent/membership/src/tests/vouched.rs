//! Records are taken with their writer's proof alone, and nobody is listened to without end.

use kerf_types::HostId;

use super::world::{CLUSTER, World, address, id, identity};
use crate::digest::BUCKETS;
use crate::vouch::signed_bytes;
use crate::wire::{Delta, HEADER_BYTES, Header, MAX_DATAGRAM, Measure, Message, parts};
use crate::{
    Aged, DropReason, Incarnation, Input, Moment, Payload, Proof, ProofError, Record, Stamp,
    Voucher, Vouching,
};

/// A voucher whose signature is the host's id before a sum of the bytes: enough to tell whose it is.
#[derive(Debug)]
struct Named(HostId);

fn proof(host: HostId, bytes: &[u8]) -> Proof {
    let sum = bytes.iter().fold(7_u64, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(u64::from(*byte))
    });
    let mut proof = host.bits().to_be_bytes().to_vec();
    proof.extend_from_slice(&sum.to_be_bytes());
    // As long as a real one.
    proof.resize(169, 0);
    Proof::try_new(&proof).unwrap()
}

impl Voucher for Named {
    fn proof_bytes(&self) -> usize {
        169
    }

    fn prove(&mut self, bytes: &[u8]) -> Proof {
        proof(self.0, bytes)
    }

    fn check(&mut self, host: HostId, bytes: &[u8], shown: &Proof) -> Result<(), ProofError> {
        match shown {
            shown if shown.as_bytes().is_empty() => Err(ProofError::Missing),
            shown if *shown == proof(host, bytes) => Ok(()),
            _ => Err(ProofError::Signature),
        }
    }
}

fn world(hosts: u16) -> World {
    World::vouched(hosts, |number| {
        Vouching::Signed(Box::new(Named(id(number))))
    })
}

fn record(host: u16, version: u64, text: &str) -> Record {
    Record {
        host: id(host),
        stamp: Stamp {
            incarnation: Incarnation(1),
            version,
        },
        left: false,
        payload: Payload::try_new(text.as_bytes()).unwrap(),
        proof: Proof::default(),
    }
}

/// Host 2 sends a record as it is.
fn sent(record: Record) -> Vec<u8> {
    let delta = Delta {
        records: vec![Aged { record, age_ms: 5 }],
        ..Delta::default()
    };
    let mut bytes = Vec::new();
    Header::new(CLUSTER, id(2), identity(2, 1).life).write(&mut bytes);
    Message::Delta(delta).write(&mut bytes);
    bytes
}

#[test]
fn a_relay_passes_on_what_the_writer_signed_and_nothing_else() {
    let mut world = world(3);
    assert_eq!(world.record(1, 3), Some("first of 3".to_owned()));
    let signed = |mut record: Record, by: u16| {
        record.proof = proof(id(by), &signed_bytes(CLUSTER, &record));
        record
    };
    let good = signed(record(3, 5, "by 3"), 3);
    let mut changed = good.clone();
    changed.payload = Payload::try_new(b"by 2").unwrap();
    let mut later = good.clone();
    later.stamp.version = 9;
    let mut goodbye = good.clone();
    goodbye.left = true;
    for lie in [changed, later, goodbye, signed(record(3, 5, "by 2"), 2)] {
        world.inject(1, address(2), &sent(lie));
    }
    world.inject(1, address(2), &sent(record(3, 5, "by nobody")));
    let unproven = &world.cores[&1].stats().records_unproven;
    let counts: Vec<_> = unproven.iter().map(|(why, count)| (*why, *count)).collect();
    assert_eq!(
        counts,
        [(ProofError::Missing, 1), (ProofError::Signature, 4)]
    );
    assert_eq!(world.record(1, 3), Some("first of 3".to_owned()));
    world.inject(1, address(2), &sent(good));
    assert_eq!(world.record(1, 3), Some("by 3".to_owned()));
}

/// Proofs make records longer; a long one goes in a stream, and no datagram grows beyond its limit.
#[test]
fn records_of_any_length_arrive_with_their_proofs() {
    let mut world = world(4);
    let overhead = HEADER_BYTES + 300;
    for length in (0..=MAX_DATAGRAM)
        .step_by(97)
        .chain([MAX_DATAGRAM - overhead, 8_000])
    {
        let text = "x".repeat(length);
        world.publish(3, &text);
        world.run_for(5_000);
        for other in [1, 2, 4] {
            assert_eq!(world.record(other, 3).map(|t| t.len()), Some(length));
        }
    }
    for core in world.cores.values() {
        assert_eq!(core.stats().unsendable, 0);
        assert!(core.stats().records_unproven.is_empty());
    }
    world.input(3, Input::Leave);
    world.run_for(1_000);
    assert_eq!(
        world.state(1, 3),
        Some(crate::State::Left),
        "its goodbye is signed too"
    );
}

/// What fits in a datagram is reckoned with the proof.
#[test]
fn a_record_is_reckoned_as_long_as_it_can_be() {
    let core = |vouching| super::world::core(identity(1, 1), Moment(0), vouching);
    let longest = |proof| {
        let mut record = record(3, u64::MAX, "four");
        record.stamp.incarnation = Incarnation(u64::MAX);
        record.proof = proof;
        let age_ms = u64::MAX;
        let mut measure = Measure::default();
        parts::put_record(&mut measure, &Aged { record, age_ms });
        measure.0
    };
    let signed = core(Vouching::Signed(Box::new(Named(id(1))))).bytes_of_record(4);
    let unsigned = core(Vouching::Unsigned).bytes_of_record(4);
    assert_eq!(signed, unsigned + 169);
    // The length of a payload takes one byte of the two that the longest one needs.
    assert_eq!(longest(proof(id(3), b"")) + 1, signed);
    assert!(longest(Proof::default()) < unsigned);
}

/// Signed records are under a flag, and new kinds of messages in a version of their own: both together.
#[test]
fn one_host_in_three_of_the_release_before_has_all_signed_records() {
    let vouching = |number| Vouching::Signed(Box::new(Named(id(number))));
    let mut world = World::of(6, vouching, |number| if number % 3 == 0 { 1 } else { 2 });
    for writer in [2, 3] {
        let news = format!("news of {writer}");
        world.publish(writer, &news);
        world.run_for(5_000);
        for number in 1..=6 {
            let others = (number != writer).then(|| world.record(number, writer));
            assert!(
                others.is_none_or(|seen| seen.as_ref() == Some(&news)),
                "{number}"
            );
        }
    }
    for core in world.cores.values() {
        assert!(core.stats().records_unproven.is_empty());
        assert_eq!(core.stats().dropped.get(&DropReason::Version), None);
    }
}

#[test]
fn nobody_is_listened_to_without_end() {
    let mut world = World::new(3);
    let mut flood = Vec::new();
    Header::new(CLUSTER, id(2), identity(2, 1).life).write(&mut flood);
    Message::Digest([1; BUCKETS]).write(&mut flood);
    for _ in 0..4_000 {
        world.inject(1, address(2), &flood);
    }
    let dropped = |world: &World| {
        let dropped = &world.cores[&1].stats().dropped;
        dropped.get(&DropReason::Rate).copied().unwrap_or(0)
    };
    assert!(
        (1_900..2_000).contains(&dropped(&world)),
        "{}",
        dropped(&world)
    );
    world.run_for(1_500);
    let before = dropped(&world);
    world.publish(3, "another goes on");
    world.run_for(3_000);
    assert_eq!(world.record(1, 3), Some("another goes on".to_owned()));
    assert_eq!(dropped(&world), before, "and the next round hears it again");
    assert_eq!(world.state(1, 2), Some(crate::State::Alive));
}
