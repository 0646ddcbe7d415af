//! Hosts of a version that does not know of turns, among hosts that do.

use std::time::Duration;

use kerf_types::peer::{Body, PeerMessage};

use super::World;
use crate::core::{Faults, Settings};

/// Such a host never asks in order.
pub fn settings(settings: Settings) -> Settings {
    Settings {
        ordered_after: u32::MAX,
        lined_after: u32::MAX,
        ordered_age: Duration::from_secs(u64::from(u32::MAX)),
        ..settings
    }
}

impl<F: Faults> World<F> {
    /// Makes a host that has done nothing yet one of the version before.
    pub fn make_older(&mut self, host: usize) {
        self.older.insert(host);
        self.nodes[host].core = None;
        self.boot(host);
    }

    /// What the other end reads: a host of before neither writes nor reads turns. It cannot read that somebody waits,
    /// nor that it is to give way, and must not be told.
    pub(super) fn as_read(&mut self, from: usize, to: usize, message: PeerMessage) -> PeerMessage {
        if !self.older.contains(&from) && !self.older.contains(&to) {
            return message;
        }
        let (tag, term) = (message.tag, message.term);
        match message.body {
            Body::Reserve {
                spec_hash,
                ask,
                ttl,
                master_port,
                turn: _,
                keepers,
            } => PeerMessage {
                tag,
                term,
                body: Body::Reserve {
                    spec_hash,
                    ask,
                    ttl,
                    master_port,
                    turn: None,
                    keepers,
                },
            },
            Body::Waiting { .. } | Body::Wound { .. } => {
                let text = format!("a host of before is told of turns: {message:?}");
                self.checker.violations.push(text);
                message
            }
            _ => message,
        }
    }
}
