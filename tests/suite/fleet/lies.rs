//! What comes to a host's port from hands that nobody vouches for, and hosts that are set up wrong.

use std::net::UdpSocket;

use kerf_tests::world::{Fleet, Kerfd};

use super::spec::Spec;
use super::world::{LIMIT, all_see, config, empty, hosts_of, measured, nodes, until, waits};

/// The byte of a datagram that says what it is, as the doc of `kerf_membership`'s `wire` has it.
const KIND: usize = 48;

/// Kinds of datagrams that bring nobody into a fleet: a hello and a welcome would, and rightly so.
const KINDS: [u8; 6] = [0, 1, 4, 5, 6, 7];

#[test]
fn what_lies_at_the_port_of_a_host_changes_nothing() {
    let Some(mut fleet) = empty() else { return };
    fleet.prove_nothing();
    for _ in [1, 2] {
        let more = config(&fleet);
        fleet.add("h100x1", &more).expect("a host comes up");
    }
    all_see(&fleet, 2);
    status_says(
        &fleet,
        1,
        "neither encrypted nor authenticated (--insecure-dev)",
    );
    let hello = hello_of_a_stranger(&mut fleet);
    garbage_is_dropped(&fleet, &hello);
    another_cluster_is_not_seen(&mut fleet);
    two_hosts_of_one_name_are_two(&mut fleet);
    fleet.stop().expect("nothing is left");
}

fn status_says(fleet: &Fleet, number: usize, words: &str) {
    waits(fleet, number, words, |fleet| {
        fleet
            .says(number, &["status"])
            .is_ok_and(|said| said.contains(words))
    });
}

/// What a host says that was told to join a port where nobody answers; it stays alone and says so.
fn hello_of_a_stranger(fleet: &mut Fleet) -> Vec<u8> {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.set_read_timeout(Some(LIMIT)).expect("it is ours");
    let more = config(fleet);
    let mut settings = fleet.settings("node-3", "h100x1", &more).expect("settings");
    let peering = settings.peering.as_mut().expect("it meets others");
    peering.join = Some(socket.local_addr().expect("an address"));
    fleet.start(settings).expect("it comes up");
    let mut bytes = [0; 2_048];
    let (count, _) = socket.recv_from(&mut bytes).expect("it asks");
    status_says(fleet, 3, "alone: nobody has answered");
    bytes[..count].to_vec()
}

fn garbage_is_dropped(fleet: &Fleet, hello: &[u8]) {
    let target = fleet.host(1).expect("host 1");
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket
        .connect(target.peers_address().expect("it listens"))
        .expect("loopback");
    let before = dropped(target, "");
    // Told again as long as it is not seen: so many at once do not all fit into the kernel's buffer.
    waits(fleet, 1, "lies of each kind dropped", |_| {
        tell_lies(&socket, hello);
        let some = |reason| dropped(target, reason) > 0;
        ["oversized", "not_gossip", "malformed"]
            .into_iter()
            .all(some)
    });
    measured(&format!(
        "{} of the lies were counted",
        dropped(target, "") - before
    ));
    // It is as before: it sees whom it saw, and takes a job.
    assert_eq!(nodes(fleet, 1).len(), 2, "{:#?}", nodes(fleet, 1));
    let id = Spec::new("exit 3").on(&[1]).submit(fleet, 2);
    assert_eq!(until(fleet, 2, &id, "failed")["exit_code"], 3);
    all_see_each_other(fleet);
}

/// Noise of many lengths, a true datagram cut at each byte, and true heads with a body that is none.
fn tell_lies(socket: &UdpSocket, hello: &[u8]) {
    let send = |bytes: &[u8]| {
        socket.send(bytes).expect("loopback takes it");
    };
    let mut random = Chance(1);
    // Those that may be lost to the ones before them come first.
    for length in [60_000, 9_000, 2_048]
        .into_iter()
        .chain((0..1_500).step_by(7))
    {
        let noise: Vec<u8> = (0..length).map(|_| random.byte()).collect();
        send(&noise);
    }
    for length in 0..hello.len() {
        send(&hello[..length]);
    }
    for kind in KINDS {
        for _ in 0..40 {
            let mut lie = hello.to_vec();
            lie.truncate(KIND + 1 + usize::from(random.byte()));
            lie[KIND] = kind;
            lie.iter_mut()
                .skip(KIND + 1)
                .for_each(|byte| *byte = random.byte());
            send(&lie);
        }
    }
}

/// Hosts 1 and 2 see each other and nobody else.
fn all_see_each_other(fleet: &Fleet) {
    for number in [1, 2] {
        let nodes = nodes(fleet, number);
        assert_eq!(nodes.len(), 2, "{nodes:#?}");
        assert!(
            nodes.iter().all(|node| node["presence"] == "alive"),
            "{nodes:#?}"
        );
    }
}

/// Datagrams that a host has dropped, of one reason or of all.
fn dropped(kerfd: &Kerfd, reason: &str) -> u64 {
    let metrics = kerfd.metrics().expect("metrics");
    let lines = metrics.lines().filter(|line| {
        line.starts_with("kerf_peer_datagrams_dropped_total{") && line.contains(reason)
    });
    let counts = lines.map(|line| line.rsplit(' ').next().and_then(|count| count.parse().ok()));
    counts
        .map(|count: Option<u64>| count.expect("a whole number"))
        .sum()
}

fn another_cluster_is_not_seen(fleet: &mut Fleet) {
    let more = config(fleet);
    let stranger = format!("{more}cluster = \"another\"\n");
    fleet.add("h100x1", &stranger).expect("it comes up");
    let target = fleet.host(1).expect("host 1");
    waits(fleet, 1, "a question of another cluster", |_| {
        dropped(target, "foreign_cluster") > 0
    });
    status_says(fleet, 4, "alone: nobody has answered");
    assert_eq!(nodes(fleet, 4).len(), 1, "{:#?}", nodes(fleet, 4));
    all_see_each_other(fleet);
}

fn two_hosts_of_one_name_are_two(fleet: &mut Fleet) {
    let more = config(fleet);
    fleet
        .add_as("node-2", "h100x1", &more)
        .expect("it comes up");
    for number in [1, 2, 5] {
        waits(fleet, number, "three hosts", |fleet| {
            let nodes = nodes(fleet, number);
            let there = |node: &&serde_json::Value| {
                node["presence"] == "alive" && !node["record"].is_null()
            };
            nodes.iter().filter(there).count() == 3
        });
        let mut ids: Vec<String> = nodes(fleet, number)
            .iter()
            .filter(|node| node["name"] == "node-2")
            .map(|node| node["id"].as_str().expect("an id").to_owned())
            .collect();
        ids.sort();
        assert_eq!(ids.len(), 2, "{ids:?}");
        assert_ne!(ids[0], ids[1]);
        status_says(fleet, number, "2 hosts carry the name node-2");
        let status = fleet.says(number, &["status"]).expect("status");
        let table = fleet.says(number, &["nodes"]).expect("nodes");
        for id in &ids {
            assert!(status.contains(id.as_str()), "{status}");
            assert!(table.contains(&id[..8]), "{table}");
        }
    }
    // Each is a host of its own.
    let mut placed = Vec::new();
    for number in [2, 5] {
        let id = Spec::new("true").on(&[number]).submit(fleet, 1);
        let ended = until(fleet, 1, &id, "succeeded");
        assert_eq!(hosts_of(&ended), ["node-2"], "{ended}");
        placed.push(ended["members"][0]["host_id"].to_string());
    }
    assert_ne!(placed[0], placed[1]);
}

/// Bytes that look like chance and are the same each time (xorshift).
struct Chance(u64);

impl Chance {
    fn byte(&mut self) -> u8 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.to_le_bytes()[3]
    }
}
