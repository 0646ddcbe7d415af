//! Who waits, who does not, and that nobody is kept for one who has gone.

use std::time::{Duration, Instant};

use kerf_types::lease::Holder;
use kerf_types::{ContainerRef, MigMode};
use tokio::sync::oneshot;

use super::*;
use crate::host::bench::Bench;
use crate::host::fixture;

/// Where something is waited for that comes.
const LONG: Duration = Duration::from_secs(600);

fn named(name: &str) -> Holder {
    Holder::Container(ContainerRef::try_new("", name).expect("a name"))
}

/// A host with one whole GPU, which somebody has.
fn full() -> Bench {
    let mut bench = Bench::new();
    let mut gpu = fixture::gpu(0);
    gpu.mig_mode = MigMode::Disabled;
    let whole = kerf_types::lease::Subject::Gpu {
        gpu: gpu.pci,
        uuid: gpu.uuid.clone(),
        share: None,
    };
    bench.host.inventory = fixture::inventory(vec![gpu]);
    bench.lease(named("first"), vec![whole]);
    // Nothing answers here: a look would find nothing at all.
    bench.host.last_look = Some(Instant::now() + LONG);
    bench
}

async fn ask(
    bench: &mut Bench,
    ask: &str,
    wait: Duration,
) -> oneshot::Receiver<Result<Lease, HostError>> {
    ask_by(bench, 7, ask, wait).await
}

async fn ask_by(
    bench: &mut Bench,
    uid: u32,
    ask: &str,
    wait: Duration,
) -> oneshot::Receiver<Result<Lease, HostError>> {
    let (reply, answer) = oneshot::channel();
    let request = Reserve {
        wanted: Wanted::Ask(ask.parse().expect("an ask")),
        holder: named("later"),
        ttl: LONG,
        by: Some(uid),
        wait,
        nics: false,
        is_nameless: false,
    };
    bench.host.admit(Wish::Reserve { request, reply }).await;
    answer
}

fn refusal(answer: &mut oneshot::Receiver<Result<Lease, HostError>>) -> String {
    match answer.try_recv() {
        Ok(Err(error)) => error.to_string(),
        other => panic!("a refusal, not {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_who_did_not_say_so() {
    let mut bench = full();
    let mut answer = ask(&mut bench, "gpu", Duration::ZERO).await;
    let why = refusal(&mut answer);
    assert!(
        why.starts_with("no room for gpu") && !why.contains("waited"),
        "{why}"
    );
    assert_eq!(bench.host.waiting.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_never_fits_is_refused_at_once() {
    let mut bench = full();
    let mut answer = ask(&mut bench, "gpu:2", LONG).await;
    let why = refusal(&mut answer);
    assert!(why.ends_with("also when nobody uses anything"), "{why}");
    assert_eq!(bench.host.waiting.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_is_told_why_when_the_time_is_over() {
    let mut bench = full();
    let wait = Duration::from_millis(20);
    let mut answer = ask(&mut bench, "gpu", wait).await;
    assert!(answer.try_recv().is_err() && bench.host.waiting.len() == 1);
    bench.host.serve_waiting().await;
    assert_eq!(
        bench.host.waiting.len(),
        usize::from(answer.try_recv().is_err())
    );
    tokio::time::sleep_until(
        bench
            .host
            .waiting
            .deadline()
            .unwrap_or_else(tokio::time::Instant::now),
    )
    .await;
    bench.host.serve_waiting().await;
    let why = refusal(&mut answer);
    assert!(why.contains("; it waited "), "{why}");
    assert_eq!(
        (bench.host.waiting.len(), bench.host.waiting.deadline()),
        (0, None)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_gone_waits_no_more_and_a_kerfd_that_ends_lets_all_go() {
    let mut bench = full();
    drop(ask(&mut bench, "gpu", LONG).await);
    assert_eq!(bench.host.waiting.len(), 1);
    bench.host.serve_waiting().await;
    assert_eq!(bench.host.waiting.len(), 0);
    let mut answer = ask(&mut bench, "gpu", LONG).await;
    bench.host.let_waiting_go();
    assert_eq!(refusal(&mut answer), HostError::Draining.to_string());
    // One that went before its turn is not served at all.
    let (reply, answer) = oneshot::channel();
    drop(answer);
    let request = Reserve {
        wanted: Wanted::Ask("gpu".parse().expect("an ask")),
        holder: named("later"),
        ttl: LONG,
        by: None,
        wait: LONG,
        nics: false,
        is_nameless: false,
    };
    bench.host.admit(Wish::Reserve { request, reply }).await;
    assert_eq!(bench.host.waiting.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_wait_than_the_bound() {
    let mut bench = full();
    let mut answers = Vec::new();
    for uid in (0..).take(BOUND / BOUND_OF_USER) {
        for _ in 0..BOUND_OF_USER {
            answers.push(ask_by(&mut bench, uid, "gpu", LONG).await);
        }
        // One user has no more than this, however many places are left.
        let mut more = ask_by(&mut bench, uid, "gpu", LONG).await;
        assert!(refusal(&mut more).starts_with("no room for gpu"));
        assert_eq!(bench.host.waiting.len(), answers.len());
    }
    assert_eq!(answers.len(), BOUND);
    let mut late = ask_by(&mut bench, 99, "gpu", LONG).await;
    assert!(refusal(&mut late).starts_with("no room for gpu"));
    // Whoever has gone makes room for another.
    answers.truncate(BOUND - 1);
    let mut next = ask_by(&mut bench, 99, "gpu", LONG).await;
    assert!(next.try_recv().is_err() && bench.host.waiting.len() == BOUND);
}
