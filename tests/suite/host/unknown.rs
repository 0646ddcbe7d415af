//! Where no worker for processes can be started nobody knows who has taken up what is promised: kerfd says so.

use kerf_tests::{bins, executable};

use super::said::kerf;
use super::world::World;

/// The entry in the status, and what it has to say.
const ENTRY: &str = "process worker: ";

fn entry(world: &World) -> Option<String> {
    let all = world.client.degraded();
    all.into_iter().find(|line| line.starts_with(ENTRY))
}

/// Makes a promise that runs out in a moment, and waits until kerfd says what it does not know.
fn promise(world: &World) {
    kerf(world, &["lease", "create", "1g.10gb", "--ttl", "1s"]).ends(0);
    world.client.looked();
    world.until("word of it", || entry(world).is_some());
}

#[test]
fn where_no_process_worker_starts_promises_stay_and_the_status_says_why() {
    let Some(mut world) = World::bare("h100x1", "") else {
        return;
    };
    let folder = world.scratch.folder("workers").expect("a folder");
    let (program, broken) = (folder.join("kerf-partitioner"), folder.join("broken"));
    let text = format!(
        "#!/bin/sh\n[ \"$1\" = process-worker ] && [ -e {} ] && exit 3\nexec {} \"$@\"\n",
        broken.display(),
        bins::partitioner().expect("it is built").display()
    );
    executable::script(&program, &text).expect("a script");
    std::fs::write(&broken, "").expect("a file");
    world.has_partitioner(&program);
    promise(&world);
    let line = entry(&world).expect("it lasts");
    for words in ["the process worker", "no promise runs out"] {
        assert!(line.contains(words), "{line}");
    }
    let status = kerf(&world, &["status"]).out;
    for words in [
        "process worker",
        "no promise runs out",
        "kerf-process.socket",
    ] {
        assert!(status.contains(words), "{status}");
    }
    std::thread::sleep(std::time::Duration::from_millis(1_200));
    world.client.looked();
    assert_eq!(world.lease().state, "reserved");

    std::fs::remove_file(&broken).expect("it was there");
    world.client.looked();
    world.until_no_leases();
    assert_eq!(world.client.degraded(), Vec::<String>::new());

    // Where nothing is promised any more it is well as soon as one answers, and no sooner.
    world.kerfd.kill9().expect("it goes");
    std::fs::write(&broken, "").expect("a file");
    world.kerfd.restart().expect("it comes back");
    promise(&world);
    let id = world.lease().id;
    kerf(&world, &["lease", "release", &id]).ends(0);
    world.client.looked();
    assert!(world.client.leases().is_empty() && entry(&world).is_some());
    std::fs::remove_file(&broken).expect("it was there");
    world.client.looked();
    world.until("a host that is well", || world.client.degraded().is_empty());
}
