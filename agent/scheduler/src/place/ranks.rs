//! Numbers of members, which are their ranks: members of one host are neighbours, so that neighbours in a ring or a chain
//! talk within a host wherever they can.

use std::collections::BTreeMap;

use kerf_planner::Pick;
use kerf_types::HostId;

use crate::explain::Verdict;

/// Sorts members by host, the host that got the first of them first, and says so in the verdicts.
pub(super) fn neighbours(
    members: &mut [(HostId, Vec<Pick>)],
    verdicts: &mut BTreeMap<HostId, Verdict>,
) {
    let mut order: BTreeMap<HostId, usize> = BTreeMap::new();
    for (host, _) in &*members {
        let next = order.len();
        order.entry(*host).or_insert(next);
    }
    // Stable: on one host they stay in the order in which they were placed.
    members.sort_by_key(|(host, _)| order.get(host).copied());
    let mut numbers: BTreeMap<HostId, Vec<u32>> = BTreeMap::new();
    for (number, (host, _)) in (0_u32..).zip(&*members) {
        numbers.entry(*host).or_default().push(number);
    }
    for (host, verdict) in verdicts {
        if let Verdict::Chosen { members: own, .. } = verdict {
            *own = numbers.remove(host).unwrap_or_default();
        }
    }
}
