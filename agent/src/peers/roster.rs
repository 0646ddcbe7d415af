//! Who is known, as everybody but the driver sees it, and what is told when it changes.

use std::sync::Arc;
use std::time::Duration;

use kerf_api::peer::v1;
use kerf_api::peer::v1::peer_message::Body;
use kerf_membership::{Identity, State};
use kerf_scheduler::Liveness;
use kerf_scheduler::core::KeeperMessage;
use kerf_types::peer::PeerMessage;
use kerf_types::{HostId, HostRecord};

use crate::store::read_keeper;

/// Something that happened among the other hosts.
#[expect(
    clippy::large_enum_variant,
    reason = "most events are messages: a box for each would cost more than the room of the few others"
)]
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A host says something new of itself.
    Record(Arc<HostRecord>),
    /// The record that is known of this host is still its newest, as far as anti-entropy knows.
    StillFresh(HostId),
    /// Whether a host is there.
    Presence {
        /// The host.
        host: HostId,
        /// Whether it is there; a suspect counts as alive.
        liveness: Liveness,
    },
    /// A host was gone for so long that nothing is known of it any more.
    Forgotten(HostId),
    /// An operator said, on this host or another, that a host is gone for good; nothing is known of it any more.
    Removed(HostId),
    /// A host says something to this one's scheduler.
    Message {
        /// The host.
        from: HostId,
        /// What it says.
        message: PeerMessage,
    },
    /// A host says something about a job that both keep.
    Keeper {
        /// The host.
        from: HostId,
        /// What it says.
        message: Box<KeeperMessage>,
    },
}

impl Event {
    /// What a message of a host is; the error says what is wrong with it.
    pub(super) fn said(from: HostId, message: v1::PeerMessage) -> Result<Self, String> {
        if let Some(Body::Keeper(text)) = &message.body {
            let message = Box::new(read_keeper(text)?);
            return Ok(Self::Keeper { from, message });
        }
        let message = PeerMessage::try_from(message).map_err(|error| error.to_string())?;
        Ok(Self::Message { from, message })
    }
}

/// Another host, as it was known when the list was made; that is at most a second ago.
#[derive(Debug, Clone, PartialEq)]
pub struct Peer {
    /// Who it is.
    pub identity: Identity,
    /// Its state.
    pub state: State,
    /// For how long it has been in that state.
    pub since: Duration,
    /// Milliseconds since a datagram last came from it directly. In a large fleet most hosts are heard of only
    /// through others for minutes.
    pub heard_ms: Option<u64>,
    /// Milliseconds since the newest record that came was published, as far as the hosts that passed it on could
    /// tell.
    pub record_age_ms: Option<u64>,
    /// The newest record that was believed.
    pub record: Option<Arc<HostRecord>>,
}

impl Peer {
    /// Whether it is a member that nobody holds for dead.
    pub fn is_living(&self) -> bool {
        matches!(self.state, State::Alive | State::Suspect)
    }
}

/// One host of a list that is in order of ids, as the driver makes it.
pub(super) fn find(peers: &[Peer], host: HostId) -> Option<&Peer> {
    let place = peers.binary_search_by_key(&host, |peer| peer.identity.host);
    place.ok().and_then(|place| peers.get(place))
}

/// The liveness that a state stands for.
pub(super) fn liveness(state: State) -> Liveness {
    match state {
        State::Alive | State::Suspect => Liveness::Alive,
        State::Down => Liveness::Down,
        State::Left => Liveness::Left,
    }
}
