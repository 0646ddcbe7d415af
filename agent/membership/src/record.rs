//! What a host says of itself: an opaque payload under a stamp that only its writer moves.

use std::sync::Arc;

use kerf_types::HostId;

use crate::{Incarnation, Moment, Proof};

/// Longest payload in bytes. A fleet of a thousand hosts then fits in 8 MiB, which a joining host takes in
/// one stream; larger things have better homes than gossip.
pub const MAX_PAYLOAD: usize = 8 * 1024;

/// What a record says: at most [`MAX_PAYLOAD`] bytes that mean nothing here.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Payload(Arc<[u8]>);

/// A payload that is too long to be gossiped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a record of {bytes} bytes, and {MAX_PAYLOAD} are allowed")]
pub struct PayloadTooLong {
    /// How long it is.
    pub bytes: usize,
}

impl Payload {
    /// Takes these bytes, if there are not too many.
    pub fn try_new(bytes: &[u8]) -> Result<Self, PayloadTooLong> {
        if bytes.len() > MAX_PAYLOAD {
            return Err(PayloadTooLong { bytes: bytes.len() });
        }
        Ok(Self(bytes.into()))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// The version of a record. Later ones are greater: by the start of the daemon that wrote it, then by count.
/// So a writer needs no memory of its count over a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp {
    /// The start of the writer's daemon.
    pub incarnation: Incarnation,
    /// Counts from 1 within it.
    pub version: u64,
}

/// A host's record. The host is its only writer; others keep and pass on what they got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its writer.
    pub host: HostId,
    /// Its version.
    pub stamp: Stamp,
    /// The writer said that it leaves the fleet. The payload is its last one.
    pub left: bool,
    /// What it says.
    pub payload: Payload,
    /// What shows that it is the host's; empty where records are not signed.
    pub proof: Proof,
}

/// A record on its way between hosts, with the time since its writer published it.
///
/// Each host adds the time that the record lay with it, on its own clock; the flight itself is not counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aged {
    /// The record.
    pub record: Record,
    /// Milliseconds since it was published.
    pub age_ms: u64,
}

/// A record as it is kept.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub record: Record,
    pub received: Moment,
    pub age_at_receipt_ms: u64,
}

impl Stored {
    pub fn new(aged: Aged, now: Moment) -> Self {
        Self {
            record: aged.record,
            received: now,
            age_at_receipt_ms: aged.age_ms,
        }
    }

    pub fn age_ms(&self, now: Moment) -> u64 {
        now.since(self.received)
            .saturating_add(self.age_at_receipt_ms)
    }

    pub fn aged(&self, now: Moment) -> Aged {
        Aged {
            record: self.record.clone(),
            age_ms: self.age_ms(now),
        }
    }
}
