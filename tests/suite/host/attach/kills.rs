//! kerfd is killed at any moment of an attach or a detach: the container has all of the lease or nothing of it, and nothing
//! is left behind.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::super::crash::kills::{Random, come_back};
use super::running::{Host, union};

/// Kills of each.
const KILLS: u64 = 12;

/// Kills kerfd this long after `kerf` was started with these words.
fn kill_during(host: &mut Host, words: &[&str], after: Duration) {
    let mut command = host.world.kerfd.kerf().expect("kerf is built");
    let log = host.world.scratch.join("killed.log");
    let mut child = kerf_tests::ChildGuard::spawn("kerf", command.args(words), &log);
    std::thread::sleep(after);
    host.world.kerfd.kill9().expect("kerfd goes");
    if let Ok(child) = &mut child {
        drop(child.wait(super::super::world::LIMIT));
    }
    come_back(&mut host.world);
}

/// What the container opens is what its leases say, and what the list allows is that alone.
pub fn check(host: &Host, what: &str) -> usize {
    let c = &host.name("c");
    let leases = host.world.client.leases();
    assert!(
        leases.iter().all(|lease| lease.state == "active"),
        "{what}: {leases:?}"
    );
    let all: Vec<_> = leases.iter().collect();
    let expected = union(&host.world, &all);
    assert_eq!(host.opens(c), expected, "{what}");
    assert_eq!(host.rules(c).len(), expected.len(), "{what}");
    assert_eq!(host.world.instances().len(), leases.len(), "{what}");
    leases.len()
}

#[test]
fn a_kill_at_any_moment_leaves_the_whole_of_it_or_nothing() {
    let Some(mut host) = Host::new("h100x1", "") else {
        return;
    };
    let c = &host.name("c");
    host.start(c, |_| {});
    let begun = Instant::now();
    let probe = host.attach(c, "1g.10gb");
    let attach = begun.elapsed();
    let begun = Instant::now();
    host.document(&["device", "detach", &probe.id]);
    let detach = begun.elapsed();
    host.world.assert_untouched();
    let micros = |took: Duration| u64::try_from(took.as_micros()).expect("it is short");
    let mut random = Random(0x6174_7463);
    let (mut kept, mut undone) = (0, 0);
    for round in 0..KILLS {
        let after = Duration::from_micros(random.below(micros(attach) * 5 / 4));
        kill_during(&mut host, &["device", "attach", c, "1g.10gb"], after);
        // A promise that was not taken up yet runs out by itself, as any does.
        for lease in host.world.client.leases() {
            if lease.state == "reserved" {
                host.world.client.release(&lease.id).expect("it ends");
            }
        }
        let what = format!("attach {round}, {after:?}");
        match check(&host, &what) {
            0 => undone += 1,
            _ => kept += 1,
        }
        if host.world.client.leases().is_empty() {
            host.attach(c, "1g.10gb");
        }
        let after = Duration::from_micros(random.below(micros(detach) * 5 / 4));
        kill_during(&mut host, &["device", "detach", c], after);
        let what = format!("detach {round}, {after:?}");
        if check(&host, &what) > 0 {
            let lease = host.world.lease();
            host.document(&["device", "detach", &lease.id]);
        }
        assert_eq!(host.opens(c), BTreeSet::new(), "{what}");
        host.world.assert_untouched();
    }
    // Which of them meets one in its middle is a matter of the machine's speed.
    kerf_tests::note(&format!(
        "{kept} attachments were kept, {undone} were not made"
    ));
}
