//! Jobs that wait: what they say meanwhile, and what they are waked by.

use std::sync::Arc;
use std::time::Duration;

use kerf_types::Timestamp;
use kerf_types::host_record::Occupancy;
use kerf_types::peer::Body;

use super::fixture::{BY, hash, host_id, job_id, record, shared, spec};
use super::protocol::{OWN, One, PEER, peer, tag};
use crate::core::{Input, Output};
use crate::explain::Verdict;
use crate::filter::Refusal;
use crate::fleet::Liveness;

#[test]
fn a_job_that_fits_nowhere_waits_with_the_reason_and_starts_when_that_passes() {
    let mut one = One::new();
    one.step(Input::Record(shared(record(OWN, 0))));
    let job = job_id(9);
    one.step(Input::Submit {
        job,
        spec: Arc::new(spec("1g.10gb", 1)),
        spec_hash: hash(1),
        by: BY,
        at: Timestamp(1),
    });
    let report = one.core.report(job).expect("it waits");
    assert_eq!(
        report.reason,
        "impossible here: no room for 1g.10gb: this host has no GPU"
    );
    one.pass(Duration::from_secs(1));
    let said = one.said(Input::Record(shared(record(PEER, 1))));
    assert!(
        matches!(said.as_slice(), [Body::Reserve { .. }]),
        "{said:?}"
    );
}

#[test]
fn a_job_that_waits_on_is_explained_anew_when_it_waits_for_another_reason() {
    let mut one = One::new();
    for host in [OWN, PEER] {
        let mut full = record(host, 1);
        full.gpus[0].occupancy = Occupancy::Leased;
        one.step(Input::Record(shared(full)));
    }
    let job = job_id(9);
    one.step(Input::Submit {
        job,
        spec: Arc::new(spec("gpu:1", 1)),
        spec_hash: hash(1),
        by: BY,
        at: Timestamp(1),
    });
    let report = one.core.report(job).expect("it waits").clone();
    one.pass(Duration::from_secs(1));
    let mut said = one.step(Input::Peer {
        host: host_id(PEER),
        liveness: Liveness::Left,
    });
    one.pass(Duration::from_secs(1));
    said.extend(one.step(Input::Wake));
    let told = said.iter().find_map(|output| match output {
        Output::Report(report) => Some(report),
        _ => None,
    });
    let told = told.expect("it is told");
    assert_eq!(told.reason, report.reason);
    let explanation = told.explanation.as_ref().expect("an explanation");
    let (_, verdict) = &explanation.hosts[&host_id(PEER)];
    assert_eq!(*verdict, Verdict::Refused(Arc::new(Refusal::Left)));
    // Nothing new is told of what is as before.
    one.pass(Duration::from_secs(10));
    let said = one.step(Input::Wake);
    assert!(
        !said
            .iter()
            .any(|output| matches!(output, Output::Report(_)))
    );
}

#[test]
fn a_job_that_was_refused_waits_in_line_and_one_that_may_not_wait_comes_again_later() {
    let mut one = One::new();
    let told = |revision, occupancy| {
        let mut record = record(PEER, 1);
        record.version.revision = revision;
        record.gpus[0].occupancy = occupancy;
        record
    };
    one.step(Input::Record(shared(told(1, Occupancy::Free))));
    let said = one.said(Input::Submit {
        job: job_id(9),
        spec: Arc::new(spec("gpu:1", 1)),
        spec_hash: hash(1),
        by: BY,
        at: Timestamp(1),
    });
    assert!(
        matches!(said.as_slice(), [Body::Reserve { .. }]),
        "{said:?}"
    );
    // Somebody else was quicker, and the host says so.
    let refused = Body::Refused {
        reason: "no room".to_owned(),
        record: Some(Box::new(told(2, Occupancy::Leased))),
    };
    one.said(peer(tag(1), refused));
    one.pass(Duration::from_secs(1));
    let asks = |said: &[Body]| {
        said.iter().find_map(|body| match body {
            Body::Reserve { turn, .. } => turn.map(|turn| turn.waits),
            _ => None,
        })
    };
    // It was there first once: it asks to wait, and is not content to look on.
    assert_eq!(asks(&one.said(Input::Wake)), Some(true));
    // A host that does not let it wait is left out for as long as any that said no, whatever it tells.
    let refused = Body::Refused {
        reason: "as many jobs wait here as may".to_owned(),
        record: None,
    };
    one.said(peer(tag(2), refused));
    one.step(Input::Record(shared(told(3, Occupancy::Free))));
    one.pass(Duration::from_secs(1));
    assert_eq!(asks(&one.said(Input::Wake)), None);
    one.pass(Duration::from_secs(5));
    assert_eq!(asks(&one.said(Input::Wake)), Some(false));
}
