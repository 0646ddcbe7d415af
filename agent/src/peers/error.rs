//! What can go wrong with peers.

use std::net::SocketAddr;

use kerf_membership::PayloadTooLong;
use kerf_types::HostId;

/// An error of this module.
#[derive(Debug, thiserror::Error)]
pub enum PeersError {
    /// The TCP socket could not be bound.
    #[error("cannot listen on {address} for connections of peers")]
    Tcp {
        /// Where.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The UDP socket could not be bound to the port of the TCP socket.
    #[error("cannot listen on {address} for gossip")]
    Udp {
        /// Where.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The keys of gossip are there and cannot be used.
    #[error("gossip cannot be sealed")]
    Keys(#[from] super::keyring::KeyringFileError),
    /// Nobody could send to the address that peers would be told.
    #[error("{address} is no address that a peer could send to; set peers.advertise")]
    NoAddress {
        /// The address.
        address: SocketAddr,
    },
    /// A host cannot be removed from the fleet's lists.
    #[error("host {host} is not forgotten")]
    NotForgotten {
        /// The host.
        host: HostId,
        /// Why.
        #[source]
        source: kerf_membership::ForgetError,
    },
    /// The kernel has no random numbers.
    #[error("no random numbers")]
    Random(#[source] getrandom::Error),
    /// A record of another host cannot be published here.
    #[error("the record is of host {id}, and this is {me}")]
    ForeignRecord {
        /// The record's host.
        id: HostId,
        /// This host.
        me: HostId,
    },
    /// This host's record is too long to be gossiped.
    #[error(transparent)]
    TooLong(#[from] PayloadTooLong),
    /// Peers have ended, by a goodbye or with kerfd.
    #[error("this host has left the fleet")]
    Ended,
    /// No such host is known.
    #[error("no host {host} is known")]
    Unknown {
        /// The host.
        host: HostId,
    },
    /// An address cannot be connected to at all.
    #[error("{address} is no address of a peer")]
    Endpoint {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: tonic::transport::Error,
    },
    /// A call did not come to an answer in time.
    #[error("{address} did not answer in time")]
    Silent {
        /// Where.
        address: SocketAddr,
    },
    /// A peer refused a call, or could not be reached.
    #[error("{address} refused: {}", status.message())]
    Refused {
        /// Where.
        address: SocketAddr,
        /// What it said.
        status: Box<tonic::Status>,
    },
    /// As many logs of one peer are read as may be.
    #[error("{most} logs are read at {address}, which is the most at a time")]
    TooManyLogs {
        /// Where.
        address: SocketAddr,
        /// The limit.
        most: usize,
    },
    /// This host has no way to others.
    #[error("this host does not listen to peers")]
    Alone,
    /// An answer holds more than any answer does.
    #[error("{address} answered with more than {limit} bytes")]
    AnswerTooLong {
        /// Where.
        address: SocketAddr,
        /// What is read at most.
        limit: usize,
    },
    /// An answer cannot be read.
    #[error("the answer of {address} cannot be read")]
    Answer {
        /// Where.
        address: SocketAddr,
        /// Why.
        #[source]
        source: kerf_membership::wire::Malformed,
    },
}
