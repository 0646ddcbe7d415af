//! When an ask for a channel is refused, and in which words.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kerf_types::lease::Holder;
use kerf_types::map::ImexChannels;
use kerf_types::{Ask, ContainerRef, HostMap};

use crate::errors::chain;
use crate::host::bench::Bench;
use crate::host::{Reserve, Wanted};

fn ask() -> Wanted {
    let ask: Ask = "gpu,imex".parse().expect("an ask");
    Wanted::Ask(ask)
}

fn have(bench: &mut Bench, count: Option<u32>) {
    let nodes = Vec::new();
    bench.host.inventory.map = Arc::new(HostMap {
        imex: Some(ImexChannels { count, nodes }),
        ..HostMap::default()
    });
}

#[tokio::test]
async fn a_refusal_names_the_file_and_the_parameter() {
    let mut bench = Bench::new();
    let refused = |bench: &Bench, seen: &str| {
        let refused = bench.host.channel_for(&ask()).expect_err("it has none");
        let words = [
            "its driver has no IMEX channels",
            seen,
            "NVreg_ImexChannelCount",
        ];
        let text = chain(&refused);
        assert!(words.iter().all(|words| text.contains(words)), "{text}");
    };
    refused(&bench, "(/proc/devices has no nvidia-caps-imex-channels)");
    have(&mut bench, None);
    refused(
        &bench,
        "(/proc/driver/nvidia/params has no ImexChannelCount)",
    );
    have(&mut bench, Some(0));
    refused(
        &bench,
        "(ImexChannelCount in /proc/driver/nvidia/params is 0)",
    );
    have(&mut bench, Some(1));
    assert_eq!(bench.host.channel_for(&ask()).expect("it has one"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn before_a_refusal_the_host_is_looked_at_once() {
    let mut bench = Bench::new();
    let request = Reserve {
        wanted: ask(),
        holder: Holder::Container(ContainerRef::try_new("", "web").expect("a name")),
        ttl: Duration::from_secs(60),
        by: None,
        wait: Duration::ZERO,
        nics: false,
        is_nameless: false,
    };
    bench.host.reserve(&request).await.expect_err("no driver");
    // There is no worker, as whoever looks finds.
    assert!(bench.host.degraded.contains_key("worker"));
    assert!(bench.host.last_look.is_some());
    bench.host.degraded.clear();
    // However long this test takes.
    bench.host.last_look = Some(Instant::now() + Duration::from_secs(3_600));
    bench.host.reserve(&request).await.expect_err("no driver");
    assert!(
        bench.host.degraded.is_empty(),
        "not again within the second"
    );
}
