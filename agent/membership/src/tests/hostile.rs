//! Datagrams that lie: each is dropped for its reason and changes nothing that the host shows.

use super::world::{CLUSTER, World, address, identity};
use crate::digest::BUCKETS;
use crate::wire::{Delta, Header, Malformed, Message, Peer, Profile, Swim};
use crate::{ClusterId, DropReason, Identity};

/// A datagram in the name of `sender`, with this body.
fn datagram(cluster: ClusterId, sender: &Identity, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    Header::new(cluster, sender.host, sender.life).write(&mut bytes);
    bytes.extend_from_slice(body);
    bytes
}

fn body(message: &Message) -> Vec<u8> {
    let mut bytes = Vec::new();
    message.write(&mut bytes);
    bytes
}

pub fn gossip(sender: &Identity, to: &Identity, updates: Vec<Peer>) -> Message {
    Message::Swim(Swim {
        sender: Profile::of(sender),
        refutation: 0,
        to: (to.host, to.life),
        message: foca::Message::Gossip,
        updates,
    })
}

fn down(identity: Identity) -> Peer {
    Peer::new(identity, 0, foca::State::Down)
}

/// Name, reason, datagram for host 1 of a fleet of three.
type Lie = (&'static str, DropReason, Vec<u8>);

pub fn ours(sender: &Identity, message: &Message) -> Vec<u8> {
    datagram(CLUSTER, sender, &body(message))
}

fn named(mut identity: Identity, name: &str) -> Identity {
    identity.name = name.parse().unwrap();
    identity
}

fn digest() -> Message {
    Message::Digest([1; BUCKETS])
}

/// What is wrong before anything is opened.
fn wrong_frames() -> Vec<Lie> {
    let two = identity(2, 1);
    let whole = ours(&two, &digest());
    let half = whole[..47].to_vec();
    let mut version = whole;
    version[2] = 9;
    let foreign = datagram(ClusterId(8), &two, &body(&digest()));
    let truncated = DropReason::Malformed(Malformed::Truncated);
    vec![
        ("nothing", truncated, Vec::new()),
        ("half a header", truncated, half),
        ("another protocol", DropReason::NotGossip, vec![0; 200]),
        ("huge", DropReason::Oversized, vec![b'k'; 65_507]),
        ("another version", DropReason::Version, version),
        ("another cluster", DropReason::ForeignCluster, foreign),
    ]
}

/// What is said in this host's name.
fn in_our_name() -> Vec<Lie> {
    let (one, two) = (identity(1, 1), identity(2, 1));
    let impostor = named(one.clone(), "impostor");
    let about = |member| ours(&two, &gossip(&two, &one, vec![down(member)]));
    let later = identity(1, 99);
    let lies = [
        ("our own id", ours(&one, &digest())),
        (
            "our own id, another name",
            ours(&impostor, &gossip(&impostor, &one, vec![])),
        ),
        ("our id in an update, another name", about(impostor.clone())),
        ("a later life of ours", about(later.clone())),
        (
            "to a later life of ours",
            ours(&two, &gossip(&two, &later, vec![])),
        ),
    ];
    lies.map(|(name, bytes)| (name, DropReason::OwnName, bytes))
        .to_vec()
}

/// What a peer says of itself that cannot be.
fn contradictions() -> Vec<Lie> {
    let (one, two) = (identity(1, 1), identity(2, 1));
    let other_name = named(two.clone(), "impostor");
    let mut other_place = two.clone();
    other_place.gossip = address(66);
    let hello = Message::Hello(Profile::of(&other_name));
    let lies = [
        (
            "a peer with another name",
            gossip(&other_name, &one, vec![]),
        ),
        (
            "a peer at another address",
            gossip(&other_place, &one, vec![]),
        ),
        ("a hello with a known id", hello),
    ];
    lies.map(|(name, message)| (name, DropReason::Contradiction, ours(&two, &message)))
        .to_vec()
}

/// What comes from nobody we know.
fn strangers() -> Vec<Lie> {
    let (one, two, nine) = (identity(1, 1), identity(2, 1), identity(9, 1));
    let delta = Message::Delta(Delta {
        members: vec![down(identity(3, 1))],
        ..Delta::default()
    });
    let relay = Message::Swim(Swim {
        sender: Profile::of(&two),
        refutation: 0,
        to: (one.host, one.life),
        message: foca::Message::PingReq {
            target: nine.clone(),
            probe_number: 1,
        },
        updates: Vec::new(),
    });
    let welcome = Message::Welcome(Profile::of(&nine));
    let lies = [
        ("a stranger's digest", ours(&nine, &digest())),
        (
            "a digest of an earlier life",
            ours(&identity(2, 0), &digest()),
        ),
        ("a stranger's delta", ours(&nine, &delta)),
        ("a welcome that nobody asked for", ours(&nine, &welcome)),
        ("a probe of somebody unknown", ours(&two, &relay)),
    ];
    lies.map(|(name, bytes)| (name, DropReason::Stranger, bytes))
        .to_vec()
}

/// What is for somebody else.
fn not_for_us() -> Vec<Lie> {
    let (two, nine) = (identity(2, 1), identity(9, 1));
    let suspicion = |of: Identity| Message::Suspected(of.host, of.life, 0);
    let lies = [
        ("to another host", gossip(&two, &nine, vec![])),
        ("a suspicion of another", suspicion(identity(3, 1))),
        ("a suspicion of an earlier life", suspicion(identity(1, 0))),
    ];
    lies.map(|(name, message)| (name, DropReason::NotForUs, ours(&two, &message)))
        .to_vec()
}

/// Bodies that are no message.
fn malformed() -> Vec<Lie> {
    use Malformed as M;
    let (two, nine) = (identity(2, 1), identity(9, 1));
    let mut nowhere = body(&Message::Hello(Profile::of(&nine)));
    nowhere[5..9].fill(0);
    let mut longer = body(&digest());
    longer.push(1);
    let bodies: [(&str, M, &[u8]); 10] = [
        ("no body", M::Truncated, &[]),
        ("no such kind", M::Tag, &[99]),
        ("a name of no host", M::Name, &[3, 2, b'-', b'a']),
        ("a name longer than all", M::Truncated, &[3, 255, b'a']),
        ("65,535 members", M::Count, &[6, 255, 255, 0, 0, 0, 0, 0, 0]),
        ("65,535 records", M::Count, &[6, 0, 0, 0, 0, 0, 0, 255, 255]),
        ("65 spans", M::Count, &[5, 65]),
        ("a span of no bucket", M::Tag, &[5, 1, 64, 0, 0, 0]),
        ("an unspecified address", M::Address, &nowhere),
        ("a digest and a bit", M::Trailing, &longer),
    ];
    bodies
        .into_iter()
        .map(|(name, what, bytes)| {
            let bytes = datagram(CLUSTER, &two, bytes);
            (name, DropReason::Malformed(what), bytes)
        })
        .collect()
}

fn table() -> Vec<Lie> {
    [
        wrong_frames(),
        in_our_name(),
        contradictions(),
        strangers(),
        not_for_us(),
        malformed(),
    ]
    .concat()
}

#[test]
fn lies_are_dropped_for_their_reason_and_change_nothing() {
    for (name, reason, bytes) in table() {
        let mut world = World::new(3);
        let before = (world.picture(1), world.cores[&1].stats().dropped.clone());
        let sent = world.cores[&1].stats().sent;
        world.inject(1, address(77), &bytes);
        assert_eq!(world.picture(1), before.0, "{name}");
        let mut wanted = before.1;
        *wanted.entry(reason).or_insert(0) += 1;
        assert_eq!(world.cores[&1].stats().dropped, wanted, "{name}");
        assert_eq!(world.cores[&1].stats().sent, sent, "{name} was answered");
    }
}

#[test]
fn a_hello_is_answered_with_less_and_changes_nothing() {
    let mut world = World::new(3);
    let nine = identity(9, 1);
    let hello = datagram(CLUSTER, &nine, &body(&Message::Hello(Profile::of(&nine))));
    let before = (world.picture(1), world.cores[&1].stats().sent_bytes);
    world.inject(1, address(77), &hello);
    assert_eq!(world.picture(1), before.0);
    let answer = world.cores[&1].stats().sent_bytes - before.1;
    assert!(answer > 0 && answer <= hello.len() as u64, "{answer}");
}

#[test]
fn whoever_asks_without_end_gets_a_bounded_answer() {
    let mut world = World::new(3);
    let two = identity(2, 1);
    let digest = datagram(CLUSTER, &two, &body(&Message::Digest([1; BUCKETS])));
    let before = world.cores[&1].stats().sent_bytes;
    for _ in 0..1_000 {
        world.inject(1, address(2), &digest);
    }
    let answer = world.cores[&1].stats().sent_bytes - before;
    assert!(answer <= 24 * 1_400, "{answer} bytes in one round");
    assert!(world.cores[&1].stats().dropped[&DropReason::Busy] > 900);
}

#[test]
fn a_liar_cannot_fill_the_view() {
    let mut world = World::new(3);
    let two = identity(2, 1);
    for number in (0..12_000_u16).step_by(10) {
        let ghost = |number| Peer::new(identity(100 + number, 1), 0, foca::State::Alive);
        let ghosts = (number..number + 10).map(ghost).collect();
        let lie = ours(&two, &gossip(&two, &identity(1, 1), ghosts));
        world.inject(1, address(2), &lie);
    }
    let core = &world.cores[&1];
    // The view is looked at once for each datagram.
    assert!((10_000..10_010).contains(&core.members(world.now).count()));
    assert!(core.stats().members_refused >= 2_000);
}

#[test]
fn a_lie_about_a_life_far_ahead_does_not_make_a_host_renew_for_ever() {
    let mut world = World::new(3);
    let two = identity(2, 1);
    let lie = gossip(&two, &identity(3, 1), vec![down(identity(1, u64::MAX))]);
    let lie = datagram(CLUSTER, &two, &body(&lie));
    world.inject(3, address(2), &lie);
    world.run_for(60_000);
    let renewals = world.cores[&1].stats().renewals;
    assert!(renewals < 10, "{renewals} renewals in a minute");
}
