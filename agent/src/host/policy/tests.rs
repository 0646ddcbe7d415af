//! What patterns cover, and who may take up a lease.

use kerf_types::lease::{Holder, Lease, Subject};
use kerf_types::{ContainerRef, Placement, Share, SharingMode, SliceId};

use super::{Asks, Claimant, covers, namespace_of_pods};
use crate::host::fixture;

#[test]
fn a_pattern_covers_names_up_to_its_count() {
    for (pattern, ask, expected) in [
        ("*", "gpu:8", true),
        ("*", "slice=0000:0d:00.0/0:1", true),
        ("1g.*", "1g.10gb", true),
        ("1g.*", "1g.10gb:1", true),
        ("1g.*", "1g.10gb:7", false),
        ("1g.*:4", "1g.10gb:4", true),
        ("1g.*:4", "1g.10gb:5", false),
        ("1g.*", "2g.20gb", false),
        ("gpu", "gpu", true),
        ("gpu", "gpu:2", false),
        ("gpu:*", "gpu:8", true),
        ("gpu:x", "gpu:8", false),
        ("memory>=20GiB*", "memory>=20GiB,fp8", true),
        ("memory>=20GiB", "memory>=80GiB", false),
        ("gpu,mps", "gpu,mps", true),
        ("gpu", "gpu,mps", false),
        ("gpu:*", "gpu,mps", false),
        ("gpu,mps", "gpu", false),
        ("gpu,mps", "gpu,time-slice", false),
        ("3g.*,mps", "3g.40gb,mps", true),
        ("3g.*", "3g.40gb,mps", false),
        ("*,mps", "memory>=10GiB,fp8,mps", true),
        ("*", "gpu,time-slice", true),
        ("gpu:4", "gpu:2,imex", false),
        ("gpu:4,imex", "gpu:2,imex", true),
        ("gpu:4,imex", "gpu:8,imex", false),
        ("gpu:4,imex", "gpu:2", false),
        ("nvlink:*,imex", "nvlink:4,imex", true),
        ("*,imex", "gpu:8,imex", true),
        ("*", "gpu:8,imex", true),
        ("1g.*", "slice=0000:0d:00.0/0:1", false),
        ("slice=*", "slice=0000:0d:00.0/0:1", true),
        // A condition takes nothing more; whoever names GPUs needs a pattern that says so.
        ("gpu:4", "gpu:4,same=numa,nic=pix", true),
        ("gpu:4", "gpu:5,same=numa", false),
        ("gpu:4,same=numa", "gpu:4,same=numa,nic=pix", true),
        ("gpu:4,same=numa", "gpu:4", false),
        ("gpu:4,same=numa", "gpu:4,same=switch", false),
        ("gpu:*,same=*", "gpu:8,same=switch", true),
        ("gpu:*", "gpu:1,include=0", false),
        ("gpu:*", "gpu:1,avoid=0", false),
        ("gpu:*,same=numa", "gpu:2,same=numa,avoid=0", false),
        ("gpu:2,include=*", "gpu:2,include=0,include=1", true),
        ("gpu:2,include=*", "gpu:2,include=0,avoid=1", false),
        ("gpu:2,include=*,avoid=*", "gpu:2,avoid=3,include=0", true),
        ("gpu:2,include=*", "gpu:3,include=0", false),
        ("gpu:2,include=*", "gpu:2", true),
        ("gpu:2,include=0", "gpu:2,include=0", true),
        ("gpu:2,include=0", "gpu:2,include=GPU-a", false),
        ("nvlink:*", "nvlink:4,same=numa", true),
        ("nvlink:*", "nvlink:4,include=0", false),
        ("fp8,nvlink:*", "fp8,nvlink:4,avoid=0", false),
        ("fp8,nvlink:*,avoid=*", "fp8,nvlink:4,avoid=0", true),
        ("*,include=*", "nvlink:4,include=0", true),
        ("*,nvlink:4", "nvlink:4,include=0", false),
        ("*", "gpu:2,include=0,avoid=1,same=numa", true),
    ] {
        assert_eq!(covers(pattern, ask), expected, "{pattern} {ask}");
    }
}

fn may_claim(asks: &Asks, lease: &Lease, container: &ContainerRef, runtime_uid: u32) -> bool {
    let who = Claimant {
        container,
        sandbox: None,
        runtime_uid,
        namespace: &container.namespace,
    };
    super::may_claim(asks, lease, who)
}

fn asks(asks: &[(&str, &[&str])]) -> Asks {
    let asks = asks.iter().map(|(namespace, patterns)| {
        let patterns = patterns.iter().map(|pattern| (*pattern).to_owned());
        ((*namespace).to_owned(), patterns.collect())
    });
    asks.collect()
}

fn lease(holder: Holder) -> Lease {
    let slice = |place: &str| Subject::Slice {
        slice: SliceId {
            gpu: "0000:0d:00.0".parse().expect("an address"),
            placement: place.parse::<Placement>().expect("a place"),
            compute: None,
        },
        profile: "1g.10gb".parse().expect("a profile"),
        parent: "GPU-11111111-1111-1111-1111-111111111111"
            .parse()
            .expect("a GPU"),
        uuid: "MIG-22222222-2222-5222-9222-222222222222"
            .parse()
            .expect("a MIG device"),
        share: None,
    };
    fixture::lease(holder, vec![slice("0:1"), slice("1:1")])
}

#[test]
fn a_lease_is_no_bearer_token() {
    let mine = ContainerRef::try_new("default", "a").expect("a name");
    let other = ContainerRef::try_new("default", "b").expect("a name");
    let pod = ContainerRef::try_new("k8s.io", "b").expect("a name");
    let one = asks(&[("default", &["1g.*"]), ("k8s.io", &[])]);
    let two = asks(&[("default", &["1g.*:2"]), ("k8s.io", &[])]);
    let bound = lease(Holder::Container(mine.clone()));
    let with_channel = Lease {
        imex: Some(0),
        ..lease(Holder::User { uid: 0 })
    };
    let no_word = asks(&[("default", &["1g.*:2"])]);
    assert!(!may_claim(&no_word, &with_channel, &mine, 0));
    assert!(may_claim(&one, &bound, &mine, 0));
    assert!(!may_claim(&one, &bound, &other, 0));
    let of_root = lease(Holder::User { uid: 0 });
    assert!(may_claim(&two, &of_root, &other, 0));
    assert!(!may_claim(&one, &of_root, &other, 0), "it holds two");
    assert!(!may_claim(&two, &of_root, &pod, 0), "pods may not ask");
    let of_user = lease(Holder::User { uid: 1000 });
    assert!(!may_claim(&two, &of_user, &other, 0));
}

#[test]
fn a_lease_on_a_share_is_for_those_who_may_ask_for_a_share() {
    let mine = ContainerRef::try_new("default", "a").expect("a name");
    let mut lease = lease(Holder::User { uid: 7 });
    lease.subjects.truncate(1);
    let Some(Subject::Slice { share, .. }) = lease.subjects.first_mut() else {
        panic!("a slice");
    };
    *share = Some(Share {
        mode: SharingMode::Mps,
        index: 0,
        of: 2,
    });
    for (pattern, expected) in [
        ("1g.*", false),
        ("1g.*,mps", true),
        ("1g.*,time-slice", false),
    ] {
        let asks = asks(&[("default", &[pattern])]);
        assert_eq!(may_claim(&asks, &lease, &mine, 7), expected, "{pattern}");
    }
}

#[test]
fn a_lease_of_a_pod_is_for_one_container_of_that_pod() {
    let container = |id: &str| ContainerRef::try_new("k8s.io", id).expect("a name");
    let (one, other) = (container("a"), container("b"));
    let everything = asks(&[("k8s.io", &["*"])]);
    let holder = Holder::Pod {
        sandbox: "s1".to_owned(),
        uid: "u1".to_owned(),
    };
    let promised = Lease {
        container: Some(one.clone()),
        ..lease(holder.clone())
    };
    let open = Lease {
        container: None,
        ..lease(holder)
    };
    for (lease, container, sandbox, expected) in [
        (&promised, &one, Some("s1"), true),
        (&promised, &other, Some("s1"), false),
        (&promised, &one, Some("s2"), false),
        (&promised, &one, None, false),
        (&open, &other, Some("s1"), true),
        (&open, &other, Some("s2"), false),
        (&open, &other, None, false),
    ] {
        let who = Claimant {
            container,
            sandbox,
            runtime_uid: 0,
            namespace: "k8s.io",
        };
        let found = super::may_claim(&everything, lease, who);
        assert_eq!(found, expected, "{who:?} {lease:?}");
    }
}

#[test]
fn the_entry_of_a_namespace_of_pods_counts_alone() {
    let asks = asks(&[("k8s.io", &["1g.*"]), ("k8s.io/team-a", &[])]);
    assert_eq!(namespace_of_pods(&asks, "team-a"), "k8s.io/team-a");
    assert_eq!(namespace_of_pods(&asks, "team-b"), "k8s.io");
    assert!(super::may_ask(&asks, "k8s.io", "1g.10gb"));
    assert!(!super::may_ask(&asks, "k8s.io/team-a", "1g.10gb"));
}
