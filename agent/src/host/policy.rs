//! Who may ask for what. Pure: values in, a verdict out.

use kerf_types::ContainerRef;
use kerf_types::lease::Holder;

use crate::config::Launch;
use crate::pattern::matches;

/// Whether containers of a namespace may ask for this. A namespace that the host's configuration does not
/// name may not ask at all: in `k8s.io`, say, only a lease that kerf issued counts.
pub fn may_ask(launch: &Launch, namespace: &str, ask: &str) -> bool {
    launch
        .asks
        .get(namespace)
        .is_some_and(|patterns| patterns.iter().any(|pattern| matches(pattern, ask)))
}

/// Whether a container may take up a lease that was made for `holder`.
///
/// `runtime_uid` is the uid of the runtime that makes the container. A lease is bound to its holder and is
/// no bearer token: one that a user reserved without naming a container is good for runtimes of that user.
pub fn may_claim(holder: &Holder, container: &ContainerRef, runtime_uid: u32) -> bool {
    match holder {
        Holder::Container(bound) => bound == container,
        Holder::Job(_) => false,
        Holder::User { uid } => *uid == runtime_uid,
    }
}

#[cfg(test)]
mod tests {
    use super::may_claim;
    use kerf_types::ContainerRef;
    use kerf_types::lease::Holder;

    #[test]
    fn a_lease_is_no_bearer_token() {
        let mine = ContainerRef::try_new("default", "a").expect("a name");
        let other = ContainerRef::try_new("default", "b").expect("a name");
        let bound = Holder::Container(mine.clone());
        assert!(may_claim(&bound, &mine, 0));
        assert!(!may_claim(&bound, &other, 0));
        assert!(may_claim(&Holder::User { uid: 0 }, &other, 0));
        assert!(!may_claim(&Holder::User { uid: 1000 }, &other, 0));
    }
}
