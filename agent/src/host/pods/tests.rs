//! Promises whose container never comes: an engine that has given up, a driver that does not answer, a pod that is gone.

use kerf_types::lease::Subject;

use super::*;
use crate::host::bench::Bench;
use crate::host::fixture;

const UID: u32 = 0;

fn who(name: &str) -> PodContainer {
    PodContainer {
        sandbox: "5a5a".to_owned(),
        uid: "pod-uid".to_owned(),
        namespace: "default".to_owned(),
        container: ContainerRef::try_new("k8s.io", name).expect("a name"),
    }
}

/// A host where user 0 has promised a GPU to nobody in particular, and pods may have it.
fn promised(holder: Holder) -> (Bench, LeaseId) {
    let mut bench = Bench::new();
    let gpu = fixture::gpu(0);
    let subject = Subject::Gpu {
        gpu: gpu.pci,
        uuid: gpu.uuid.clone(),
        share: None,
    };
    bench.host.inventory = fixture::inventory(vec![gpu]);
    let id = bench.lease(holder, vec![subject]);
    let row = bench.host.leases.get_mut(&id).expect("it is there");
    row.by = Some(UID);
    (bench, id)
}

fn lease(bench: &Bench, id: LeaseId) -> Lease {
    bench
        .host
        .leases
        .get(&id)
        .expect("it is there")
        .lease
        .clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_users_lease_is_the_users_again_when_its_container_does_not_come() {
    let (mut bench, id) = promised(Holder::User { uid: UID });
    bench.host.bind(id, &who("c0")).expect("it is bound");
    let bound = lease(&bench, id);
    assert_eq!(bound.holder, who("c0").holder());
    assert_eq!(bound.container, Some(who("c0").container));
    let sandbox = who("c0").sandbox;
    bench.host.pod(PodCommand::PodRemoved { sandbox }).await;
    let free = lease(&bench, id);
    assert_eq!(
        (free.holder, free.container),
        (Holder::User { uid: UID }, None)
    );
    assert_eq!(free.state, LeaseState::Reserved);
    // A container that was never made, as the engine says or as nobody heard of its grant.
    bench.host.bind(id, &who("c1")).expect("it is bound");
    let container = who("c1").container;
    bench.host.pod(PodCommand::Removed { container }).await;
    assert_eq!(lease(&bench, id).holder, Holder::User { uid: UID });
    bench.host.bind(id, &who("c2")).expect("it is bound");
    bench.host.unbind(&id.to_string());
    assert_eq!(lease(&bench, id).container, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_launch_leaves_a_promise_as_it_was() {
    // Nothing answers here, so no grant comes of it.
    let (mut bench, id) = promised(Holder::User { uid: UID });
    let mut config = crate::config::Config::clone(&bench.host.config);
    let all = vec!["*".to_owned()];
    config.launch.asks.insert("k8s.io".to_owned(), all);
    bench.host.config = config.into();
    let before = lease(&bench, id);
    let (reply, answer) = oneshot::channel();
    let ask = PodAsk::Lease(id.to_string());
    let make = PodCommand::Make {
        who: who("c0"),
        ask,
        engine_uid: UID,
        reply,
    };
    bench.host.pod(make).await;
    let refused = answer.await.expect("an answer");
    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(lease(&bench, id), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_made_for_one_container_stays_its_own() {
    let own = Holder::Container(who("c0").container);
    let (mut bench, id) = promised(own.clone());
    bench.host.bind(id, &who("c0")).expect("it is bound");
    assert_eq!(lease(&bench, id).holder, own);
    bench.host.unbind(&id.to_string());
    assert_eq!(lease(&bench, id).holder, own, "and nobody else's");
}
