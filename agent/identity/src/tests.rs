//! Tests of certificates, tokens and the list of revoked hosts: what a stranger may hand in.

#![expect(
    clippy::indexing_slicing,
    reason = "a test that indexes wrongly fails, as it should"
)]

mod certificates;
mod document;
mod holders;
mod revoked;
mod tokens;

use kerf_membership::ClusterId;
use kerf_types::HostId;

use crate::{Authority, Issued, SecretKey, Token, TokenId};

/// The second at which tests begin.
const NOW: u64 = 1_800_000_000;

const DAY: u64 = 24 * 3_600;

fn key(number: u8) -> SecretKey {
    SecretKey::from_seed(&[number; 32]).expect("any bytes are a key")
}

/// The CA of a fleet; fleets of different numbers are different fleets.
fn authority(number: u8) -> Authority {
    let name = "lab".parse().expect("a name");
    Authority::create(ClusterId(u128::from(number) + 7), &name, key(number)).expect("it signs")
}

fn host(number: u128) -> HostId {
    HostId::from_bits(number)
}

/// What a host of this number gets for a day, with the key of this number.
fn issue(authority: &Authority, number: u8) -> Issued {
    let public = key(number).public();
    let issued = authority.issue(host(number.into()), public, NOW, DAY, [number; 16]);
    issued.expect("it signs")
}

fn token(number: u8, authority: &Authority) -> Token {
    let id = TokenId::new([number; 8]);
    Token::new(id, &[number; 16], host(1), authority.certificate().hash())
}
