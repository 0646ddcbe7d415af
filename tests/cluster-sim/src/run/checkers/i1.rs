//! I1: the shares of a GPU that are promised, and those that are in use, never exceed it.

use std::collections::BTreeMap;

use kerf_types::LeaseId;
use kerf_types::peer::Tag;

use super::{Checker, Found};
use crate::run::facts::{Fact, Share};
use crate::world::{HostIndex, Micros};

/// Who has what.
#[derive(Debug, Default)]
pub struct Shares {
    promised: BTreeMap<(HostIndex, LeaseId), Vec<Share>>,
    used: BTreeMap<(HostIndex, Tag), Vec<Share>>,
}

fn meet(ours: &[Share], theirs: &[Share]) -> Option<Share> {
    let both = |own: &&Share| theirs.iter().any(|other| other.overlaps(own));
    ours.iter().find(both).copied()
}

impl Checker for Shares {
    fn see(&mut self, _now: Micros, fact: &Fact<'_>, found: &mut Found) {
        match fact {
            Fact::Granted {
                host,
                tag,
                grant,
                shares,
            } => {
                let here = self.promised.iter().filter(|((on, _), _)| on == host);
                for ((_, other), theirs) in here {
                    if let Some(share) = meet(shares, theirs) {
                        let what =
                            format!("h{host} promises {share:?} to {tag}: lease {other} has it");
                        found.add("I1", what);
                    }
                }
                self.promised.insert((*host, grant.lease), shares.to_vec());
            }
            Fact::Released { host, grant } => {
                self.promised.remove(&(*host, grant.lease));
            }
            Fact::Started {
                host, tag, shares, ..
            } => {
                let here = self.used.iter().filter(|((on, _), _)| on == host);
                for ((_, other), theirs) in here {
                    if let Some(share) = meet(shares, theirs) {
                        let what = format!("h{host} runs {tag} on {share:?}: {other} runs on it");
                        found.add("I1", what);
                    }
                }
                self.used.insert((*host, *tag), shares.to_vec());
            }
            Fact::Ended { host, tag } => {
                self.used.remove(&(*host, *tag));
            }
            Fact::DriverRefused { host, why } => {
                found.add("I1", format!("h{host} cuts what it cannot: {why}"));
            }
            _ => {}
        }
    }
}
