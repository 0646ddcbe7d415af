//! What goes into the core and what comes out of it.

use std::net::SocketAddr;

use kerf_types::{HostId, HostName};

use crate::{Answer, Identity, Moment, Payload, Record, Wanted};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A datagram came.
    Datagram {
        /// Where from.
        from: SocketAddr,
        /// What it holds.
        bytes: Vec<u8>,
    },
    /// Join the fleet of these seeds: they are asked until one answers, and again whenever this host is alone.
    Join(Vec<SocketAddr>),
    /// This host's own record says something new.
    Publish(Payload),
    /// A peer answered a pull.
    Pulled {
        /// The peer.
        from: HostId,
        /// What it holds.
        answer: Answer,
    },
    /// A pull failed.
    PullFailed {
        /// The peer that was asked.
        from: HostId,
    },
    /// An operator removes a host that is gone for good; [`crate::Core::may_forget`] says before whether it may be.
    Forget(HostId),
    /// Say goodbye. The core is silent from here on.
    Leave,
    /// The time of [`crate::Core::next_wakeup`] has come.
    Wakeup,
}

/// Something to do, or to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send a datagram of at most [`crate::wire::MAX_DATAGRAM`] bytes.
    Send {
        /// Where to.
        to: SocketAddr,
        /// What it holds.
        bytes: Vec<u8>,
    },
    /// Ask a peer in a stream, and hand in [`Input::Pulled`] or [`Input::PullFailed`].
    Pull {
        /// The peer; the stream must be authenticated as its.
        from: HostId,
        /// Where its API listens.
        api: SocketAddr,
        /// What to ask for.
        wanted: Wanted,
    },
    /// Another host's state changed.
    Member {
        /// The host.
        host: HostId,
        /// How.
        change: Change,
    },
    /// A newer record of this host is known.
    Record {
        /// The host.
        host: HostId,
    },
    /// A host that was gone for long enough is forgotten, with its record.
    AgedOut {
        /// The host.
        host: HostId,
    },
    /// A host that is gone is forgotten, with its record, since an operator said so on whatever host.
    Removed {
        /// The host.
        host: HostId,
    },
    /// Several living hosts carry one name. Told once for each host that joins them.
    NameClash {
        /// The name.
        name: HostName,
        /// All that carry it.
        hosts: Vec<HostId>,
    },
}

/// The state of another host, as far as this one knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// It answers.
    Alive,
    /// Somebody got no answer from it. It may still say that it lives.
    Suspect,
    /// It did not.
    Down,
    /// It said goodbye.
    Left,
}

/// How a host's state changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// It is new here.
    Joined,
    /// Somebody got no answer from it.
    Suspect,
    /// It lives after all.
    Alive,
    /// It is held for dead.
    Down,
    /// It said goodbye.
    Left,
    /// It is back: it was down or had left, or its daemon was started again.
    Returned,
}

/// Another host as this one sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member<'a> {
    /// Who it is.
    pub identity: &'a Identity,
    /// Its state.
    pub state: State,
    /// Since when, on this host's clock.
    pub since: Moment,
    /// Its newest record.
    pub record: Option<&'a Record>,
    /// Milliseconds since that record was published, as far as the hosts that passed it on could tell.
    pub record_age_ms: Option<u64>,
    /// Milliseconds since a datagram last came from it directly. In a large fleet most hosts are heard of only
    /// through others for minutes.
    pub heard_ms: Option<u64>,
}
