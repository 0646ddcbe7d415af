//! What is not well among peers, for `kerf status`.

use std::collections::BTreeMap;

use kerf_types::{HostId, HostName};

use super::shared::{Shared, lock};
use crate::host::Degraded;

/// What problems of this module concern.
const WHAT: &str = "peers";

/// All problems at this moment, by what they concern.
pub(super) fn list(shared: &Shared) -> Vec<(String, Degraded)> {
    let mut list = vec![plain(shared)];
    list.extend(clashes(shared));
    list.extend(alone(shared));
    let named = |degraded| (WHAT.to_owned(), degraded);
    list.into_iter().map(named).collect()
}

/// There is no other way yet, and nobody shall overlook it.
fn plain(shared: &Shared) -> Degraded {
    let what = match &shared.keys {
        Some(_) => "gossip is sealed, and calls are neither encrypted nor authenticated",
        None => "neither encrypted nor authenticated",
    };
    Degraded {
        why: format!(
            "{what} (--insecure-dev): whoever reaches {} can speak in any host's name",
            shared.address
        ),
        hint: "keep that port from everybody else, or start kerfd without --peers".to_owned(),
        since: shared.started,
    }
}

/// Names that several living hosts carry, this one included.
fn clashes(shared: &Shared) -> Vec<Degraded> {
    let mut names: BTreeMap<HostName, Vec<HostId>> = BTreeMap::new();
    let me = &shared.me;
    names.entry(me.name.clone()).or_default().push(me.host);
    for peer in shared.roster.borrow().iter().filter(|p| p.is_living()) {
        let name = peer.identity.name.clone();
        names.entry(name).or_default().push(peer.identity.host);
    }
    let mut since = lock(&shared.clashes);
    since.retain(|name, _| names.get(name).is_some_and(|hosts| hosts.len() > 1));
    let several = names.iter().filter(|(_, hosts)| hosts.len() > 1);
    several
        .map(|(name, hosts)| {
            let ids: Vec<String> = hosts.iter().map(ToString::to_string).collect();
            Degraded {
                why: format!(
                    "{} hosts carry the name {name}: {}",
                    ids.len(),
                    ids.join(", ")
                ),
                hint: "give each a host.name of its own; until then a name means none of them"
                    .to_owned(),
                since: *since.entry(name.clone()).or_insert_with(crate::host::now),
            }
        })
        .collect()
}

/// Hosts to join are named, and none has answered.
fn alone(shared: &Shared) -> Option<Degraded> {
    let seeds = lock(&shared.seeds);
    if seeds.is_empty() || shared.has_company() {
        return None;
    }
    let unresolved = lock(&shared.unresolved);
    let reason = |(name, why): (&String, &String)| format!("{name}: {why}");
    let reasons: Vec<String> = unresolved.iter().map(reason).collect();
    let names = seeds.join(", ");
    let why = if reasons.is_empty() {
        format!("alone: nobody has answered of {names}")
    } else {
        format!(
            "alone: nobody has answered of {names} ({})",
            reasons.join("; ")
        )
    };
    Some(Degraded {
        why,
        hint: "see whether kerfd runs there, in the same cluster, and whether UDP reaches it"
            .to_owned(),
        since: shared.started,
    })
}
