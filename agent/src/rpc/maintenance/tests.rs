//! What the API tells of maintenance.

use std::collections::BTreeSet;
use std::sync::mpsc;
use std::time::Duration;

use kerf_types::Timestamp;

use super::{document, in_time};
use crate::host::Maintenance;
use crate::host::proof::Proof;
use crate::process::holders::Holder;

#[test]
fn a_document_tells_the_scope_and_who_is_in_the_way() {
    let pci = "0000:1b:00.0".parse().expect("an address");
    let now = Maintenance {
        whole_host: false,
        gpus: BTreeSet::from([pci]),
        since: Timestamp(7),
        by: None,
    };
    let holder = Holder {
        pid: 9,
        command: "python".to_owned(),
        holds: BTreeSet::from(["/dev/nvidia3".to_owned()]),
    };
    let proof = Proof {
        others: vec![holder],
        ..Proof::default()
    };
    let told = document(Some(now), proof.clone(), Vec::new());
    assert!(told.active && !told.whole_host);
    assert_eq!(
        (told.gpus, told.since_ms, told.by),
        (vec!["0000:1b:00.0".to_owned()], 7, None)
    );
    assert_eq!(told.others[0].holds, ["/dev/nvidia3"]);
    assert!(told.ours.is_empty());
    let over = document(None, proof, vec!["driver: gone".to_owned()]);
    assert!(!over.active && over.gpus.is_empty());
    assert_eq!(over.unwell, ["driver: gone"]);
}

#[tokio::test]
async fn a_look_that_never_ends_is_told_as_such() {
    let (sender, receiver) = mpsc::channel::<()>();
    let never = move || receiver.recv().is_ok();
    let error = in_time(never, Duration::from_millis(10)).await;
    let error = error.expect_err("nobody has answered");
    assert!(error.message().contains("/proc does not answer"), "{error}");
    drop(sender);
    assert!(matches!(
        in_time(|| 7, Duration::from_secs(60)).await,
        Ok(7)
    ));
}
