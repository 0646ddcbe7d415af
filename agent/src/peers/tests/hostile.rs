//! What others send changes nothing unless it can be true, and is counted.

use kerf_api::peer::v1;
use kerf_membership::Payload;
use kerf_types::HostId;
use kerf_types::host_record::HostRecord;
use prost::Message;
use tokio::net::UdpSocket;

use super::{Event, Host, Peer, fleet, host, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn datagrams_that_are_none_are_counted_and_change_nothing() {
    let hosts = fleet(2).await;
    let (one, two) = (&hosts[0], &hosts[1]);
    let before = one.peers.watch().borrow().len();
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
    let send = async |bytes: &[u8]| {
        let sent = socket.send_to(bytes, one.address()).await;
        sent.expect("loopback takes it");
    };
    send(b"GET /metrics HTTP/1.1\r\nHost: kerf.example\r\nAccept: */*\r\n\r\n").await;
    send(b"").await;
    // The header of this fleet and nothing behind it: magic, version twice, cluster, sender, life.
    let mut header = b"kg\x01\x01".to_vec();
    header.extend(super::CLUSTER.0.to_be_bytes());
    header.extend(9u128.to_be_bytes());
    header.extend(1u64.to_be_bytes());
    header.extend(0u32.to_be_bytes());
    send(&header).await;
    let mut huge = header.clone();
    huge.resize(60_000, 7);
    send(&huge).await;
    let mut forged = header;
    forged[20..36].copy_from_slice(&one.me.host.bits().to_be_bytes());
    send(&forged).await;
    for reason in ["not_gossip", "malformed", "oversized", "own_name"] {
        let drops = &one.metrics.peer_drops;
        until(reason, || drops.get([reason]) > 0).await;
    }
    assert_eq!(one.peers.watch().borrow().len(), before);
    two.publish(1);
    one.sees("a record after all", &two.me, |peer| peer.record.is_some())
        .await;
}

/// Tells the fleet something that no kerfd would.
fn publish_bytes(host: &Host, bytes: &[u8]) {
    let payload = Payload::try_new(bytes).expect("short enough");
    host.peers.payload.send_replace(Some(payload));
}

fn encoded(record: &HostRecord) -> Vec<u8> {
    v1::HostRecord::from(record).encode_to_vec()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_that_cannot_be_true_are_not_believed() {
    let mut hosts = fleet(3).await;
    hosts[1].publish(5);
    let believed = |peer: &Peer| peer.record.is_some();
    hosts[0].sees("a good record", &hosts[1].me, believed).await;
    let liar = &hosts[1];
    let changed = |change: &dyn Fn(&mut HostRecord)| {
        let mut record = liar.record(6);
        change(&mut record);
        encoded(&record)
    };
    let lies: [(&str, Vec<u8>); 5] = [
        ("encoding", vec![0xff; 40]),
        (
            "content",
            changed(&|record| record.cpu_milli.free = u64::MAX),
        ),
        (
            "writer",
            changed(&|record| record.id = HostId::from_bits(3)),
        ),
        (
            "identity",
            changed(&|record| record.address = "10.0.0.9:1".to_owned()),
        ),
        ("version", changed(&|record| record.version.revision = 4)),
    ];
    for (reason, bytes) in &lies {
        publish_bytes(liar, bytes);
        let refused = &hosts[0].metrics.peer_records_refused;
        until(reason, || refused.get([*reason]) == 1).await;
    }
    let seen = hosts[0]
        .sees("the good one still", &hosts[1].me, believed)
        .await;
    assert_eq!(seen.record.map(|record| record.version.revision), Some(5));
    hosts[2].publish(1);
    hosts[0]
        .sees("another's record", &hosts[2].me, believed)
        .await;
    // Of several lies in a moment one is told.
    let told = hosts[0].told();
    let about = told
        .iter()
        .filter(|line| line.contains("its record is not believed"));
    assert_eq!(about.count(), 1, "{told:?}");
    hosts[1].publish(7);
    let id = hosts[1].me.host;
    let heard = hosts[0].hears("the truth again", |event| match event {
        Event::Record(record) if record.id == id => {
            assert!([5, 7].contains(&record.version.revision), "{record:?}");
            (record.version.revision == 7).then_some(())
        }
        Event::Record(record) => {
            assert_eq!(record.id, HostId::from_bits(3));
            None
        }
        _ => None,
    });
    heard.await;
}

#[tokio::test]
async fn only_its_own_short_record_is_published() {
    let one = host(1, &[]).await;
    let mut foreign = one.record(1);
    foreign.id = HostId::from_bits(2);
    let refused = one.peers.publish(&foreign).expect_err("another host's");
    assert!(
        refused.to_string().starts_with("the record is of host "),
        "{refused}"
    );
    let mut long = one.record(1);
    long.labels = (0..100)
        .map(|number| (format!("l{number}"), "x".repeat(100)))
        .collect();
    let refused = one.peers.publish(&long).expect_err("too long");
    assert!(
        refused.to_string().contains("8192 are allowed"),
        "{refused}"
    );
    one.peers.publish(&one.record(1)).expect("a good one");
}
