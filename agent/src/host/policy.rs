//! Who may ask for what. Pure: values in, a verdict out.

use std::collections::BTreeMap;

use kerf_types::ask::Constraints;
use kerf_types::lease::{Holder, Lease, Subject};
use kerf_types::{Ask, ContainerRef, DeviceKind, SharingMode};

use kerf_types::pattern::matches;

/// The namespace in which containerd keeps the containers of pods, and their name in `[launch.asks]`.
pub const KUBERNETES: &str = "k8s.io";

/// Patterns of what containers may ask for, by containerd namespace (`[launch.asks]`).
pub type Asks = BTreeMap<String, Vec<String>>;

/// Whether containers of a namespace may ask for this: an ask, or a standing CDI name (`slice=…`, `gpu=…`, `device=…`).
///
/// A namespace that the host's configuration does not name may not ask at all: in `k8s.io`, say, only a lease
/// that kerf issued counts.
pub fn may_ask(asks: &Asks, namespace: &str, ask: &str) -> bool {
    let patterns = asks.get(namespace);
    patterns.is_some_and(|patterns| patterns.iter().any(|pattern| covers(pattern, ask)))
}

/// Under which name of `[launch.asks]` the pods of a namespace of Kubernetes stand: under `k8s.io/` and its name where
/// there is such an entry, which then counts alone, be it narrower or wider; else under `k8s.io` as all of them.
pub fn namespace_of_pods(asks: &Asks, namespace: &str) -> String {
    let own = format!("{KUBERNETES}/{namespace}");
    match asks.contains_key(&own) {
        true => own,
        false => KUBERNETES.to_owned(),
    }
}

/// Who wants to take up a lease.
#[derive(Debug, Clone, Copy)]
pub struct Claimant<'a> {
    /// The container.
    pub container: &'a ContainerRef,
    /// The sandbox of its pod, where it is a pod's.
    pub sandbox: Option<&'a str>,
    /// uid of the runtime that makes the container.
    pub runtime_uid: u32,
    /// Under which name of `[launch.asks]` it stands.
    pub namespace: &'a str,
}

/// Whether a container may take up a lease.
///
/// A lease is bound to its holder and is no bearer token: one that a user reserved without naming a container is good
/// for runtimes of that user, in namespaces that may ask for the same themselves. One of a pod is good in that pod
/// alone, and once it was promised to one of its containers, for that one.
pub fn may_claim(asks: &Asks, lease: &Lease, who: Claimant<'_>) -> bool {
    match &lease.holder {
        Holder::Container(bound) => bound == who.container,
        Holder::Job(_) => false,
        Holder::User { uid } => *uid == who.runtime_uid && may_have(asks, who.namespace, lease),
        Holder::Pod { sandbox, .. } => {
            let promised = lease.container.as_ref();
            who.sandbox == Some(sandbox) && promised.is_none_or(|to| to.id == who.container.id)
        }
    }
}

/// Whether a namespace may ask for everything that a lease is about.
pub(super) fn may_have(asks: &Asks, namespace: &str, lease: &Lease) -> bool {
    let mut counts: BTreeMap<(String, Option<SharingMode>), u32> = BTreeMap::new();
    for subject in &lease.subjects {
        let name = match subject {
            Subject::Slice { profile, .. } => profile.to_string(),
            Subject::Gpu { .. } => "gpu".to_owned(),
        };
        let mode = subject.share().map(|share| share.mode);
        *counts.entry((name, mode)).or_default() += 1;
    }
    for device in lease
        .devices
        .iter()
        .filter(|device| device.kind != DeviceKind::Nic)
    {
        *counts.entry((device.kind.to_string(), None)).or_default() += 1;
    }
    let mut wanted = counts.iter().map(|((name, mode), count)| match mode {
        Some(mode) => format!("{name},{mode}"),
        None if lease.imex.is_some() => format!("{name}:{count},imex"),
        None => format!("{name}:{count}"),
    });
    let mut devices = lease.devices.iter();
    let has_nic = devices.any(|device| device.kind == DeviceKind::Nic);
    wanted.all(|ask| {
        // Which level bound them is not kept, and one that is allowed will do.
        let mut levels = ["pix", "pxb", "phb", "node"].into_iter();
        let with_nic = |level| may_have_nics(asks, namespace, &format!("{ask},nic={level}"));
        match has_nic {
            true => levels.any(with_nic),
            false => may_ask(asks, namespace, &ask),
        }
    })
}

/// Whether containers of a namespace get the interfaces that an ask binds: where a pattern that covers it has `nic=` in
/// it, such as `gpu:8,nic=*`, or is `*`. Others get the accelerators beside them and nothing of the interfaces.
pub fn may_have_nics(asks: &Asks, namespace: &str, ask: &str) -> bool {
    let says =
        |pattern: &str| pattern == "*" || pattern.split(',').any(|term| term.starts_with("nic="));
    let patterns = asks.get(namespace).into_iter().flatten();
    patterns
        .filter(|pattern| says(pattern))
        .any(|pattern| covers(pattern, ask))
}

/// Whether one pattern of `[launch.asks]` covers an ask.
///
/// `1g.*` and `gpu` stand for one of these, `1g.*:4` for up to four at once, `gpu:*` for any number, and `*`
/// for everything. A share is covered by a pattern with its word: `gpu,mps`, `3g.*,mps`, `*,time-slice`; an IMEX channel
/// likewise: `gpu:8,imex`. Asks by capability and CDI names are matched as they are written, in canonical form.
///
/// `same=`, `nic=` and `type=` in an ask take no accelerator that it could not have had without them, so a pattern without
/// them covers them; in a pattern they are a condition, and `nic=` gives the interfaces as well ([`may_have_nics`]). Whoever names GPUs decides which one it gets, and that is another thing:
/// `include=` and `avoid=` are covered by a pattern with the word alone, such as `gpu:4,include=*,avoid=*`.
fn covers(pattern: &str, ask: &str) -> bool {
    if pattern == "*" {
        return true;
    }
    let Ok(ask) = ask.parse::<Ask>() else {
        return matches(pattern, ask);
    };
    let terms: Vec<String> = ask
        .constraints()
        .into_iter()
        .flat_map(|only| only.terms())
        .collect();
    let (conditions, pattern): (Vec<&str>, Vec<&str>) = pattern
        .split(',')
        .partition(|term| names_gpu(term) || binds(term));
    let has = |condition: &&str| terms.iter().any(|term| matches(condition, term));
    let may = |term: &String| conditions.iter().any(|condition| matches(condition, term));
    conditions.iter().filter(|term| binds(term)).all(has)
        && terms.iter().filter(|term| names_gpu(term)).all(may)
        && covers_plain(
            &pattern.join(","),
            ask.with_constraints(Constraints::default()),
        )
}

/// Whether a term of an ask or a pattern names a GPU.
fn names_gpu(term: &str) -> bool {
    term.starts_with("include=") || term.starts_with("avoid=")
}

/// Whether it says what all must have.
fn binds(term: &str) -> bool {
    ["same=", "nic=", "type="]
        .iter()
        .any(|head| term.starts_with(head))
}

/// Whether it covers an ask without constraints.
fn covers_plain(pattern: &str, ask: Ask) -> bool {
    match ask {
        Ask::Slice { profile, count } => covers_named(pattern, &profile.to_string(), count),
        Ask::Gpus { count, only: _ } => covers_named(pattern, "gpu", count),
        Ask::Devices { kind, count, .. } => covers_named(pattern, kind.as_str(), count),
        // Less isolation is another thing than what a pattern without the word allows.
        Ask::Share { mode, of } => match pattern.rsplit_once(',') {
            Some((pattern, word)) if word == mode.as_str() => matches(pattern, &of.to_string()),
            _ => false,
        },
        // A channel reaches memory of other hosts: a pattern without the word does not allow it.
        Ask::Imex(of) => match pattern.rsplit_once(',') {
            Some((pattern, "imex")) => pattern == "*" || covers_plain(pattern, *of),
            _ => false,
        },
        by_capability @ Ask::Capability(_) => matches(pattern, &by_capability.to_string()),
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
