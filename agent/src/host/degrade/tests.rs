//! That whoever hears of something finds it in the picture.

use std::time::Duration;

use kerf_types::ContainerRef;
use kerf_types::lease::Holder;

use crate::host::bench::Bench;
use crate::host::{Command, fixture};

#[tokio::test]
async fn what_is_told_is_shown_already() {
    let mut bench = Bench::new();
    let shown = |bench: &Bench| bench.view().degraded.contains_key("driver");
    bench.host.degrade("driver", "it hangs".to_owned(), "wait");
    assert!(!shown(&bench) && bench.told().is_empty());
    bench.host.publish();
    assert!(shown(&bench));
    assert_eq!(bench.told(), ["health driver: it hangs"]);
    // Another reason is no other event.
    bench
        .host
        .degrade("driver", "it still does".to_owned(), "wait");
    bench.host.recovered("driver");
    bench.host.recovered("driver");
    assert!(shown(&bench) && bench.told().len() == 1);
    bench.host.publish();
    assert!(!shown(&bench));
    let all = ["health driver: it hangs", "health driver: well again"];
    assert_eq!(bench.told(), all);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_cannot_be_written_are_shown_and_told_by_the_look_that_tried() {
    let mut bench = Bench::new();
    let cdi = bench.folder().join("cdi");
    std::fs::write(&cdi, "no folder").expect("a file");
    bench.host.settle().await;
    assert!(bench.view().degraded.contains_key("cdi"));
    let told = bench.told();
    assert!(
        told.len() == 1 && told[0].starts_with("health cdi: "),
        "{told:?}"
    );
    std::fs::remove_file(&cdi).expect("ours");
    bench.host.settle().await;
    assert!(bench.view().degraded.is_empty());
    assert_eq!(
        bench.told().last().map(String::as_str),
        Some("health cdi: well again")
    );
}

/// A promise that is kept for longer is nothing that a picture shows, and its write may be the first that succeeds.
#[tokio::test(flavor = "multi_thread")]
async fn a_command_shows_and_tells_what_it_has_found() {
    let mut bench = Bench::new();
    let container = ContainerRef::try_new("", "web").expect("a name");
    let lease = bench.lease(Holder::Container(container), vec![fixture::subject(0)]);
    bench
        .host
        .degrade("store", "no space".to_owned(), "free some");
    bench.host.publish();
    let (reply, answer) = tokio::sync::oneshot::channel();
    let ttl = Duration::from_secs(60);
    let renew = Command::Renew { lease, ttl, reply };
    bench.host.handle_command(renew).await;
    answer.await.expect("an answer").expect("it is kept");
    assert!(bench.view().degraded.is_empty());
    assert_eq!(
        bench.told(),
        ["health store: no space", "health store: well again"]
    );
}
