//! Records: only their writer signs them, and only while the CA's word for it holds.

use std::collections::BTreeSet;

use kerf_membership::vouch::signed_bytes;
use kerf_membership::{ClusterId, Incarnation, Payload, Proof, ProofError, Record, Stamp, Voucher};
use kerf_types::HostId;

use super::{CLUSTER, host};
use crate::{Authority, STATEMENT_BYTES, Signer, Statement, StatementError, Trust, WallClock};

const GOOD_UNTIL: u64 = 1_000_000;

struct World {
    authority: Authority,
    trust: Trust,
    clock: WallClock,
}

impl World {
    fn new() -> Self {
        let authority = Authority::from_seed(CLUSTER, &[9; 32]).expect("a seed");
        Self {
            trust: Trust::new(CLUSTER, vec![authority.public_key()]),
            clock: WallClock::default(),
            authority,
        }
    }

    fn signer(&self, number: u8) -> Signer {
        let state = |key| self.authority.issue(host(number.into()), key, GOOD_UNTIL);
        let (trust, clock) = (self.trust.clone(), self.clock.clone());
        Signer::from_seed(&[number; 32], trust, clock, state).expect("a seed")
    }
}

fn record(number: u128, version: u64, text: &str) -> Record {
    Record {
        host: host(number),
        stamp: Stamp {
            incarnation: Incarnation(1),
            version,
        },
        left: false,
        payload: Payload::try_new(text.as_bytes()).expect("short"),
        proof: Proof::default(),
    }
}

fn sign(signer: &mut Signer, mut record: Record) -> Record {
    record.proof = signer.prove(&signed_bytes(CLUSTER, &record));
    record
}

fn check(signer: &mut Signer, record: &Record) -> Result<(), ProofError> {
    signer.check(record.host, &signed_bytes(CLUSTER, record), &record.proof)
}

#[test]
fn only_the_writer_signs_its_record() {
    let world = World::new();
    let (mut one, mut two) = (world.signer(1), world.signer(2));
    let good = sign(&mut two, record(2, 5, "mine"));
    assert_eq!(good.proof.as_bytes().len(), two.proof_bytes());
    for _ in 0..2 {
        assert_eq!(
            check(&mut one, &good),
            Ok(()),
            "first by the CA, then from memory"
        );
    }
    type Change = fn(&mut Record);
    let changes: [(&str, Change); 4] = [
        ("payload", |r| {
            r.payload = Payload::try_new(b"yours").expect("short")
        }),
        ("version", |r| r.stamp.version = 6),
        ("incarnation", |r| r.stamp.incarnation = Incarnation(2)),
        ("left", |r| r.left = true),
    ];
    for (what, change) in changes {
        let mut changed = good.clone();
        change(&mut changed);
        assert_eq!(
            check(&mut one, &changed),
            Err(ProofError::Signature),
            "{what}"
        );
    }
    // A member signs in another's name, and sends another's record as a third one's.
    let mut forged = sign(&mut one, record(2, 6, "his"));
    assert_eq!(check(&mut one, &forged), Err(ProofError::Unbound));
    forged.proof = Proof::default();
    assert_eq!(check(&mut one, &forged), Err(ProofError::Missing));
    let mut moved = good.clone();
    moved.host = host(3);
    assert_eq!(check(&mut one, &moved), Err(ProofError::Unbound));
    let elsewhere = signed_bytes(ClusterId(8), &good);
    assert_eq!(
        one.check(good.host, &elsewhere, &good.proof),
        Err(ProofError::Signature)
    );
}

#[test]
fn every_bit_of_a_proof_counts() {
    let world = World::new();
    let (mut one, mut two) = (world.signer(1), world.signer(2));
    let good = sign(&mut two, record(2, 5, "mine"));
    check(&mut one, &good).expect("good, and remembered");
    let proof = good.proof.as_bytes();
    for at in 0..proof.len() * 8 {
        let mut bytes = proof.to_vec();
        bytes[at / 8] ^= 1 << (at % 8);
        let mut changed = good.clone();
        changed.proof = Proof::try_new(&bytes).expect("as long");
        assert!(check(&mut one, &changed).is_err(), "bit {at}");
    }
    for length in 1..proof.len() {
        let mut cut = good.clone();
        cut.proof = Proof::try_new(&proof[..length]).expect("shorter");
        assert_eq!(
            check(&mut one, &cut),
            Err(ProofError::Malformed),
            "{length}"
        );
    }
}

#[test]
fn statements_end_and_are_taken_back() {
    let world = World::new();
    let (mut one, mut two) = (world.signer(1), world.signer(2));
    let good = sign(&mut two, record(2, 5, "mine"));
    world.clock.set(GOOD_UNTIL + 300);
    assert_eq!(check(&mut one, &good), Ok(()), "clocks differ by minutes");
    world.clock.set(GOOD_UNTIL + 301);
    assert_eq!(
        check(&mut one, &good),
        Err(ProofError::Expired),
        "also from memory"
    );
    // It is renewed, in the membership core's own signer.
    let state = |key| world.authority.issue(host(2), key, 2 * GOOD_UNTIL);
    let next = Signer::from_seed(&[22; 32], world.trust.clone(), world.clock.clone(), state);
    two.clone().renew(next.expect("a seed"));
    let renewed = sign(&mut two, record(2, 6, "mine"));
    assert_eq!(check(&mut one, &renewed), Ok(()));
    let key = Statement::from_bytes(&renewed.proof.as_bytes()[64..]);
    let key = key.expect("a statement").public_key;
    world.trust.set_revoked(BTreeSet::from([key]));
    assert_eq!(check(&mut one, &renewed), Err(ProofError::Revoked));
    world.trust.set_revoked(BTreeSet::new());
    assert_eq!(check(&mut one, &renewed), Ok(()));
    world.trust.set_revoked_hosts(BTreeSet::from([host(2)]));
    assert_eq!(
        check(&mut one, &renewed),
        Err(ProofError::Revoked),
        "by whatever key"
    );
    world.trust.set_revoked_hosts(BTreeSet::new());
    assert_eq!(check(&mut one, &renewed), Ok(()));
    world.trust.set_authorities(Vec::new());
    assert_eq!(
        check(&mut one, &renewed),
        Err(ProofError::Unbound),
        "also from memory"
    );
}

#[test]
fn a_statement_is_for_one_host_of_one_fleet() {
    let authority = Authority::from_seed(CLUSTER, &[9; 32]).expect("a seed");
    let other = Authority::from_seed(CLUSTER, &[10; 32]).expect("a seed");
    let statement = authority.issue(host(1), [7; 32], GOOD_UNTIL);
    let verify =
        |cluster, host: HostId, key: &[u8; 32], now_s| statement.verify(key, cluster, host, now_s);
    let key = authority.public_key();
    assert_eq!(verify(CLUSTER, host(1), &key, 0), Ok(()));
    let wrong = Err(StatementError::Signature);
    assert_eq!(verify(ClusterId(8), host(1), &key, 0), wrong);
    assert_eq!(verify(CLUSTER, host(2), &key, 0), wrong);
    assert_eq!(verify(CLUSTER, host(1), &other.public_key(), 0), wrong);
    let expired = StatementError::Expired {
        not_after_s: GOOD_UNTIL,
    };
    assert_eq!(verify(CLUSTER, host(1), &key, 2 * GOOD_UNTIL), Err(expired));
    let bytes = statement.to_bytes();
    assert_eq!(bytes.len(), STATEMENT_BYTES);
    assert_eq!(Statement::from_bytes(&bytes), Ok(statement));
    let malformed = Err(StatementError::Malformed);
    assert_eq!(Statement::from_bytes(&bytes[1..]), malformed);
    assert_eq!(Statement::from_bytes(b""), malformed);
    assert!(!format!("{authority:?}").contains('9'), "{authority:?}");
}
