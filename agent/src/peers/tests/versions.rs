//! Releases that do not speak the same versions of calls.

use tonic::Code;

use super::{Event, Host, Versions, host_with, me, message, settings, until};
use crate::peers::join;

/// What the next release would speak.
const NEXT: Versions = Versions {
    oldest: 1,
    newest: 2,
};

/// What a release after that would speak, which knows this one no more.
const LATER: Versions = Versions {
    oldest: 2,
    newest: 3,
};

async fn host(number: u128, versions: Versions, join: &[&Host]) -> Host {
    let join = join.iter().map(|host| host.address().to_string());
    let mut settings = settings(join.collect());
    settings.versions = versions;
    host_with(me(number, 1), settings, join::system()).await
}

fn member(event: Event) -> Option<u32> {
    match event {
        Event::Message { message, .. } => Some(message.tag.member),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_of_the_release_before_talks_to_two_of_this_one() {
    let one = host(1, NEXT, &[]).await;
    let two = host(2, NEXT, &[&one]).await;
    let old = host(3, Versions::OURS, &[&one]).await;
    let mut hosts = [one, two, old];
    for from in 0..3 {
        for to in (0..3).filter(|to| *to != from) {
            let (there, heard) = (hosts[to].me.host, hosts[from].me.clone());
            hosts[from].sees_alive(&hosts[to]).await;
            hosts[to].sees("alive", &heard, |_| true).await;
            // The second goes in the version that the answer to the first has agreed upon.
            for number in [1, 2] {
                hosts[from].peers.send(there, message(number));
                assert_eq!(hosts[to].hears("a message", member).await, number);
            }
        }
    }
    for host in &hosts {
        let counts = &host.metrics.peer_messages;
        until("all are taken", || counts.get(["out", "sent"]) == 4).await;
        assert_eq!(counts.get(["out", "failed"]), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_names_the_versions_of_both_sides() {
    let here = Versions::OURS;
    for (version, reads) in [(0, 0), (2, 3), (-1, 0)] {
        let refused = here.check(version, reads).expect_err("another release");
        assert_eq!(refused.code(), Code::Unimplemented);
    }
    let refused = here.check(LATER.for_reader(0), LATER.newest);
    let text = refused.expect_err("none in common").message().to_owned();
    assert!(
        text.contains("version 2 and its sender reads up to 3")
            && text.contains("understands 1 to 1"),
        "{text}"
    );
    // And over a connection: nothing is taken, and nothing is answered in a version that was not asked for.
    let old = host(1, here, &[]).await;
    let later = host(2, LATER, &[&old]).await;
    later.sees_alive(&old).await;
    old.sees_alive(&later).await;
    later.peers.send(old.me.host, message(1));
    let counts = &later.metrics.peer_messages;
    until("it is refused", || counts.get(["out", "failed"]) == 1).await;
    assert_eq!(old.metrics.peer_messages.get(["in", "taken"]), 0);
}

#[test]
fn a_call_is_in_the_older_of_both_sides_newest() {
    // Nothing is known of the reader yet, or it is of the first release; then of each release that follows.
    let spoken = [0, 1, 2, 3].map(|reads| NEXT.for_reader(reads));
    assert_eq!(spoken, [1, 1, 2, 2]);
    assert_eq!(Versions::OURS.for_reader(2), 1);
    assert!(
        Versions::OURS
            .check(NEXT.for_reader(1), NEXT.newest)
            .is_ok()
    );
    assert!(NEXT.check(Versions::OURS.for_reader(2), 1).is_ok());
}
