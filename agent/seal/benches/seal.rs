//! What sealing costs: a datagram of 1,200 bytes sealed, opened, and refused for each reason; a record signed and
//! checked. One thread; prints the median of many batches in nanoseconds a call.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark reads the clock and prints what it found"
)]

use std::hint::black_box;
use std::time::Instant;

use kerf_membership::wire::{HEADER_BYTES, Header};
use kerf_membership::{ClusterId, Incarnation, Life, Sealer, Voucher};
use kerf_seal::{
    AeadSealer, Authority, Key, Keyring, KeyringHandle, OVERHEAD, Signer, Trust, WallClock,
};
use kerf_types::HostId;

const CLUSTER: ClusterId = ClusterId(7);
const DATAGRAM: usize = 1_200;
const BATCHES: usize = 101;
const CALLS: usize = 200;

fn header(sender: u128) -> Header {
    let life = Life {
        incarnation: Incarnation(1),
        renewal: 0,
    };
    Header::new(CLUSTER, HostId::from_bits(sender), life)
}

fn sealer(key: u8) -> AeadSealer {
    AeadSealer::new(KeyringHandle::new(Keyring::new(Key::new([key; 32]))))
}

fn seal(sealer: &mut AeadSealer, sender: &Header) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(DATAGRAM);
    sender.write(&mut bytes);
    let head = bytes.clone();
    let body = [7; DATAGRAM - HEADER_BYTES - OVERHEAD];
    let sealed = sealer.seal(sender, &head, &body, &mut bytes);
    assert!(sealed.is_ok(), "nonces are left");
    bytes
}

fn open(sealer: &mut AeadSealer, datagram: &[u8]) -> bool {
    let Ok((header, head, sealed)) = Header::split(datagram) else {
        return false;
    };
    let mut out = Vec::with_capacity(DATAGRAM);
    sealer.open(&header, head, sealed, &mut out).is_ok()
}

fn measure(name: &str, mut call: impl FnMut(usize)) {
    let mut times = Vec::with_capacity(BATCHES);
    for batch in 0..BATCHES {
        let start = Instant::now();
        for at in 0..CALLS {
            call(batch * CALLS + at);
        }
        times.push(start.elapsed().as_nanos() / CALLS as u128);
    }
    times.sort_unstable();
    let median = times.get(BATCHES / 2).copied().unwrap_or_default();
    println!("{name:<58} {median:>7} ns");
}

fn main() {
    let mut theirs = sealer(1);
    measure("seal", |_| {
        black_box(seal(&mut theirs, &header(5)));
    });
    let mut theirs = sealer(1);
    let genuine: Vec<_> = (0..BATCHES * CALLS)
        .map(|_| seal(&mut theirs, &header(5)))
        .collect();
    let mut mine = sealer(1);
    measure("open", |at| {
        let opened = genuine.get(at).is_some_and(|it| open(&mut mine, it));
        assert!(opened, "it is genuine");
    });
    let refuse = |mine: &mut AeadSealer, name: &str, junk: &dyn Fn(usize) -> Vec<u8>| {
        let junk: Vec<_> = (0..BATCHES * CALLS).map(junk).collect();
        measure(name, |at| {
            let opened = junk.get(at).is_some_and(|it| open(mine, it));
            assert!(!opened, "{name}");
        });
    };
    refuse(&mut mine, "refuse: noise", &|_| vec![0x5a; DATAGRAM]);
    let stranger = seal(&mut sealer(2), &header(5));
    refuse(&mut mine, "refuse: a key that is not known", &|_| {
        stranger.clone()
    });
    refuse(&mut mine, "refuse: a replay", &|at| {
        genuine.get(at).cloned().unwrap_or_default()
    });
    let key = Key::new([1; 32]).id().0.to_be_bytes();
    let forged = |sender: u128| {
        let mut bytes = Vec::with_capacity(DATAGRAM);
        header(sender).write(&mut bytes);
        bytes.extend_from_slice(&key);
        bytes.extend_from_slice(&u64::MAX.to_be_bytes());
        bytes.resize(DATAGRAM, 7);
        bytes
    };
    refuse(
        &mut mine,
        "refuse: forged, in the name of a known sender",
        &|_| forged(5),
    );
    refuse(&mut mine, "refuse: forged, each in another name", &|at| {
        forged(1_000 + at as u128)
    });
    records();
}

/// A record of 300 bytes.
fn records() {
    let authority = Authority::from_seed(CLUSTER, &[9; 32]).expect("32 bytes");
    let trust = Trust::new(CLUSTER, vec![authority.public_key()]);
    let host = HostId::from_bits;
    let signer = |number: u8| {
        let state = |key| authority.issue(host(number.into()), key, 1);
        Signer::from_seed(&[number; 32], trust.clone(), WallClock::default(), state)
    };
    let mut one = signer(1).expect("32 bytes");
    let mut two = signer(2).expect("32 bytes");
    let bytes = [7; 300];
    let proof = two.prove(&bytes);
    measure("sign a record", |_| {
        black_box(two.prove(&bytes));
    });
    measure("check a record of a host whose statement is known", |_| {
        let checked = one.check(host(2), &bytes, &proof);
        assert!(checked.is_ok(), "it is genuine");
    });
    measure("check a record of a host that is new", |at| {
        // Another list of CAs makes it forget whose statements it has verified.
        trust.set_authorities(vec![authority.public_key(); 1 + at % 2]);
        assert!(one.check(host(2), &bytes, &proof).is_ok(), "it is genuine");
    });
}
