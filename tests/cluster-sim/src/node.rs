//! What runs on a simulated host.

use std::net::SocketAddr;

/// A core with its driver, without IO: the world carries its messages and calls it in time.
pub trait Node {
    /// What travels between hosts.
    type Message: Clone;
    /// What an observer may want to know of a step.
    type Note;

    /// Takes an event at `now_ms` on this host's own clock, and appends what is to be done.
    fn step(
        &mut self,
        now_ms: u64,
        event: Event<Self::Message>,
        out: &mut Vec<Effect<Self::Message, Self::Note>>,
    );

    /// When [`Event::Wakeup`] is wanted at the latest, on this host's own clock.
    fn next_wakeup_ms(&self) -> Option<u64>;

    /// How many bytes a message takes on the wire, without the headers of IP and UDP or TCP.
    fn bytes(message: &Self::Message) -> usize;
}

/// Something that happens to a node.
#[derive(Debug, Clone)]
pub enum Event<M> {
    /// A message came.
    Message {
        /// Where from.
        from: SocketAddr,
        /// What it holds.
        message: M,
    },
    /// A message that was sent in a stream did not arrive.
    Undelivered {
        /// Where to.
        to: SocketAddr,
        /// What it held.
        message: M,
    },
    /// The time has come.
    Wakeup,
}

/// Something that a node wants.
#[derive(Debug, Clone)]
pub enum Effect<M, T> {
    /// Send a message.
    Send {
        /// Where to.
        to: SocketAddr,
        /// What it holds.
        message: M,
        /// By which means.
        carriage: Carriage,
    },
    /// Tell the observer.
    Note(T),
}

/// How a message travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carriage {
    /// It may be lost, doubled, late, and overtaken.
    Datagram,
    /// It arrives once, or its sender learns after a while that it did not.
    Stream,
}
