//! Who belongs to a fleet: a host comes in by a token, once; nobody else is heard; and a host that was put out is out.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use kerf_tests::world::Fleet;

use super::spec::Spec;
use super::world::{
    LIMIT, all_see, config, document, empty, hosts_of, job, measured, nodes, until, waits,
};

/// Certificates are good for half a minute, so that one is renewed while the test looks.
const SHORT: &str = "certificate_lifetime_s = 30\n";

/// How long a host that was put out may be seen by others.
const OUT: Duration = Duration::from_secs(20);

#[test]
fn a_host_comes_in_by_a_token_and_goes_out_by_the_word_of_the_ca() {
    let Some(mut fleet) = empty() else { return };
    alone(&mut fleet);
    nobody_is_heard_before(&fleet);
    in_by_tokens(&mut fleet);
    a_job_goes_to_another_host(&fleet);
    a_token_is_good_once(&mut fleet);
    strangers_are_not_heard(&fleet);
    certificates_are_renewed(&fleet);
    members_come_back(&mut fleet);
    out_by_a_word(&fleet);
    fleet.stop().expect("nothing is left");
}

/// Three hosts in no cluster.
fn alone(fleet: &mut Fleet) {
    for number in 1..=3 {
        let config = format!("{}{SHORT}", config(fleet));
        let name = format!("node-{number}");
        let settings = fleet.settings(&name, "h100x1", &config).expect("settings");
        fleet.start_alone(settings).expect("a host comes up");
    }
}

fn refused(fleet: &Fleet, number: usize, words: &[&str], expected: &str) {
    let words = [&["cluster"], words].concat();
    let said = fleet.says(number, &words).expect_err("it is refused");
    let said = format!("{said:#}");
    assert!(said.contains(expected), "{words:?}: {said}");
    assert!(said.contains("hint:"), "{words:?}: {said}");
}

/// A host in no cluster works alone, says so, and tells what to do.
fn nobody_is_heard_before(fleet: &Fleet) {
    let status = document(fleet, 1, &["cluster", "status"]);
    assert!(status["membership"].is_null(), "{status}");
    let said = fleet.says(1, &["status"]).expect("it answers");
    assert!(said.contains("this host is in no cluster"), "{said}");
    assert_eq!(nodes(fleet, 2).len(), 1, "nobody is met");
    let id = Spec::new("exit 4").on(&[2]).submit(fleet, 2);
    assert_eq!(until(fleet, 2, &id, "failed")["exit_code"], 4);
    refused(fleet, 1, &["token", "create"], "this host is in no cluster");
    refused(
        fleet,
        1,
        &["join", "127.0.0.1:1", "kerf2-00"],
        "a token has 158 characters",
    );
    refused(fleet, 1, &["init", "--name", "No Name"], "is not a name");
}

fn address(fleet: &Fleet, number: usize) -> String {
    let address = fleet.host(number).expect("a host").peers_address();
    address.expect("it listens").to_string()
}

/// The first makes a cluster; each other comes in, after some tries that lead nowhere.
fn in_by_tokens(fleet: &mut Fleet) {
    fleet
        .says(1, &["cluster", "init", "--name", "lab"])
        .expect("a first host");
    refused(
        fleet,
        1,
        &["init"],
        "this host is a member of the cluster lab already",
    );
    let (at, token) = fleet.token().expect("a token");
    let gone = TcpGone::new();
    refused(
        fleet,
        2,
        &["join", &gone.0.to_string(), &token],
        "cannot reach 127.0.0.1:",
    );
    refused(
        fleet,
        2,
        &["join", &address(fleet, 3), &token],
        "is no member of a cluster",
    );
    let joined = fleet
        .says(2, &["cluster", "join", &at, &token])
        .expect("it comes in");
    assert!(joined.contains("lab"), "{joined}");
    refused(
        fleet,
        2,
        &["join", &at, &token],
        "this host is a member of the cluster lab already",
    );
    refused(
        fleet,
        2,
        &["token", "create"],
        "this host does not sign for the cluster",
    );
    // The third makes a cluster of its own by mistake: its token does not lead into the first, nor the other way.
    let (_, good) = fleet.token().expect("a token");
    refused(
        fleet,
        3,
        &["join", &address(fleet, 2), &good],
        "and the token was made on another one",
    );
    fleet
        .says(3, &["cluster", "join", &at, &good])
        .expect("it comes in");
    all_see(fleet, 3);
    for number in 1..=3 {
        let said = fleet.says(number, &["status"]).expect("it answers");
        assert!(!said.contains("authenticated"), "{said}");
    }
}

/// A port where nobody listens.
struct TcpGone(SocketAddr);

impl TcpGone {
    fn new() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        Self(listener.local_addr().expect("an address"))
    }
}

fn a_job_goes_to_another_host(fleet: &Fleet) {
    let id = Spec::new("echo over TLS; exit 3").on(&[1]).submit(fleet, 2);
    assert_eq!(until(fleet, 2, &id, "failed")["exit_code"], 3);
    assert_eq!(hosts_of(&job(fleet, 2, &id)), ["node-1"]);
    let logs = fleet
        .says(2, &["logs", &id])
        .expect("its output comes back");
    assert!(logs.contains("over TLS"), "{logs}");
}

/// The fourth host has a token that another one used, and one that was taken back, and one of another cluster.
fn a_token_is_good_once(fleet: &mut Fleet) {
    let config = config(fleet);
    let settings = fleet
        .settings("node-4", "h100x1", &config)
        .expect("settings");
    fleet.start_alone(settings).expect("a host comes up");
    let listed = document(fleet, 1, &["cluster", "token", "list"]);
    let used = listed["tokens"].as_array().expect("a list");
    assert!(
        used.iter().all(|token| token["state"] == "used"),
        "{listed}"
    );
    let (at, token) = fleet.token().expect("a token");
    let id = token.get(6..22).expect("its name").to_owned();
    fleet
        .says(1, &["cluster", "token", "revoke", &id])
        .expect("it is taken back");
    refused(
        fleet,
        4,
        &["join", &at, &token],
        "the token is not known here",
    );
    refused(
        fleet,
        4,
        &["join", &at, &token[..100]],
        "was it copied whole?",
    );
    fleet
        .says(4, &["cluster", "init", "--name", "other"])
        .expect("a cluster of its own");
    let abroad = fleet
        .says(4, &["cluster", "token", "create"])
        .expect("a token");
    assert_eq!(nodes(fleet, 4).len(), 1, "{:#?}", nodes(fleet, 4));
    refused(
        fleet,
        4,
        &["join", &at, abroad.trim()],
        "this host is a member of the cluster other",
    );
}

fn counted(fleet: &Fleet, number: usize, metric: &str, reason: &str) -> f64 {
    let text = fleet
        .host(number)
        .expect("a host")
        .metrics()
        .expect("metrics");
    let label = format!("reason=\"{reason}\"");
    let lines = text.lines().filter(|line| line.starts_with(metric));
    let of_reason = lines.filter(|line| line.contains(&label));
    let values = of_reason.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
    values.sum()
}

/// Gossip of whoever has no key, calls without TLS and TLS without a certificate change nothing.
fn strangers_are_not_heard(fleet: &Fleet) {
    let target: SocketAddr = address(fleet, 1).parse().expect("an address");
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    for length in [0, 17, 100, 1_400] {
        socket.send_to(&vec![7; length], target).expect("loopback");
    }
    let mut plain = TcpStream::connect(target).expect("it listens");
    plain.set_read_timeout(Some(LIMIT)).expect("it is ours");
    plain
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .expect("it is taken");
    let mut said = Vec::new();
    // A reset is an end as well.
    drop(plain.read_to_end(&mut said));
    assert_eq!(said, b"", "a plain caller is told something");
    waits(fleet, 1, "a plain caller counted", |fleet| {
        counted(fleet, 1, "kerf_peer_connections_refused_total", "plain") > 0.0
    });
    let said = fleet.says(1, &["status"]).expect("it answers");
    assert!(said.contains("speaks without TLS"), "{said}");
    waits(fleet, 1, "noise dropped", |fleet| {
        counted(fleet, 1, "kerf_peer_datagrams_dropped_total", "not_gossip") > 0.0
    });
    assert_eq!(nodes(fleet, 1).len(), 3, "{:#?}", nodes(fleet, 1));
}

/// The fourth host is in a cluster of its own by now.
fn members_see_each_other(fleet: &Fleet) {
    for number in 1..=3 {
        waits(fleet, number, "the other two", |fleet| {
            let nodes = nodes(fleet, number);
            let there = |node: &&serde_json::Value| {
                node["presence"] == "alive" && !node["record"].is_null()
            };
            nodes.iter().filter(there).count() == 3
        });
    }
}

fn ends_s(fleet: &Fleet, number: usize) -> u64 {
    let status = document(fleet, number, &["cluster", "status"]);
    status["membership"]["not_after_s"]
        .as_u64()
        .expect("a second")
}

/// By themselves, and everybody still hears everybody after the first certificates have ended.
fn certificates_are_renewed(fleet: &Fleet) {
    let before: Vec<u64> = (1..=3).map(|number| ends_s(fleet, number)).collect();
    for number in 1..=3 {
        waits(fleet, number, "the next certificate", |fleet| {
            before
                .get(number - 1)
                .is_some_and(|&end| ends_s(fleet, number) > end)
        });
    }
    members_see_each_other(fleet);
    let id = Spec::new("exit 5").on(&[3]).submit(fleet, 1);
    assert_eq!(until(fleet, 1, &id, "failed")["exit_code"], 5);
}

fn members_come_back(fleet: &mut Fleet) {
    let host = fleet.host_mut(2).expect("a host");
    host.kill9().expect("it goes");
    host.restart().expect("it comes back");
    members_see_each_other(fleet);
}

/// A host is put out: it is gone from all lists within seconds, its calls and gossip are refused, and it says so.
fn out_by_a_word(fleet: &Fleet) {
    refused(fleet, 1, &["revoke", "node-9"], "no host node-9 is known");
    refused(
        fleet,
        1,
        &["revoke", "node-1"],
        "a host does not revoke itself",
    );
    let begun = Instant::now();
    let said = fleet
        .says(1, &["cluster", "revoke", "node-3"])
        .expect("it is put out");
    assert!(said.contains("1 host told"), "{said}");
    assert!(said.contains("gossip is sealed with"), "{said}");
    for number in [1, 2] {
        waits(fleet, number, "node-3 gone", |fleet| {
            let nodes = nodes(fleet, number);
            let there = |node: &&serde_json::Value| node["name"] == "node-3";
            nodes
                .iter()
                .find(there)
                .is_none_or(|node| node["presence"] != "alive")
        });
    }
    let took = begun.elapsed();
    measured(&format!(
        "out of all lists {} ms after the word",
        took.as_millis()
    ));
    assert!(took < OUT, "{took:?}");
    waits(fleet, 3, "that it was revoked", |fleet| {
        let said = fleet.says(3, &["status"]);
        said.is_ok_and(|said| said.contains("this host was revoked"))
    });
    waits(fleet, 1, "its gossip dropped", |fleet| {
        counted(fleet, 1, "kerf_peer_datagrams_dropped_total", "revoked") > 0.0
    });
    let status = document(fleet, 2, &["cluster", "status"]);
    assert_eq!(
        status["membership"]["revoked"].as_array().map(Vec::len),
        Some(1)
    );
    let id = Spec::new("exit 6").on(&[1]).submit(fleet, 2);
    assert_eq!(until(fleet, 2, &id, "failed")["exit_code"], 6);
}
