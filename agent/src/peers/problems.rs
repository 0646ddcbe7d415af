//! What is not well among peers, for `kerf status`.

use std::collections::BTreeMap;

use kerf_types::{HostId, HostName, Timestamp};

use super::shared::{Shared, lock};
use crate::cluster::{GRACE_S, Member, now_s};
use crate::host::Degraded;

/// How long it is told that somebody was refused.
const SHOWN_MS: u64 = 10 * 60 * 1_000;

/// What problems of this module concern.
const WHAT: &str = "peers";

/// All problems at this moment, by what they concern.
pub(super) fn list(shared: &Shared) -> Vec<(String, Degraded)> {
    let mut list = match shared.member.get() {
        Some(member) => membership(shared, member),
        None => vec![without_identity(shared)],
    };
    list.extend(clashes(shared));
    list.extend(alone(shared));
    let named = |degraded| (WHAT.to_owned(), degraded);
    list.into_iter().map(named).collect()
}

/// What may be wrong with a member of a cluster.
fn membership(shared: &Shared, member: &Member) -> Vec<Degraded> {
    let mut list = Vec::new();
    let since = shared.started;
    if member.gate().is_told_out() || member.gate().is_revoked(shared.me.host) {
        list.push(Degraded {
            why: "this host was revoked: no member of its cluster takes its connections".to_owned(),
            hint: "it comes in again under another id: give it a new state folder and kerf cluster join"
                .to_owned(),
            since,
        });
    }
    let ends_s = member.outlook().not_after_s;
    if let Some((why, since)) = lock(&shared.not_renewed).clone() {
        list.push(not_renewed(ends_s, now_s(), &why, since));
    }
    if let Some((why, since)) = lock(&shared.not_rekeyed).clone() {
        list.push(Degraded {
            why: format!(
                "a host that was revoked knows the key of gossip, which is not changed yet: {why}"
            ),
            hint: "it is tried again by itself; kerf keyring list shows who has which".to_owned(),
            since,
        });
    }
    if let Some((ip, since)) = *lock(&shared.plain_caller)
        && crate::host::now().0.saturating_sub(since.0) < SHOWN_MS
    {
        list.push(Degraded {
            why: format!("{ip} speaks without TLS and was refused"),
            hint: "start its kerfd without --insecure-dev and let it join by kerf cluster join"
                .to_owned(),
            since,
        });
    }
    if let Some((ip, why, since)) = lock(&shared.late_caller).clone()
        && crate::host::now().0.saturating_sub(since.0) < SHOWN_MS
    {
        list.push(Degraded {
            why: format!("the certificate of {ip} is refused: {why}"),
            hint: "set the clocks of both hosts, best by NTP; if they are right, see kerf status there"
                .to_owned(),
            since,
        });
    }
    list
}

/// A certificate that could not be renewed: good for a while, in its grace, or past it.
fn not_renewed(ends_s: u64, now_s: u64, why: &str, since: Timestamp) -> Degraded {
    let see = "see whether the host that signs is up and reachable, and the clocks of both";
    let (left_s, past_s) = (ends_s.saturating_sub(now_s), now_s.saturating_sub(ends_s));
    let (state, hint) = if past_s == 0 {
        (format!("is good for {left_s} s more"), see.to_owned())
    } else if past_s <= GRACE_S {
        let left_s = GRACE_S - past_s;
        let state = format!(
            "ended {past_s} s ago, so no member takes its connections; for {left_s} s more it can be renewed"
        );
        (state, see.to_owned())
    } else {
        let hint = "stop kerfd, remove the folder cluster in its state folder, start it again, and join with a new token: \
                    kerf cluster token create on the host that signs";
        let state = format!("ended {past_s} s ago, which is too long to be renewed");
        (state, hint.to_owned())
    };
    Degraded {
        why: format!("the certificate of this host was not renewed and {state}: {why}"),
        hint,
        since,
    }
}

/// Nobody is listened to, or everybody is: nobody shall overlook which.
fn without_identity(shared: &Shared) -> Degraded {
    match shared.insecure_dev {
        true => plain(shared),
        false => Degraded {
            why: format!(
                "this host is in no cluster, so nobody is listened to on {}",
                shared.address
            ),
            hint: "kerf cluster init makes one, kerf cluster join leads into one".to_owned(),
            since: shared.started,
        },
    }
}

/// What connections prove nothing means.
fn plain(shared: &Shared) -> Degraded {
    let what = match shared.keys.get() {
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
