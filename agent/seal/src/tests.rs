//! Tests of sealing, keyrings and signatures. Fleets with all of it on are tested by kerf-cluster-sim.

#![expect(
    clippy::indexing_slicing,
    reason = "a test that indexes wrongly fails, as it should"
)]

mod keyring;
mod replay;
mod sealing;
mod signing;

use kerf_membership::wire::{HEADER_BYTES, Header};
use kerf_membership::{ClusterId, Incarnation, Life, OpenError, Sealer};
use kerf_types::HostId;

use crate::{AeadSealer, Key, Keyring, KeyringHandle};

const CLUSTER: ClusterId = ClusterId(7);

fn key(number: u8) -> Key {
    Key::new([number; 32])
}

fn handle(number: u8) -> KeyringHandle {
    KeyringHandle::new(Keyring::new(key(number)))
}

fn sealer(number: u8) -> AeadSealer {
    AeadSealer::new(handle(number))
}

fn host(number: u128) -> HostId {
    HostId::from_bits(number)
}

fn header(sender: u128, incarnation: u64) -> Header {
    let life = Life {
        incarnation: Incarnation(incarnation),
        renewal: 0,
    };
    Header::new(CLUSTER, host(sender), life)
}

/// A whole datagram.
fn seal(sealer: &mut AeadSealer, header: &Header, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    header.write(&mut bytes);
    let head = bytes.clone();
    sealer
        .seal(header, &head, body, &mut bytes)
        .expect("nonces are left");
    bytes
}

/// What the membership core does with a datagram. `Err(None)` where even the header is refused.
fn open(sealer: &mut AeadSealer, datagram: &[u8]) -> Result<Vec<u8>, Option<OpenError>> {
    let (header, head, sealed) = Header::split(datagram).map_err(|_| None)?;
    assert_eq!(head.len(), HEADER_BYTES);
    let mut out = b"before".to_vec();
    let outcome = sealer.open(&header, head, sealed, &mut out);
    let body = out.strip_prefix(b"before").expect("it is appended");
    if outcome.is_err() {
        assert_eq!(body, b"", "nothing is left of what does not open");
    }
    outcome.map_err(Some).map(|()| body.to_vec())
}
