//! What was sealed opens once, for its fleet, its sender and its life; anything else does not open.

use std::collections::BTreeSet;

use kerf_membership::wire::Header;
use kerf_membership::{ClusterId, Life, OpenError, SealError, Sealer};
use proptest::prelude::{any, prop};
use proptest::{prop_assert_eq, proptest};

use super::{handle, header, key, open, seal, sealer};
use crate::key::Key;
use crate::{AeadSealer, Keyring, KeyringHandle, OVERHEAD};

proptest! {
    #[test]
    fn what_was_sealed_opens_once(
        body in prop::collection::vec(any::<u8>(), 0..1_400),
        sender in any::<u128>(),
        incarnation in any::<u64>(),
        renewal in any::<u32>(),
    ) {
        let mut said = header(sender, incarnation);
        said.life.renewal = renewal;
        let (mut theirs, mut mine) = (sealer(1), sealer(1));
        let datagram = seal(&mut theirs, &said, &body);
        prop_assert_eq!(datagram.len(), 48 + OVERHEAD + body.len());
        prop_assert_eq!(open(&mut mine, &datagram), Ok(body));
        prop_assert_eq!(open(&mut mine, &datagram), Err(Some(OpenError::Replayed)));
    }

    #[test]
    fn noise_never_opens(noise in prop::collection::vec(any::<u8>(), 0..1_500)) {
        let mut mine = sealer(1);
        let mut datagram = seal(&mut sealer(1), &header(5, 1), b"");
        datagram.truncate(48);
        datagram.extend_from_slice(&noise);
        assert!(open(&mut mine, &datagram).is_err());
        assert!(open(&mut mine, &noise).is_err());
        prop_assert_eq!(mine.sizes(), (0, 0), "nothing is kept of a stranger");
    }
}

#[test]
fn a_change_of_any_bit_is_refused() {
    let mut mine = sealer(1);
    let datagram = seal(&mut sealer(1), &header(5, 1), b"a body of some length");
    for at in 0..datagram.len() * 8 {
        let mut changed = datagram.clone();
        changed[at / 8] ^= 1 << (at % 8);
        assert!(open(&mut mine, &changed).is_err(), "bit {at}");
    }
    for length in 0..datagram.len() {
        assert!(open(&mut mine, &datagram[..length]).is_err(), "{length}");
    }
    let mut longer = datagram.clone();
    longer.push(0);
    assert_eq!(open(&mut mine, &longer), Err(Some(OpenError::Forged)));
    assert_eq!(mine.sizes(), (0, 0));
    open(&mut mine, &datagram).expect("none of it has shut out the true one");
}

#[test]
fn refusals_say_why() {
    let mut mine = sealer(1);
    let good = seal(&mut sealer(1), &header(5, 1), b"body");
    let check = |mine: &mut AeadSealer, datagram: &[u8], why| {
        assert_eq!(open(mine, datagram), Err(Some(why)));
    };
    check(&mut mine, &good[..48 + 27], OpenError::Truncated);
    let stranger = seal(&mut sealer(2), &header(5, 1), b"body");
    check(&mut mine, &stranger, OpenError::UnknownKey);
    let mut claims = stranger.clone();
    claims[48..52].copy_from_slice(&key(1).id().0.to_be_bytes());
    check(&mut mine, &claims, OpenError::Forged);
    let mut zero = good.clone();
    zero[52..60].fill(0);
    check(&mut mine, &zero, OpenError::Forged);
    let mut theirs = sealer(1);
    let later = seal(&mut theirs, &header(5, 2), b"body");
    open(&mut mine, &later).expect("it is good");
    check(&mut mine, &good, OpenError::EarlierLife);
}

/// Neighbouring fleets, senders and lives have different sub-keys, and the header is bound beside them.
#[test]
fn another_fleet_sender_or_life_does_not_open_it() {
    let body = b"body";
    let said = header(5, 1);
    let datagram = seal(&mut sealer(1), &said, body);
    let sealed = &datagram[48..];
    let others = [
        Header {
            cluster: ClusterId(8),
            ..said
        },
        header(6, 1),
        header(5, 2),
        Header {
            life: Life {
                renewal: 1,
                ..said.life
            },
            ..said
        },
    ];
    for other in others {
        let mut moved = Vec::new();
        other.write(&mut moved);
        moved.extend_from_slice(sealed);
        assert_eq!(
            open(&mut sealer(1), &moved),
            Err(Some(OpenError::Forged)),
            "{other:?}"
        );
    }
}

/// Counts the pairs of sub-key and nonce over lives, keys and hosts: as many as datagrams.
#[test]
fn no_nonce_is_used_twice_under_a_sub_key() {
    let mut used = BTreeSet::new();
    let mut sealed = BTreeSet::new();
    let mut count = 0;
    for sender in 1..=3 {
        for incarnation in [1, 2, 1 << 48, (1 << 48) + 1] {
            let said = header(sender, incarnation);
            let handle = handle(1);
            let mut one = AeadSealer::new(handle.clone());
            for at in 0..30 {
                if at == 10 || at == 20 {
                    // There and back: the counter goes on over a rotation.
                    let mut keyring = Keyring::clone(&handle.get());
                    keyring.install(key(2)).expect("there is room");
                    let next = if at == 10 { key(2) } else { key(1) };
                    keyring.use_key(next.id()).expect("it is installed");
                    handle.replace(keyring);
                }
                let datagram = seal(&mut one, &said, b"the same body");
                let with = if (10..20).contains(&at) {
                    key(2)
                } else {
                    key(1)
                };
                let counter = datagram[52..60].to_vec();
                used.insert((with.sub_key(&said).to_vec(), counter));
                sealed.insert(datagram[60..].to_vec());
                count += 1;
            }
        }
    }
    assert_eq!((used.len(), sealed.len()), (count, count));
}

#[test]
fn a_counter_at_its_end_seals_nothing() {
    let mut one = sealer(1);
    one.set_counter(u64::MAX - 1);
    let last = seal(&mut one, &header(5, 1), b"last");
    open(&mut sealer(1), &last).expect("it is the last, and good");
    let mut out = Vec::new();
    for _ in 0..2 {
        let sealed = one.seal(&header(5, 1), b"head", b"body", &mut out);
        assert_eq!(sealed, Err(SealError::Exhausted));
    }
    assert_eq!(out, b"");
}

#[test]
fn keys_are_never_shown() {
    let key = Key::new(*b"0123456789abcdef0123456789abcdef");
    let handle = KeyringHandle::new(Keyring::new(key.clone()));
    let mut one = AeadSealer::new(handle.clone());
    let datagram = seal(&mut one, &header(5, 1), b"body");
    open(&mut AeadSealer::new(handle.clone()), &datagram).expect("good");
    assert_eq!(format!("{key:?}"), format!("Key({})", key.id()));
    let sub: Vec<u8> = key.sub_key(&header(5, 1)).to_vec();
    let shown = format!("{handle:?} {one:?}");
    let list = |bytes: &[u8]| {
        let bytes: Vec<String> = bytes.iter().map(ToString::to_string).collect();
        bytes.join(", ")
    };
    assert!(!shown.contains(&list(key.secret_bytes())), "{shown}");
    assert!(!shown.contains(&list(&sub)), "{shown}");
    assert!(!shown.contains("0123456789"), "{shown}");
}

/// Computed apart from this code, by HKDF (RFC 5869) and the algorithm of RFC 8439, section 2.8, as they stand there.
/// No release may change it unseen: two that differ do not hear each other.
#[test]
fn the_bytes_stay_what_they_are() {
    // The newest layout that the sender reads is among the associated data, and grows with releases.
    let sender = Header {
        reads: 1,
        ..header(5, 1)
    };
    let datagram = seal(&mut sealer(1), &sender, b"body");
    let hex: String = datagram[48..].iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(
        hex,
        "63779549000000000000000101fcac3f210813f8165399f72d0a17dc3a84cc30"
    );
}
