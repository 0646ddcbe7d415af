//! What this host knows, in 64 buckets whose hashes tell two hosts where they differ.
//!
//! A host's bucket is a hash of its id. A bucket's hash is the XOR of one hash for each host in it, over its
//! life and its record's stamp, so that a change costs one update and never a walk over the fleet. Hosts that
//! are down are left out: their record is kept for a while and no longer passed on, and two views that differ
//! only in when they forget a dead host are equal.

use std::collections::BTreeMap;

use kerf_types::HostId;

use crate::wire::Known;

/// Number of buckets. With 1,000 hosts a bucket lists 16, which fit in a datagram twice.
pub const BUCKETS: usize = 64;

/// The bucket of a host. The id is hashed first: nobody fills one bucket by choosing its high bits.
pub fn bucket_of(host: HostId) -> usize {
    let hash = mix(fold(host));
    usize::try_from(hash >> 58).unwrap_or(0) % BUCKETS
}

#[derive(Debug, Default)]
struct Bucket {
    hash: u64,
    known: BTreeMap<HostId, Known>,
}

/// The buckets.
#[derive(Debug)]
pub(crate) struct Digest(Vec<Bucket>);

impl Digest {
    pub fn new() -> Self {
        Self((0..BUCKETS).map(|_| Bucket::default()).collect())
    }

    /// Sets or removes what is known of a host.
    pub fn set(&mut self, host: HostId, known: Option<Known>) {
        let Some(bucket) = self.0.get_mut(bucket_of(host)) else {
            return;
        };
        let old = match known {
            Some(known) => {
                bucket.hash ^= hash(&known);
                bucket.known.insert(host, known)
            }
            None => bucket.known.remove(&host),
        };
        bucket.hash ^= old.as_ref().map_or(0, hash);
    }

    /// The hashes as they are sent: 32 bits each. Two buckets that differ hide it from one exchange in four
    /// billion, and only until one of them changes.
    pub fn hashes(&self) -> [u32; BUCKETS] {
        let mut hashes = [0; BUCKETS];
        for (hash, bucket) in hashes.iter_mut().zip(&self.0) {
            let [a, b, c, d, ..] = bucket.hash.to_be_bytes();
            *hash = u32::from_be_bytes([a, b, c, d]);
        }
        hashes
    }

    /// What is known of the hosts of a bucket, in the order of ids.
    pub fn bucket(&self, bucket: usize) -> impl Iterator<Item = &Known> {
        self.0
            .get(bucket)
            .into_iter()
            .flat_map(|b| b.known.values())
    }
}

fn hash(known: &Known) -> u64 {
    let stamp = known.stamp.map_or([0, 0], |s| [s.incarnation.0, s.version]);
    let life = [known.life.incarnation.0, u64::from(known.life.renewal)];
    let words = [fold(known.host), life[0], life[1], stamp[0], stamp[1]];
    words.iter().fold(0, |state, word| mix(state ^ word))
}

fn fold(host: HostId) -> u64 {
    let bytes = host.bits().to_be_bytes();
    let mut halves = bytes.chunks_exact(8).map(|half| {
        half.iter()
            .fold(0_u64, |word, byte| (word << 8) | u64::from(*byte))
    });
    let (high, low) = (halves.next().unwrap_or(0), halves.next().unwrap_or(0));
    mix(high) ^ low
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood, 2014) with its increment, a bijection that spreads
/// every bit over all others.
fn mix(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}
