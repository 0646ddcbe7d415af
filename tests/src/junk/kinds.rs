//! The kinds of junk, and how a real datagram is made one of them.

use std::ops::Range;

/// Where the sender stands in a datagram, after mark, versions and fleet.
const SENDER: Range<usize> = 20..36;
/// Where the id of the key stands, the first of what sealing adds.
const KEY: Range<usize> = 48..52;
/// Where the counter of the seal stands; the sealed text follows.
const COUNTER: usize = 52;

/// Longest datagram of a host. One that is longer is junk, whatever is in it.
const LONGEST_REAL: usize = 1_400;

/// A kind of junk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing of it is real.
    Noise,
    /// A real one that ends early.
    Piece,
    /// A real one that goes on for longer than any may.
    TooLong,
    /// A real one under a key that nobody has.
    OtherKey,
    /// A real header and key, and a text that was never sealed, from a stranger's address.
    Forged,
    /// A real one again, from a stranger's address.
    Replayed,
    /// These from the address of the member that had sent the real one, so that no limit on strangers holds them back.
    OtherKeyAsMember,
    ForgedAsMember,
    ReplayedAsMember,
    /// From a member's address, in the name of a host that there never was: what costs most to refuse.
    Invented,
}

impl Kind {
    pub const ALL: [Self; 10] = [
        Self::Noise,
        Self::Piece,
        Self::TooLong,
        Self::OtherKey,
        Self::Forged,
        Self::Replayed,
        Self::OtherKeyAsMember,
        Self::ForgedAsMember,
        Self::ReplayedAsMember,
        Self::Invented,
    ];

    /// Whether it bears the address of a member.
    pub fn is_as_member(self) -> bool {
        match self {
            Self::Noise
            | Self::Piece
            | Self::TooLong
            | Self::OtherKey
            | Self::Forged
            | Self::Replayed => false,
            Self::OtherKeyAsMember
            | Self::ForgedAsMember
            | Self::ReplayedAsMember
            | Self::Invented => true,
        }
    }

    /// Makes a real datagram one of this kind.
    pub fn spoil(self, bytes: &mut Vec<u8>, chance: &mut Chance) {
        match self {
            Self::Noise => {
                let length = 1 + chance.below(LONGEST_REAL);
                bytes.resize(length, 0);
                chance.fill(bytes);
            }
            Self::Piece => bytes.truncate(chance.below(bytes.len())),
            Self::TooLong => {
                let real = bytes.len();
                bytes.resize(LONGEST_REAL + 1 + chance.below(LONGEST_REAL), 0);
                chance.fill(bytes.get_mut(real..).unwrap_or_default());
            }
            Self::OtherKey | Self::OtherKeyAsMember => {
                chance.fill(bytes.get_mut(KEY).unwrap_or_default());
            }
            Self::Forged | Self::ForgedAsMember => {
                chance.fill(bytes.get_mut(COUNTER..).unwrap_or_default());
            }
            Self::Replayed | Self::ReplayedAsMember => {}
            // Nobody has heard of it, so no counter of it was seen, and only opening it shows what it is.
            Self::Invented => chance.fill(bytes.get_mut(SENDER).unwrap_or_default()),
        }
    }
}

/// Numbers that look like chance and are the same each time (splitmix64).
#[derive(Debug)]
pub(super) struct Chance(pub u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `bound`; 0 where that is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % bound).unwrap_or(0)
    }

    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let number = self.next().to_le_bytes();
            for (byte, random) in chunk.iter_mut().zip(number) {
                *byte = random;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{COUNTER, Chance, KEY, Kind, LONGEST_REAL, SENDER};

    #[test]
    fn each_kind_is_what_it_is_called() {
        let real: Vec<u8> = (0..200).map(|byte| byte as u8).collect();
        let mut chance = Chance(5);
        for kind in Kind::ALL {
            let mut bytes = real.clone();
            kind.spoil(&mut bytes, &mut chance);
            let header = bytes.get(..COUNTER) == real.get(..COUNTER);
            let body = bytes.get(COUNTER..) == real.get(COUNTER..);
            let as_expected = match kind {
                Kind::Noise => !header && !body,
                Kind::Piece => bytes.len() < real.len() && real.starts_with(&bytes),
                Kind::TooLong => bytes.len() > LONGEST_REAL && bytes.starts_with(&real),
                Kind::OtherKey | Kind::OtherKeyAsMember => {
                    bytes[..KEY.start] == real[..KEY.start] && bytes[KEY] != real[KEY] && body
                }
                Kind::Forged | Kind::ForgedAsMember => header && !body,
                Kind::Replayed | Kind::ReplayedAsMember => bytes == real,
                Kind::Invented => bytes[SENDER] != real[SENDER] && body,
            };
            assert!(as_expected, "{kind:?}: {bytes:?}");
        }
    }
}
