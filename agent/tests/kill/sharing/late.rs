//! What an earlier kerfd has left and is found out only after the start has gone on: it is seen to all the same.

use std::fs;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use kerf_agent::host;
use tokio::runtime::Builder;

use crate::lane::Lane;
use crate::life::ailments;

/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn what_is_found_out_late_is_seen_to_in_the_same_life() {
    let lane = Lane::new("h100x8", 1);
    let place = lane.config.paths.run_dir.join("mps/0123456789ab");
    fs::create_dir_all(place.join("pipe")).expect("a folder");
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    // Whatever blocks waits behind this.
    let (release, released) = mpsc::channel::<()>();
    let blocks = runtime.spawn_blocking(move || released.recv());
    runtime.block_on(async {
        let started = host::start(lane.unwatched_parts()).await;
        let (host, _owner) = started.expect("an owner");
        let mut views = host.watch();
        let looked = views.wait_for(|view| !view.degraded.contains_key("starting"));
        let looked = tokio::time::timeout(LIMIT, looked).await;
        drop(looked.expect("it goes on").expect("an owner"));
        assert!(place.exists(), "nobody has looked there yet");
        release.send(()).expect("somebody waits for it");
        let end = Instant::now() + LIMIT;
        while place.exists() {
            assert!(Instant::now() < end, "{:?}", ailments(&host.view()));
            host.refresh().await;
        }
    });
    runtime
        .block_on(blocks)
        .expect("it ends")
        .expect("released");
    runtime.shutdown_timeout(LIMIT);
    lane.quiesce();
}
