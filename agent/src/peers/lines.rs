//! The connections on which logs of peers are read: one for each peer, however many logs are read there.
//!
//! A connection for each log would be counted where it leads to, beside those for messages: whoever followed many
//! logs would cut the hosts off from each other. It is kept while anybody reads, and never longer.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use kerf_types::HostId;
use tonic::transport::Channel;

use super::shared::{Shared, lock};
use super::{PeersError, net};

/// Logs of one peer that are read at a time. That peer allows more calls on one connection, or some would wait there
/// for others to end, and more logs to one host.
pub(super) const READERS: usize = 48;

/// What may be under way of one log that is not read on: a piece and more.
const WINDOW: u32 = 128 << 10;

/// The same of all of them, so that logs which nobody reads on never hold up the others.
const WINDOWS: u32 = 8 << 20;

/// The connections, by peer.
#[derive(Debug, Default)]
pub(super) struct Lines(Arc<Mutex<BTreeMap<HostId, Line>>>);

#[derive(Debug)]
struct Line {
    /// Where it leads: a host that was started again may listen elsewhere.
    address: SocketAddr,
    channel: Channel,
    readers: usize,
}

/// The right to read one log, until this is dropped.
#[derive(Debug)]
pub(super) struct Reading {
    lines: Arc<Mutex<BTreeMap<HostId, Line>>>,
    host: HostId,
}

impl Lines {
    /// The connection to a peer for one more reader.
    pub fn take(
        &self,
        shared: &Shared,
        host: HostId,
        address: SocketAddr,
    ) -> Result<(Channel, Reading), PeersError> {
        let mut lines = lock(&self.0);
        let readers = lines.get(&host).map_or(0, |line| line.readers);
        if readers >= READERS {
            let most = READERS;
            return Err(PeersError::TooManyLogs { address, most });
        }
        let open = lines.get(&host).filter(|line| line.address == address);
        let channel = match open {
            Some(line) => line.channel.clone(),
            None => net::lazily(
                &shared
                    .endpoint(address)?
                    .initial_stream_window_size(WINDOW)
                    .initial_connection_window_size(WINDOWS),
            ),
        };
        let line = Line {
            address,
            channel: channel.clone(),
            readers: readers + 1,
        };
        lines.insert(host, line);
        let reading = Reading {
            lines: Arc::clone(&self.0),
            host,
        };
        Ok((channel, reading))
    }
}

#[cfg(test)]
impl Lines {
    pub fn is_empty(&self) -> bool {
        lock(&self.0).is_empty()
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        let mut lines = lock(&self.lines);
        if let Some(line) = lines.get_mut(&self.host) {
            line.readers -= 1;
            if line.readers == 0 {
                lines.remove(&self.host);
            }
        }
    }
}
