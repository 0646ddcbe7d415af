//! This host's own record. Nobody else writes it.

use super::Core;
use crate::record::Stored;
use crate::vouch::signed_bytes;
use crate::wire::Known;
use crate::{Aged, Faults, Identity, Payload, Proof, Record, Stamp};

/// The record, and the count of its versions in this incarnation.
#[derive(Debug, Default)]
pub(super) struct Own {
    pub record: Option<Stored>,
    version: u64,
}

impl<F: Faults> Core<F> {
    /// Who this host is, in its present life.
    pub fn me(&self) -> &Identity {
        self.swim.me()
    }

    pub(super) fn publish(&mut self, payload: Payload) {
        let record = self.next_record(payload, false);
        let host = record.host;
        self.own.record = Some(Stored::new(Aged { record, age_ms: 0 }, self.now));
        self.note_known(host);
        self.spread(host);
    }

    /// This host's next record, signed.
    pub(super) fn next_record(&mut self, payload: Payload, left: bool) -> Record {
        self.own.version += 1;
        self.signed_record(payload, left)
    }

    /// A record under the present stamp, signed.
    pub(super) fn signed_record(&mut self, payload: Payload, left: bool) -> Record {
        let mut record = Record {
            host: self.me().host,
            stamp: Stamp {
                incarnation: self.me().life.incarnation,
                version: self.own.version,
            },
            left,
            payload,
            proof: Proof::default(),
        };
        record.proof = self.voucher.prove(&signed_bytes(self.cluster, &record));
        record
    }

    pub(super) fn own_payload(&self) -> Payload {
        let record = self.own.record.as_ref();
        record.map_or_else(Payload::default, |stored| stored.record.payload.clone())
    }

    pub(super) fn known_of_me(&self) -> Known {
        let record = self.own.record.as_ref().map(|stored| &stored.record);
        Known {
            host: self.me().host,
            life: self.me().life,
            stamp: record.map(|record| record.stamp),
            payload_bytes: record.map_or(0, |record| record.payload.len()),
        }
    }
}
