//! Who may ask for what. Pure: values in, a verdict out.

use std::collections::BTreeMap;

use kerf_types::lease::{Holder, Lease, Subject};
use kerf_types::{Ask, ContainerRef, SharingMode};

use kerf_types::pattern::matches;

/// Patterns of what containers may ask for, by containerd namespace (`[launch.asks]`).
pub type Asks = BTreeMap<String, Vec<String>>;

/// Whether containers of a namespace may ask for this: an ask, or a standing CDI name (`slice=…`, `gpu=…`).
///
/// A namespace that the host's configuration does not name may not ask at all: in `k8s.io`, say, only a lease
/// that kerf issued counts.
pub fn may_ask(asks: &Asks, namespace: &str, ask: &str) -> bool {
    let patterns = asks.get(namespace);
    patterns.is_some_and(|patterns| patterns.iter().any(|pattern| covers(pattern, ask)))
}

/// Whether a container may take up a lease.
///
/// `runtime_uid` is the uid of the runtime that makes the container. A lease is bound to its holder and is
/// no bearer token: one that a user reserved without naming a container is good for runtimes of that user, in
/// namespaces that may ask for the same themselves.
pub fn may_claim(asks: &Asks, lease: &Lease, container: &ContainerRef, runtime_uid: u32) -> bool {
    match &lease.holder {
        Holder::Container(bound) => bound == container,
        Holder::Job(_) => false,
        Holder::User { uid } => *uid == runtime_uid && may_have(asks, &container.namespace, lease),
    }
}

/// Whether a namespace may ask for everything that a lease is about.
fn may_have(asks: &Asks, namespace: &str, lease: &Lease) -> bool {
    let mut counts: BTreeMap<(String, Option<SharingMode>), u32> = BTreeMap::new();
    for subject in &lease.subjects {
        let name = match subject {
            Subject::Slice { profile, .. } => profile.to_string(),
            Subject::Gpu { .. } => "gpu".to_owned(),
        };
        let mode = subject.share().map(|share| share.mode);
        *counts.entry((name, mode)).or_default() += 1;
    }
    let mut wanted = counts.iter().map(|((name, mode), count)| match mode {
        Some(mode) => format!("{name},{mode}"),
        None if lease.imex.is_some() => format!("{name}:{count},imex"),
        None => format!("{name}:{count}"),
    });
    wanted.all(|ask| may_ask(asks, namespace, &ask))
}

/// Whether one pattern of `[launch.asks]` covers an ask.
///
/// `1g.*` and `gpu` stand for one of these, `1g.*:4` for up to four at once, `gpu:*` for any number, and `*`
/// for everything. A share is covered by a pattern with its word: `gpu,mps`, `3g.*,mps`, `*,time-slice`; an IMEX channel
/// likewise: `gpu:8,imex`. Asks by capability and CDI names are matched as they are written, in canonical form.
fn covers(pattern: &str, ask: &str) -> bool {
    if pattern == "*" {
        return true;
    }
    match ask.parse::<Ask>() {
        Ok(Ask::Slice { profile, count }) => covers_named(pattern, &profile.to_string(), count),
        Ok(Ask::Gpus { count }) => covers_named(pattern, "gpu", count),
        // Less isolation is another thing than what a pattern without the word allows.
        Ok(Ask::Share { mode, of }) => match pattern.rsplit_once(',') {
            Some((pattern, word)) if word == mode.as_str() => matches(pattern, &of.to_string()),
            _ => false,
        },
        // A channel reaches memory of other hosts: a pattern without the word does not allow it.
        Ok(Ask::Imex(of)) => match pattern.rsplit_once(',') {
            Some((pattern, "imex")) => covers(pattern, &of.to_string()),
            _ => false,
        },
        Ok(by_capability) => matches(pattern, &by_capability.to_string()),
        Err(_) => matches(pattern, ask),
    }
}

fn covers_named(pattern: &str, name: &str, count: u32) -> bool {
    let (pattern, most) = match pattern.rsplit_once(':') {
        Some((pattern, "*")) => (pattern, u32::MAX),
        Some((pattern, most)) => match most.parse() {
            Ok(most) => (pattern, most),
            Err(_) => return false,
        },
        None => (pattern, 1),
    };
    count <= most && matches(pattern, name)
}

#[cfg(test)]
mod tests;
