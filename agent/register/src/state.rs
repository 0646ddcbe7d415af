//! What a register holds, and what a replica of it writes down.

use crate::ballot::{Ballot, Replica};
use crate::config::Config;

/// What a register holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State<V> {
    /// The value.
    pub value: V,
    /// Counts its changes, from 1. An exchange of replicas is none.
    pub version: u64,
    /// The proposal that wrote this version, however often it was proposed again since.
    pub origin: Ballot,
    /// Its replicas.
    pub config: Config,
    /// Whether nothing follows: it is about to be forgotten.
    pub is_retired: bool,
}

/// A state with the ballot under which a replica has accepted it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted<V> {
    /// The ballot.
    pub ballot: Ballot,
    /// The state.
    pub state: State<V>,
}

/// What a replica has written down. It must be durable before anybody hears of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row<V> {
    /// The store epoch in which it is written: what a backup brings back was another replica's.
    pub epoch: u64,
    /// Who founded the register: another one with the same key is another register.
    pub root: Replica,
    /// Nothing below this is accepted any more.
    pub promised: Ballot,
    /// The newest state that was accepted. It need not be chosen.
    pub accepted: Option<Accepted<V>>,
    /// Whether it is known that the register was retired.
    pub is_over: bool,
}

/// One change to what is written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change<K, V> {
    /// The replica of this register is so.
    Put(K, Box<Row<V>>),
    /// Nothing is left of it.
    Drop(K),
}
