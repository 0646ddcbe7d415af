//! What other hosts say of themselves: read within bounds, and believed only where it can be true.
//!
//! A host is the only writer of its record, but whoever passes it on could have written anything. A record that
//! is not believed has no effect: the one before stays, and other hosts' records are none the worse.

use std::collections::BTreeMap;
use std::sync::Arc;

use kerf_api::convert::{ConvertError, RECORD_LIMIT};
use kerf_api::peer::v1;
use kerf_membership::{Identity, MAX_PAYLOAD, Moment, Record, Stamp};
use kerf_types::{HostId, HostRecord};
use prost::Message;

use crate::errors::chain;
use crate::peers::shared::Shared;

// The core keeps no longer ones, so the length of what is decoded here is bounded already.
const _: () = assert!(MAX_PAYLOAD <= RECORD_LIMIT);

/// Time between two words about one host: a liar can make versions faster than anybody reads.
const TELL_EVERY_MS: u64 = 10_000;

/// Why a record is not believed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Doubt {
    /// It is no message at all.
    #[error("it cannot be decoded")]
    Encoding(#[from] prost::DecodeError),
    /// What it says does not hold together.
    #[error("it cannot be")]
    Content(#[from] ConvertError),
    /// It is another host's.
    #[error("it says that it is of host {said}")]
    Writer {
        /// The host that it names.
        said: HostId,
    },
    /// It names its writer in another way than its writer does.
    #[error("it says that its host is {name} at {address}, which is {real}")]
    Identity {
        /// What it names.
        name: String,
        /// Where that would be.
        address: String,
        /// Who its writer is.
        real: String,
    },
    /// It is older than the one before it.
    #[error("its version goes back")]
    Version,
}

impl Doubt {
    /// The reason as a metric's label.
    fn label(&self) -> &'static str {
        match self {
            Self::Encoding(_) => "encoding",
            Self::Content(_) => "content",
            Self::Writer { .. } => "writer",
            Self::Identity { .. } => "identity",
            Self::Version => "version",
        }
    }
}

/// The newest record of each host that was believed.
#[derive(Debug, Default)]
pub(super) struct Records {
    believed: BTreeMap<HostId, Arc<HostRecord>>,
    /// The version of each host that was last told to be wrong, and when.
    doubted: BTreeMap<HostId, (Stamp, Moment)>,
}

impl Records {
    pub fn get(&self, host: HostId) -> Option<&Arc<HostRecord>> {
        self.believed.get(&host)
    }

    pub fn forget(&mut self, host: HostId) {
        self.believed.remove(&host);
        self.doubted.remove(&host);
    }

    /// Reads a record and keeps it.
    pub fn take(&mut self, writer: &Identity, record: &Record) -> Result<Arc<HostRecord>, Doubt> {
        let read = Arc::new(read(writer, record)?);
        let before = self.believed.get(&writer.host);
        if before.is_some_and(|before| before.version > read.version) {
            return Err(Doubt::Version);
        }
        self.believed.insert(writer.host, Arc::clone(&read));
        Ok(read)
    }

    /// Counts a record that was not believed, and tells of it once for each version.
    pub fn doubt(&mut self, record: &Record, doubt: &Doubt, now: Moment, shared: &Shared) {
        shared.metrics.peer_records_refused.inc([doubt.label()]);
        let last = self.doubted.get(&record.host);
        if last
            .is_some_and(|(stamp, told)| *stamp == record.stamp || now.since(*told) < TELL_EVERY_MS)
        {
            return;
        }
        self.doubted.insert(record.host, (record.stamp, now));
        let host = record.host.to_string();
        let why = chain(doubt);
        tracing::warn!(peer.id = host, error = why, "record of a peer not believed");
        let text = format!("its record is not believed: {why}");
        shared.events.add("peer", &host, &text);
    }
}

fn read(writer: &Identity, record: &Record) -> Result<HostRecord, Doubt> {
    let bytes = record.payload.as_bytes();
    let read = HostRecord::try_from(v1::HostRecord::decode(bytes)?)?;
    if read.id != writer.host {
        return Err(Doubt::Writer { said: read.id });
    }
    // A record of an earlier start may name the address of that start.
    let is_of_this_start = record.stamp.incarnation == writer.life.incarnation;
    let same = read.name == writer.name && read.address == writer.api.to_string();
    if is_of_this_start && !same {
        return Err(Doubt::Identity {
            name: read.name.to_string(),
            address: read.address,
            real: format!("{} at {}", writer.name, writer.api),
        });
    }
    Ok(read)
}
