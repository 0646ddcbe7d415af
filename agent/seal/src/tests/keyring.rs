//! Keyrings: their steps, their rotation over a fleet, and their bytes.

use std::collections::{BTreeMap, BTreeSet};

use kerf_membership::OpenError;
use proptest::prelude::{any, prop};
use proptest::{prop_assert_eq, proptest};

use super::{header, host, key, open, seal};
use crate::{
    AeadSealer, DOCUMENT_LIMIT, HostKeys, Key, KeyId, Keyring, KeyringError, KeyringHandle,
    MAX_KEYS, RotationError, Use, may_remove, may_use,
};

fn change(handle: &KeyringHandle, step: impl FnOnce(&mut Keyring) -> Result<bool, KeyringError>) {
    let mut keyring = Keyring::clone(&handle.get());
    step(&mut keyring).expect("the step is allowed");
    handle.replace(keyring);
}

#[test]
fn steps_that_would_harm_are_refused() {
    let (one, two) = (key(1).id(), key(2).id());
    let mut keyring = Keyring::new(key(1));
    let unknown = KeyringError::Unknown { id: two };
    assert_eq!(keyring.use_key(two), Err(unknown));
    assert_eq!(keyring.remove(one), Err(KeyringError::Primary { id: one }));
    assert_eq!(keyring.install(key(2)), Ok(true));
    assert_eq!(keyring.install(key(2)), Ok(false));
    let states = |keyring: &Keyring| keyring.list().iter().map(|k| k.state).collect::<Vec<_>>();
    assert_eq!(states(&keyring), [Use::Used, Use::Installed]);
    assert_eq!(keyring.use_key(two), Ok(true));
    assert_eq!(keyring.use_key(two), Ok(false));
    assert_eq!(states(&keyring), [Use::Installed, Use::Used]);
    assert_eq!(keyring.remove(one), Ok(true));
    assert_eq!(keyring.remove(one), Ok(false));
    for number in 3..=5 {
        keyring.install(key(number)).expect("there is room");
    }
    assert_eq!(keyring.list().len(), MAX_KEYS);
    assert_eq!(keyring.install(key(6)), Err(KeyringError::Full));
}

/// Each host is at one of two neighbouring steps, in every mixture: all hear all, always.
#[test]
fn a_host_one_step_behind_is_heard_and_hears() {
    type Step = fn(&mut Keyring) -> Result<bool, KeyringError>;
    let steps: [(&str, Step); 3] = [
        ("install", |keyring| keyring.install(key(2))),
        ("use", |keyring| keyring.use_key(key(2).id())),
        ("remove", |keyring| keyring.remove(key(1).id())),
    ];
    let handles: Vec<_> = (0..4)
        .map(|_| KeyringHandle::new(Keyring::new(key(1))))
        .collect();
    let mut sealers: Vec<_> = handles.iter().cloned().map(AeadSealer::new).collect();
    let mut all_hear_all = |name: &str, done: usize| {
        for from in 0..sealers.len() {
            let said = header(u128::try_from(from).expect("small"), 1);
            let datagram = seal(&mut sealers[from], &said, b"alive");
            for (to, receiver) in sealers.iter_mut().enumerate().filter(|(to, _)| *to != from) {
                let heard = open(receiver, &datagram);
                assert_eq!(
                    heard,
                    Ok(b"alive".to_vec()),
                    "{name}, {done} done: {from} to {to}"
                );
            }
        }
    };
    all_hear_all("before", 0);
    for (name, step) in steps {
        for (done, handle) in handles.iter().enumerate() {
            change(handle, step);
            all_hear_all(name, done + 1);
        }
    }
    // What the acknowledgements are for: two steps apart are two fleets.
    let (ahead, behind) = (Keyring::new(key(2)), Keyring::new(key(1)));
    let datagram = seal(
        &mut AeadSealer::new(KeyringHandle::new(ahead)),
        &header(9, 1),
        b"alive",
    );
    let mut behind = AeadSealer::new(KeyringHandle::new(behind));
    assert_eq!(
        open(&mut behind, &datagram),
        Err(Some(OpenError::UnknownKey))
    );
}

#[test]
fn a_removed_key_opens_nothing_more() {
    let handle = KeyringHandle::new(Keyring::new(key(1)));
    let mut mine = AeadSealer::new(handle.clone());
    let mut old = AeadSealer::new(KeyringHandle::new(Keyring::new(key(1))));
    open(&mut mine, &seal(&mut old, &header(5, 1), b"body")).expect("it is used");
    change(&handle, |keyring| keyring.install(key(2)));
    change(&handle, |keyring| keyring.use_key(key(2).id()));
    open(&mut mine, &seal(&mut old, &header(5, 1), b"body")).expect("it still opens");
    change(&handle, |keyring| keyring.remove(key(1).id()));
    let late = open(&mut mine, &seal(&mut old, &header(5, 1), b"body"));
    assert_eq!(late, Err(Some(OpenError::UnknownKey)));
}

#[test]
fn phases_wait_for_the_living() {
    let (one, two) = (key(1).id(), key(2).id());
    let living: BTreeSet<_> = [1, 2, 3].map(host).into();
    let has = |installed: &[KeyId], primary| HostKeys {
        installed: installed.iter().copied().collect(),
        primary,
    };
    let mut answers = BTreeMap::from([
        (host(1), has(&[one, two], one)),
        (host(2), has(&[one], one)),
        // Gone, and so not waited for.
        (host(4), has(&[one], one)),
    ]);
    let refused = may_use(two, &living, &answers).expect_err("two of them lack it");
    assert_eq!(refused.hosts(), [2, 3].map(host));
    assert_eq!(
        refused.to_string(),
        format!("key {two} cannot be used yet: 2 of the living hosts have not acknowledged it")
    );
    answers.insert(host(2), has(&[one, two], two));
    answers.insert(host(3), has(&[one, two], two));
    assert_eq!(may_use(two, &living, &answers), Ok(()));
    let still = RotationError::StillUsed {
        id: one,
        hosts: vec![host(1)],
    };
    assert_eq!(may_remove(one, &living, &answers), Err(still));
    answers.insert(host(1), has(&[one, two], two));
    assert_eq!(may_remove(one, &living, &answers), Ok(()));
    answers.remove(&host(3));
    assert!(
        may_remove(one, &living, &answers).is_err(),
        "it said nothing"
    );
}

fn keyring() -> Keyring {
    let mut keyring = Keyring::new(key(1));
    keyring.install(key(2)).expect("there is room");
    keyring.use_key(key(2).id()).expect("it is there");
    keyring
}

#[test]
fn a_keyring_reads_back_and_no_change_of_it_does() {
    let bytes = keyring().to_bytes();
    assert_eq!(Keyring::from_bytes(&bytes).expect("ours"), keyring());
    for at in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[at / 8] ^= 1 << (at % 8);
        assert!(Keyring::from_bytes(&changed).is_err(), "bit {at}");
    }
    // Without the line feed it is whole.
    for length in 0..bytes.len() - 1 {
        assert!(Keyring::from_bytes(&bytes[..length]).is_err(), "{length}");
    }
}

/// Where and what, and nothing of the key.
#[test]
fn errors_say_where_and_tell_no_secret() {
    let text = String::from_utf8(keyring().to_bytes().to_vec()).expect("text");
    let (one, two) = (key(1).id(), key(2).id());
    let secret = "01".repeat(32);
    let check = |from: &str, to: &str, expected: &str| {
        assert!(text.contains(from), "{from}");
        let error = Keyring::from_bytes(text.replacen(from, to, 1).as_bytes());
        let error = error.expect_err(expected);
        assert_eq!(error.to_string(), expected);
        let shown = format!("{error:?}");
        assert!(!shown.contains("010101"), "{shown}");
    };
    check(
        "keyring.v1",
        "keyring.v2",
        "schema: it is not kerf.keyring.v1",
    );
    check(&secret, "0", "keys[0].key is wrong");
    check(
        &format!("\"id\":\"{one}\""),
        "\"id\":\"x\"",
        "keys[0].id is wrong",
    );
    let named = format!("keys[0]: it is called {two}, and the key is {one}");
    check(
        &format!("\"id\":\"{one}\""),
        &format!("\"id\":\"{two}\""),
        &named,
    );
    let none = format!("primary: {one} is none of the keys");
    let without = format!("{{\"id\":\"{one}\",\"key\":\"{secret}\"}},");
    let moved = text.replacen(&without, "", 1);
    let moved = moved.replacen(&two.to_string(), &one.to_string(), 1);
    let error = Keyring::from_bytes(moved.as_bytes()).expect_err("no primary");
    assert_eq!(error.to_string(), none);
    let twice = format!("keys[1]: {one} is there already");
    check(&without, &without.repeat(2), &twice);
    check(
        "\"primary\"",
        "\"other\"",
        "line 1, column 35: it is not a keyring (a field is missing, unknown, twice there or of another type)",
    );
    let many = format!(
        "{without}{}",
        format!("{{\"id\":\"{one}\",\"key\":\"{secret}\"}},").repeat(4)
    );
    check(
        &without,
        &many,
        "keys: there are 6, and a keyring has 1 to 4",
    );
    let long = " ".repeat(DOCUMENT_LIMIT + 1);
    let error = Keyring::from_bytes(long.as_bytes()).expect_err("too long");
    assert!(
        error.to_string().starts_with("it has 16385 bytes"),
        "{error}"
    );
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        assert!(Keyring::from_bytes(&bytes).is_err());
    }

    #[test]
    fn any_keys_read_back(seeds in prop::collection::btree_set(any::<[u8; 32]>(), 1..=MAX_KEYS)) {
        let mut keys = seeds.into_iter().map(Key::new);
        let mut keyring = Keyring::new(keys.next().expect("one at least"));
        for key in keys {
            keyring.install(key).expect("there is room");
        }
        let read = Keyring::from_bytes(&keyring.to_bytes()).expect("ours");
        prop_assert_eq!(read, keyring);
    }
}
