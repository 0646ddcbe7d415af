//! I11: a lease is released once, never under its container, and what it gave is clean before it is given again.

use std::collections::{BTreeMap, BTreeSet};

use kerf_types::LeaseId;
use kerf_types::peer::Tag;

use super::{Checker, Found};
use crate::run::facts::{Fact, Share};
use crate::world::{HostIndex, Micros};

/// The lease of a container, and what it uses.
type Running = (LeaseId, Vec<Share>);

/// What was used and not cleaned since.
#[derive(Debug, Default)]
pub struct Clean {
    used: BTreeMap<HostIndex, BTreeSet<Share>>,
    released: BTreeSet<(HostIndex, LeaseId)>,
    running: BTreeMap<(HostIndex, Tag), Running>,
}

/// The single units of shares.
fn units(shares: &[Share]) -> impl Iterator<Item = Share> {
    let of = |share: &Share| {
        let (gpu, first) = (share.gpu, share.start);
        let unit = move |start| Share {
            gpu,
            start,
            size: 1,
        };
        (first..first.saturating_add(share.size)).map(unit)
    };
    shares.iter().flat_map(of)
}

impl Checker for Clean {
    fn see(&mut self, _now: Micros, fact: &Fact<'_>, found: &mut Found) {
        match fact {
            Fact::Started {
                host,
                tag,
                grant,
                shares,
            } => {
                self.used.entry(*host).or_default().extend(units(shares));
                let running = (grant.lease, shares.to_vec());
                self.running.insert((*host, *tag), running);
            }
            Fact::Ended { host, tag } => drop(self.running.remove(&(*host, *tag))),
            Fact::Cleaned { host, share } => {
                let under = |(key, (_, shares)): &(&(HostIndex, Tag), &Running)| {
                    key.0 == *host && shares.iter().any(|other| other.overlaps(share))
                };
                if let Some(((_, tag), _)) = self.running.iter().find(under) {
                    found.add("I11", format!("h{host} cleans {share:?} under {tag}"));
                }
                if let Some(used) = self.used.get_mut(host) {
                    used.retain(|other| !other.overlaps(share));
                }
            }
            Fact::PowerLost { host } => drop(self.used.remove(host)),
            Fact::Granted {
                host, tag, shares, ..
            } => {
                let used = self.used.get(host);
                let dirty = |share: &&Share| {
                    used.is_some_and(|used| used.iter().any(|other| other.overlaps(share)))
                };
                if let Some(share) = shares.iter().find(dirty) {
                    found.add(
                        "I11",
                        format!("h{host} gives {share:?} to {tag} before it is clean"),
                    );
                }
            }
            Fact::Released { host, grant } => {
                if !self.released.insert((*host, grant.lease)) {
                    found.add(
                        "I11",
                        format!("{} is released twice on h{host}", grant.lease),
                    );
                }
                let under = self
                    .running
                    .iter()
                    .find(|((on, _), (lease, _))| on == host && *lease == grant.lease);
                if let Some(((_, tag), _)) = under {
                    found.add("I11", format!("{} is released under {tag}", grant.lease));
                }
            }
            _ => {}
        }
    }
}
